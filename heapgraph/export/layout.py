"""Where the boxes and arrows of a drawing go: found by Graphviz's program `dot`."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import graphviz

from heapgraph.errors import HeapgraphError
from heapgraph.export.dot import shapes_only

if TYPE_CHECKING:
    from heapgraph.export.drawing import Drawing

_OLDEST = "2.40"
"""The first Graphviz that can write JSON."""

Point = tuple[float, float]


@dataclass(frozen=True)
class Course:
    """The line of an arrow.

    Attributes:
        curve: control points of Bezier curves: one, and three for each curve.
        tip: where its head ends.
        label: the middle of its label; None where it has none.
    """

    curve: tuple[Point, ...]
    tip: Point
    label: Point | None


@dataclass(frozen=True)
class Layout:
    """Places in points, from the left and from the top.

    Attributes:
        width: of everything.
        height: of everything.
        centres: of the boxes, by name.
        courses: of the arrows, in their order.
    """

    width: float
    height: float
    centres: dict[str, Point]
    courses: list[Course]


def lay_out(drawing: Drawing) -> Layout:
    """Find a place for everything in a drawing.

    Raises:
        HeapgraphError: the program `dot` is missing, or fails.

    Cost: one run of `dot`, under a second for a few hundred boxes.
    """
    found = json.loads(_run_dot(shapes_only(drawing)))
    _, _, width, height = map(float, found["bb"].split(","))

    def point(text: str) -> Point:
        x, y = map(float, text.split(","))
        return x, height - y

    places = {node["name"]: point(node["pos"]) for node in found["objects"] if "pos" in node}
    edges = sorted(found.get("edges", ()), key=lambda edge: int(edge["id"]))
    return Layout(width, height, places, [_course(edge, point) for edge in edges])


def _course(edge: dict[str, Any], point: Any) -> Course:  # noqa: ANN401 - the function above
    """`e,1,2 3,4 5,6 ...`: where the head ends, then the control points."""
    words = edge["pos"].split()
    tip = next((word[2:] for word in words if word.startswith("e,")), words[-1])
    curve = tuple(point(word) for word in words if not word.startswith(("s,", "e,")))
    return Course(curve, point(tip), point(edge["lp"]) if "lp" in edge else None)


def _run_dot(digraph: graphviz.Digraph) -> str:
    try:
        document: str = digraph.pipe(format="json0", encoding="utf-8", quiet=True)
    except graphviz.ExecutableNotFound as failure:
        raise HeapgraphError(
            "the program `dot` was not found",
            "Graphviz lays the picture out and is not installed, or not on PATH",
            "apt-get install graphviz",
        ) from failure
    except subprocess.CalledProcessError as failure:
        raise HeapgraphError(
            f"the program `dot` failed with exit code {failure.returncode}",
            "this Graphviz cannot lay out the drawing",
            f"check `dot -V`; version {_OLDEST} or later is needed",
        ) from failure
    return document
