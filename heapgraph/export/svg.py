"""Drawings as SVG: laid out by Graphviz, and written so that they look alike with every font."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

from heapgraph.export.arrows import add_arrow
from heapgraph.export.colours import LIGHT, dark_style
from heapgraph.export.drawing import text_height
from heapgraph.export.layout import lay_out
from heapgraph.export.pictures import draw
from heapgraph.export.svg_text import add_lines, number
from heapgraph.export.text_room import FONTS
from heapgraph.safe_text import printable
from heapgraph.snapshot.pending_file import write_whole

if TYPE_CHECKING:
    from pathlib import Path

    from heapgraph.export.drawing import Box, Drawing
    from heapgraph.export.layout import Layout, Point
    from heapgraph.graph.heap_graph import HeapGraph

_MARGIN = 18.0
"""Around everything, and between title and drawing, in points."""


def render_svg(drawing: Drawing) -> str:
    """Lay a drawing out.

    Returns:
        The SVG document: one file that asks for nothing else, with no script and no link.

    Raises:
        HeapgraphError: the program `dot` is missing, or fails.

    Cost: one run of `dot`, under a second for a few hundred boxes.
    """
    layout = lay_out(drawing)
    title_height = text_height(drawing.title)
    width = max(layout.width, *(line.width for line in drawing.title)) + 2 * _MARGIN
    height = layout.height + title_height + 3 * _MARGIN
    document = _document(width, height, drawing.title[0].text)
    title = ET.SubElement(document, "g", {"class": "title"})
    add_lines(title, drawing.title, (width / 2, _MARGIN + title_height / 2))
    left, top = (width - layout.width) / 2, title_height + 2 * _MARGIN
    place = f"translate({number(left)} {number(top)})"
    _add_drawing(ET.SubElement(document, "g", {"transform": place}), drawing, layout)
    ET.indent(document, " ")
    text = ET.tostring(document, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'


def write_svg(
    graph: HeapGraph,
    path: Path,
    *,
    force: bool = False,
    object: int | str,  # noqa: A002 - as on the command line
    **options: Any,  # noqa: ANN401 - those of `draw`
) -> None:
    """Lay a drawing out and write it; see `heapgraph.export.pictures.draw` and `Exporter.export`.

    Raises:
        HeapgraphError: it cannot be drawn.
    """
    write_whole(path, render_svg(draw(graph, object, **options)).encode(), force=force)


def _document(width: float, height: float, name: str) -> ET.Element:
    """An empty picture of this size, in points."""
    document = ET.Element(
        "svg",
        {
            "xmlns": "http://www.w3.org/2000/svg",
            "xml:space": "preserve",
            "class": "heapgraph",
            "width": f"{number(width)}pt",
            "height": f"{number(height)}pt",
            "viewBox": f"0 0 {number(width)} {number(height)}",
            "role": "img",
            "font-family": FONTS,
            "text-anchor": "middle",
        },
    )
    ET.SubElement(document, "title").text = name
    ET.SubElement(document, "style").text = dark_style()
    ground = {"class": "heapgraph-ground", "fill": LIGHT.ground}
    ET.SubElement(document, "rect", {**ground, "width": "100%", "height": "100%"})
    return document


def _add_drawing(parent: ET.Element, drawing: Drawing, layout: Layout) -> None:
    """Arrows first: a box covers what ends at its border."""
    for arrow, course in zip(drawing.arrows, layout.courses, strict=True):
        add_arrow(parent, arrow, course, is_upright=drawing.direction == "TB")
    for name, box in drawing.boxes.items():
        _add_box(parent, box, layout.centres[name])


def _add_box(parent: ET.Element, box: Box, centre: Point) -> None:
    colours = LIGHT.boxes[box.look]
    group = ET.SubElement(parent, "g", {"class": "box"})
    ET.SubElement(group, "title").text = printable(box.tooltip)
    look = {
        "class": f"heapgraph-{box.look.value}-box",
        "x": number(centre[0] - box.width / 2),
        "y": number(centre[1] - box.height / 2),
        "width": number(box.width),
        "height": number(box.height),
        "rx": number(colours.radius),
        "fill": colours.fill,
        "stroke": colours.border,
        "stroke-width": number(colours.thickness),
    }
    if colours.dashes:
        look["stroke-dasharray"] = colours.dashes
    ET.SubElement(group, "rect", look)
    add_lines(group, box.lines, centre, box.look)
