"""Drawings in the dot language: with their texts for other tools, or as boxes to be laid out."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

import graphviz

from heapgraph.export.colours import LIGHT
from heapgraph.export.drawing import text_height
from heapgraph.export.pictures import draw
from heapgraph.export.text_room import FONTS
from heapgraph.safe_text import printable
from heapgraph.snapshot.pending_file import write_whole

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from heapgraph.export.drawing import Arrow, Box, Drawing, Line
    from heapgraph.graph.heap_graph import HeapGraph

_POINTS_PER_INCH = 72
_LABEL_MARGIN = 8.0
"""Between an arrow and its label, on each side of the label, in points."""


def dot_source(drawing: Drawing) -> str:
    """The drawing for Graphviz and what reads its language: with texts, fonts and colours."""
    digraph = _digraph(drawing)
    digraph.attr(bgcolor=LIGHT.ground, fontname=FONTS, labelloc="t", pad="0.3", tooltip=" ")
    digraph.attr(label=_html(drawing.title))
    digraph.attr("edge", fontname=FONTS, fontcolor=LIGHT.text, color=LIGHT.line, arrowsize="0.7")
    digraph.attr("node", fontname=FONTS)
    _add_all(digraph, drawing, with_text=True)
    source: str = digraph.source
    return source


def shapes_only(drawing: Drawing) -> graphviz.Digraph:
    """The drawing as boxes of the sizes that texts need, without a text.

    The places that Graphviz finds for them do not depend on the fonts of this machine, and no text
    of a target is read by it. The `id` of an edge is the index of its arrow.
    """
    digraph = _digraph(drawing)
    digraph.attr("node", fixedsize="true", label="")
    _add_all(digraph, drawing, with_text=False)
    return digraph


def write_dot(
    graph: HeapGraph,
    path: Path,
    *,
    force: bool = False,
    object: int | str,  # noqa: A002 - as on the command line
    **options: Any,  # noqa: ANN401 - those of `draw`
) -> None:
    """Write a drawing as the text that Graphviz lays out; see `draw` and `Exporter.export`."""
    source = dot_source(draw(graph, object, **options))
    write_whole(path, source.encode(), force=force)


def _digraph(drawing: Drawing) -> graphviz.Digraph:
    return graphviz.Digraph(
        graph_attr={"rankdir": drawing.direction, "nodesep": "0.35", "ranksep": "0.4"},
        node_attr={"shape": "box", "margin": "0"},
    )


def _add_all(digraph: graphviz.Digraph, drawing: Drawing, *, with_text: bool) -> None:
    """All boxes and arrows, those of roots in the first rank."""
    with digraph.subgraph() as top:
        top.attr(rank="min")
        for name in drawing.roots():
            top.node(name)
    for name, box in drawing.boxes.items():
        size = {
            "width": f"{box.width / _POINTS_PER_INCH:.4f}",
            "height": f"{box.height / _POINTS_PER_INCH:.4f}",
        }
        digraph.node(name, **size, **(_look(box) if with_text else {}))
    for index, arrow in enumerate(drawing.arrows):
        look = _arrow_look(arrow) if with_text else {"id": str(index)}
        if arrow.label.text:
            look["label"] = _label(arrow.label, with_text=with_text)
        digraph.edge(arrow.source, arrow.target, **look)


def _look(box: Box) -> dict[str, str]:
    colours = LIGHT.boxes[box.look]
    styles = ["filled", *["rounded"] * bool(colours.radius), *["dashed"] * bool(colours.dashes)]
    return {
        "label": _html(box.lines),
        "tooltip": _tooltip(box.tooltip),
        "style": ",".join(styles),
        "fillcolor": colours.fill,
        "color": colours.border,
        "fontcolor": colours.text,
        "penwidth": f"{colours.thickness:g}",
    }


def _arrow_look(arrow: Arrow) -> dict[str, str]:
    look = {"penwidth": f"{arrow.thickness:g}"}
    return {**look, "style": "dashed"} if arrow.is_dashed else look


def _label(line: Line, *, with_text: bool) -> str:
    """The label of an arrow: a table, because only that can be told to be so large at least."""
    width, height = round(line.width + 2 * _LABEL_MARGIN), round(text_height([line]))
    text = _line(line) if with_text else ""
    cell = f'<TD WIDTH="{width}" HEIGHT="{height}">{text}</TD>'
    return f'<<TABLE BORDER="0" CELLBORDER="0" CELLPADDING="0"><TR>{cell}</TR></TABLE>>'


def _html(lines: Iterable[Line]) -> str:
    """Lines as an HTML-like label of dot: nothing in them is markup or an escape."""
    return f"<{'<BR/>'.join(map(_line, lines))}>"


def _line(line: Line) -> str:
    # Graphviz refuses an element with nothing in it.
    text = escape(line.text) or " "
    text = f"<B>{text}</B>" if line.role.is_bold else text
    colour = f' COLOR="{LIGHT.quiet}"' if line.role.is_quiet else ""
    return f'<FONT POINT-SIZE="{line.role.size:g}"{colour}>{text}</FONT>'


def _tooltip(text: str) -> str:
    """Plain text as an ordinary string of dot, in which entities and escapes would mean more."""
    tooltip: str = graphviz.escape(printable(text).replace("&", "&amp;"))
    return tooltip
