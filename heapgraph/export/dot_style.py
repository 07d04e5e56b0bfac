"""How the boxes of a drawing look: fonts, colours, lines of text. All text is escaped."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import graphviz

from heapgraph.analysis.expressions import expression
from heapgraph.analysis.expressions.literals import literal
from heapgraph.analysis.expressions.openings import root_names
from heapgraph.analysis.object_rows import share_of_heap
from heapgraph.model import NO_ROW, ROOT_KIND_NAMES, RootKind
from heapgraph.safe_text import printable, shortened
from heapgraph.units import format_count, format_share, format_size

if TYPE_CHECKING:
    from heapgraph.graph.heap_graph import HeapGraph

_VALUE_CHARACTERS = 44
_TITLE_CHARACTERS = 100

# From the palette of Okabe and Ito: told apart with every kind of colour vision, and in grey.
_ROOT_FILL, _ROOT_TEXT = "#0072B2", "#FFFFFF"
_GOAL_FILL, _GOAL_BORDER = "#F9D9A0", "#A85A00"
_PLAIN_FILL, _BORDER, _TEXT, _QUIET_TEXT = "#F6F8FA", "#57606A", "#1F2328", "#4B535C"
_NOTHING = " "
"""Stands for no text: a type can be called so, and dot refuses an element with nothing in it."""

_FONT = "Helvetica,Arial,sans-serif"
_CODE_FONT = "Courier New,Courier,monospace"


def new_digraph(title: str, caption: str, direction: str) -> graphviz.Digraph:
    """An empty drawing with a title above it; direction as dot's rankdir: TB, LR."""
    digraph = graphviz.Digraph(
        graph_attr={
            "rankdir": direction,
            "bgcolor": "#FFFFFF",
            "labelloc": "t",
            "fontname": _FONT,
            "fontsize": "14",
            "fontcolor": _TEXT,
            "pad": "0.3",
            "nodesep": "0.35",
            "ranksep": "0.45",
            "tooltip": " ",
        },
        node_attr={
            "shape": "box",
            "style": "filled,rounded",
            "fontname": _FONT,
            "fontsize": "11",
            "fontcolor": _TEXT,
            "fillcolor": _PLAIN_FILL,
            "color": _BORDER,
            "margin": "0.14,0.07",
        },
        edge_attr={
            "fontname": _CODE_FONT,
            "fontsize": "11",
            "fontcolor": _TEXT,
            "color": _BORDER,
            "arrowsize": "0.7",
        },
    )
    digraph.attr(label=_lines([_code(shortened(title, _TITLE_CHARACTERS)), _quiet(caption), " "]))
    return digraph


def object_box(graph: HeapGraph, object_id: int, *, is_goal: bool) -> dict[str, str]:
    """Attributes of the box of an object: type, value, sizes; the goal stands out."""
    name = expression(graph, object_id)
    retained = graph.folded.shown_retained_size(object_id)
    shallow = format_size(graph.folded.shallow_size(object_id))
    share = format_share(share_of_heap(graph, retained))
    lines = [_bold(graph.type_name(object_id))]
    if value := _value(graph, object_id):
        lines.append(_code(value))
    lines += [
        _plain(f"{format_size(retained)} retained, {share}"),
        _quiet(f"{shallow} itself   @{object_id}"),
    ]
    return {
        "label": _lines(lines),
        "tooltip": _tooltip(name),
        "fillcolor": _GOAL_FILL if is_goal else _PLAIN_FILL,
        "color": _GOAL_BORDER if is_goal else _BORDER,
        "penwidth": "2.5" if is_goal else "1.0",
    }


def root_box(graph: HeapGraph, row: int) -> dict[str, str]:
    """Attributes of the box of a root: its kind and its name."""
    root = graph.roots.row(row)
    lines = [_bold(f"{ROOT_KIND_NAMES[root.kind]} {root.name}".strip())]
    if root.frame != NO_ROW:
        lines.append(_plain(root_names(graph).frame_text(root.frame)))
    if root.kind is RootKind.C_HELD:
        lines.append(_plain(f"{format_count(root.count)} references that only C code holds"))
    return {
        "label": _lines(lines),
        "fillcolor": _ROOT_FILL,
        "fontcolor": _ROOT_TEXT,
        "color": _ROOT_FILL,
        "shape": "box",
        "style": "filled",
        "tooltip": _tooltip(root.name or ROOT_KIND_NAMES[root.kind]),
    }


def gap_box(text: str) -> dict[str, str]:
    """Attributes of the box that stands for objects left out."""
    return {
        "label": _lines([_plain(text)]),
        "style": "dashed,rounded",
        "color": _BORDER,
        "fontcolor": _QUIET_TEXT,
        "tooltip": text,
    }


def html(text: str) -> str:
    """Plain text as an HTML-like label of dot: nothing in it is markup or an escape."""
    return f"< {_plain(text)} >" if text else ""


def _tooltip(text: str) -> str:
    """Plain text as an ordinary string of dot, in which entities and escapes would mean more."""
    tooltip: str = graphviz.escape(printable(text).replace("&", "&amp;"))
    return tooltip


def _lines(lines: list[str]) -> str:
    return f"<{'<BR/>'.join(lines)}>"


def _plain(text: str) -> str:
    return escape(printable(text)) or _NOTHING


def _bold(text: str) -> str:
    return f"<B>{_plain(text)}</B>"


def _quiet(text: str) -> str:
    return f'<FONT POINT-SIZE="10" COLOR="{_QUIET_TEXT}">{_plain(text)}</FONT>'


def _code(text: str) -> str:
    return f'<FONT FACE="{_CODE_FONT}">{_plain(text)}</FONT>'


def _value(graph: HeapGraph, object_id: int) -> str:
    """What was kept of the value, on one line."""
    value = literal(graph, object_id) or graph.preview(object_id) or ""
    return value if len(value) <= _VALUE_CHARACTERS else f"{value[: _VALUE_CHARACTERS - 3]}..."
