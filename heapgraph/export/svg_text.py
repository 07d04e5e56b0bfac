"""Lines of text in SVG, each as long as it was measured, whatever font the viewer has."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from heapgraph.export.colours import LIGHT
from heapgraph.export.drawing import Look, text_height
from heapgraph.export.text_room import mono_width

if TYPE_CHECKING:
    from collections.abc import Sequence

    from heapgraph.export.drawing import Line
    from heapgraph.export.layout import Point

_BASELINE = 0.35
"""From the middle of a line down to where its letters stand, in parts of their size: half of what
they rise above it (0.76 in DejaVu) less half of what they fall below (0.24), to a hundredth."""


def add_lines(
    parent: ET.Element, lines: Sequence[Line], centre: Point, look: Look | None = None
) -> None:
    """Add lines of text below one another.

    Args:
        parent: what they become a part of.
        lines: the lines.
        centre: the middle of them all.
        look: of the box they are in; None for the title and for labels.
    """
    x, top = centre[0], centre[1] - text_height(lines) / 2
    for line in lines:
        middle = top + line.role.height / 2
        top += line.role.height
        if line.text:
            _add_text(parent, line, (x, middle), look)


def add_label(parent: ET.Element, line: Line, centre: Point, *, from_left: bool) -> None:
    """Add the label of an arrow.

    Args:
        parent: what it becomes a part of.
        line: the text.
        centre: the middle of its room.
        from_left: begin at the left of the room, near an arrow that comes from above.
    """
    if not from_left:
        _add_text(parent, line, centre)
    else:
        text = _add_text(parent, line, (centre[0] - line.width / 2, centre[1]))
        text.set("text-anchor", "start")


def number(value: float) -> str:
    """A number of points as SVG has it, to a hundredth."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


def _add_text(parent: ET.Element, line: Line, place: Point, look: Look | None = None) -> ET.Element:
    """Add a text at a place: where its middle is, or its beginning if it is told to begin there."""
    text_class, colour = "heapgraph-text", LIGHT.text
    if look is not None:
        text_class, colour = f"heapgraph-{look.value}-text", LIGHT.boxes[look].text
    if line.role.is_quiet and look is not Look.ROOT:
        text_class, colour = "heapgraph-quiet", LIGHT.quiet
    attributes = {
        "class": text_class,
        "x": number(place[0]),
        "y": number(place[1] + _BASELINE * line.role.size),
        "font-size": number(line.role.size),
        "fill": colour,
        "textLength": number(mono_width(line.text, line.role.size)),
        "lengthAdjust": "spacingAndGlyphs",
    }
    if line.role.is_bold:
        attributes["font-weight"] = "bold"
    text = ET.SubElement(parent, "text", attributes)
    text.text = line.text
    return text
