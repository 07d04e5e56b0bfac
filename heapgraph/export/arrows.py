"""Arrows in SVG: a curve, a head, and a label beside them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from heapgraph.export.colours import LIGHT
from heapgraph.export.svg_text import add_label, number

if TYPE_CHECKING:
    from heapgraph.export.drawing import Arrow
    from heapgraph.export.layout import Course, Point

_HALF_HEAD = 3.0
"""Half the width of the head of a thin arrow, in points; that of a thick one is wider."""


def add_arrow(parent: ET.Element, arrow: Arrow, course: Course, *, is_upright: bool) -> None:
    """Add one arrow.

    Args:
        parent: what it becomes a part of.
        arrow: what it says.
        course: where it goes.
        is_upright: whether arrows come from above, their labels being to the right of them; else
            they come from the left, and their labels are above.
    """
    group = ET.SubElement(parent, "g", {"class": "arrow"})
    look = {
        "class": "heapgraph-line",
        "d": _path(course.curve),
        "fill": "none",
        "stroke": LIGHT.line,
        "stroke-width": number(arrow.thickness),
    }
    if arrow.is_dashed:
        look["stroke-dasharray"] = "5 3"
    ET.SubElement(group, "path", look)
    head = {"class": "heapgraph-head", "points": _head(arrow, course), "fill": LIGHT.line}
    ET.SubElement(group, "polygon", head)
    if course.label is not None:
        add_label(group, arrow.label, course.label, from_left=is_upright)


def _path(curve: tuple[Point, ...]) -> str:
    begin, *rest = map(_pair, curve)
    return f"M{begin}C{' '.join(rest)}"


def _head(arrow: Arrow, course: Course) -> str:
    """A triangle from the end of the curve to the tip."""
    (x, y), (tip_x, tip_y) = course.curve[-1], course.tip
    length = math.hypot(tip_x - x, tip_y - y) or 1.0
    half = _HALF_HEAD + arrow.thickness / 2
    across_x, across_y = (tip_y - y) / length * half, (x - tip_x) / length * half
    corners = ((x + across_x, y + across_y), course.tip, (x - across_x, y - across_y))
    return " ".join(map(_pair, corners))


def _pair(point: Point) -> str:
    return f"{number(point[0])},{number(point[1])}"
