"""Steps that Python cannot make, `<field tp_subclasses>` or `[<ContextVar 'request'>]`: read back.

`@ID` at the end of one says which object it leads to, or which key is meant, where several read
alike; ids are valid in one snapshot.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from heapgraph.analysis.expressions.carriers import (
    CONTEXT_TYPES,
    context_entries,
    context_step,
)
from heapgraph.analysis.expressions.segments import edges_of, segment
from heapgraph.model import EDGE_KIND_NAMES, EdgeKind

if TYPE_CHECKING:
    from heapgraph.graph.heap_graph import HeapGraph

_ID = re.compile(r" @([0-9]{1,10})>\]?$")
_JUMP = re.compile(r"<(?:\.\.\. [0-9]+ more|cell) @[0-9]+>")
_PLACE = "hidden_step_{}_of_an_expression"
_PLACES = re.compile(r"hidden_step_([0-9]+)_of_an_expression")
_KINDS = {name: kind for kind, name in EDGE_KIND_NAMES.items()}
_MAX_READ = 100_000
"""References of one object that are read for one such step."""


def without_hidden(text: str) -> tuple[str, list[str]]:
    """An expression with a name in place of each `<...>`, which Python can parse, and these."""
    parts: list[str] = []
    hidden: list[str] = []
    at = 0
    while at < len(text):
        character = text[at]
        if character in "'\"":
            end = _end_of_text(text, at)
            parts.append(text[at:end])
        elif character == "<" and (end := _end_of_hidden(text, at)) > at:
            name = _PLACE.format(len(hidden))
            is_key = text[at - 1 : at] == "[" and text[end : end + 1] == "]"
            parts.append(name if is_key else f".{name}")
            hidden.append(f"[{text[at:end]}]" if is_key else text[at:end])
        else:
            end = at + 1
            parts.append(character)
        at = end
    return "".join(parts), hidden


def hidden_number(name: str) -> int | None:
    """Which of the hidden steps a name stands for."""
    found = _PLACES.fullmatch(name)
    return None if found is None else int(found[1])


def _end_of_text(text: str, start: int) -> int:
    """Where a quoted text ends; the next character where it never does."""
    at = start + 1
    while at < len(text):
        if text[at] == "\\":
            at += 1
        elif text[at] == text[start]:
            return at + 1
        at += 1
    return start + 1


def _end_of_hidden(text: str, start: int) -> int:
    """Where a `<...>` ends, with others and texts in it; `start` where it never does."""
    depth, at = 0, start
    while at < len(text):
        if text[at] in "'\"":
            at = _end_of_text(text, at)
            continue
        depth += {"<": 1, ">": -1}.get(text[at], 0)
        at += 1
        if depth == 0:
            return at
    return start


def follow_hidden(graph: HeapGraph, source: int, text: str) -> set[int]:
    """What such a step leads to from one object: every reference that is written so."""
    number = _ID.search(text)
    wanted = -1 if number is None else int(number[1])
    if _JUMP.fullmatch(text):
        return {wanted} if wanted < graph.object_count else set()
    if graph.type_name(source) in CONTEXT_TYPES and text.startswith("["):
        entries = context_entries(graph, source)
        return {value for key, value in entries if context_step(graph, source, key) == text}
    if text.startswith("["):
        edges = edges_of(graph, source, EdgeKind.VALUE)
    else:
        kind = _KINDS.get(text[1:].rstrip(">").partition(" ")[0])
        edges = edges_of(graph, source, *(() if kind is None else (kind,)))
    if number is not None:
        named = graph.labels if text.startswith("[") else graph.targets
        edges = edges[named[edges] == wanted]
    references = (graph.reference(int(edge)) for edge in edges[:_MAX_READ])
    return {each.target for each in references if segment(graph, each) == text}
