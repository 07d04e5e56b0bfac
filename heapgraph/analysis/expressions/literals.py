"""Values as Python source, as far as the snapshot holds them: dict keys, mostly."""

from __future__ import annotations

import ast
import math
import re
from typing import TYPE_CHECKING

import numpy as np

from heapgraph.graph.csr import rows_of
from heapgraph.model import NO_LABEL, EdgeKind

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from heapgraph.graph.heap_graph import HeapGraph

UNKNOWN = "..."
"""What a reference is called, or a value, that was not found; a step of a path reads `<...>`."""

_PREVIEW_CHARACTERS = 80
"""The walker keeps this many characters of a text, and marks what it cut with one more."""

_REPLACED = "\N{REPLACEMENT CHARACTER}"
"""Stands in a preview for what cannot be written in UTF-8, such as a lone surrogate."""

_WHOLE_NUMBER = re.compile("0|-?[1-9][0-9]*")
_MAX_TUPLE_ITEMS = 8
_MAX_NESTING = 4
_CONSTANTS = {"NoneType": "None", "ellipsis": "..."}
_EVALUABLE = frozenset({"bytes", "int", "float", "bool", "complex"})
_WITH_PREVIEW = _EVALUABLE | {"str"}


def literal(graph: HeapGraph, object_id: int, nesting: int = 0) -> str | None:
    """The object's value as Python source that evaluates to an equal value, or None.

    str, bytes, numbers, bool, None, Ellipsis and tuples of these. None (the result) where the value
    was not kept whole: cut short, redacted, a subclass, or of another type.
    """
    if object_id == NO_LABEL:
        return None
    type_name = graph.type_name(object_id)
    if type_name == "tuple":
        return _tuple_literal(graph, object_id, nesting)
    preview = graph.preview(object_id) if type_name in _WITH_PREVIEW else None
    return _plain_literal(type_name, preview)


def literals(graph: HeapGraph, object_ids: NDArray[np.uint32]) -> list[str | None]:
    """`literal` of many objects, with their previews read together.

    Args:
        graph: the snapshot.
        object_ids: uint32[k]; none is NO_LABEL.
    """
    names = [graph.type_names[row] for row in graph.type_ids[object_ids].tolist()]
    rows = zip(object_ids.tolist(), names, graph.previews(object_ids), strict=True)
    return [
        _tuple_literal(graph, object_id, 0) if name == "tuple" else _plain_literal(name, preview)
        for object_id, name, preview in rows
    ]


def literal_value(text: str) -> object:
    """The value of source that `literal` wrote.

    Raises:
        ValueError: the text is no literal.
    """
    try:
        return ast.literal_eval(text)
    except (SyntaxError, TypeError, MemoryError, RecursionError) as failure:
        raise ValueError(text) from failure


def text_of(graph: HeapGraph, object_id: int) -> str | None:
    """The whole text of a str object, or None if it is not one or was not kept whole.

    None, too, for NO_LABEL: in a heap that was damaged, or in motion, what names a reference may
    have been no object.
    """
    if object_id == NO_LABEL:
        return None
    return _whole(graph.preview(object_id)) if graph.type_name(object_id) == "str" else None


def texts_of(graph: HeapGraph, object_ids: NDArray[np.uint32]) -> list[str | None]:
    """`text_of` of many objects, with their previews read together.

    Args:
        graph: the snapshot.
        object_ids: uint32[k]; none is NO_LABEL.
    """
    names = [graph.type_names[row] for row in graph.type_ids[object_ids].tolist()]
    previews = graph.previews(object_ids)
    return [
        _whole(preview) if name == "str" else None
        for name, preview in zip(names, previews, strict=True)
    ]


def describe_value(graph: HeapGraph, object_id: int) -> str:
    """A value for people: its literal, else its type with as much of the value as is known.

    NO_LABEL is `UNKNOWN`.
    """
    if object_id == NO_LABEL:
        return UNKNOWN
    exact = literal(graph, object_id)
    if exact is not None:
        return exact
    return _described(graph.type_name(object_id), graph.preview(object_id))


def describe_values(graph: HeapGraph, object_ids: NDArray[np.uint32]) -> list[str]:
    """`describe_value` of many objects, with their previews read together.

    Args:
        graph: the snapshot.
        object_ids: uint32[k]; none is NO_LABEL.
    """
    names = [graph.type_names[row] for row in graph.type_ids[object_ids].tolist()]
    rows = zip(literals(graph, object_ids), names, graph.previews(object_ids), strict=True)
    return [_described(name, preview) if exact is None else exact for exact, name, preview in rows]


def _described(type_name: str, preview: str | None) -> str:
    """A value that has no literal."""
    if preview is None:
        return type_name
    if preview.startswith("<") and preview.endswith(">"):
        return preview[1:-1]
    return f"{type_name} {preview!r}" if type_name == "str" else f"{type_name} {preview}"


def _whole(preview: str | None) -> str | None:
    """The text that a preview shows, unless it was cut short or changed."""
    if preview is None or len(preview) > _PREVIEW_CHARACTERS or _REPLACED in preview:
        return None
    return preview


def _plain_literal(type_name: str, preview: str | None) -> str | None:
    """Source of a value that is no container."""
    if type_name in _CONSTANTS:
        return _CONSTANTS[type_name]
    if type_name == "str":
        text = _whole(preview)
        return None if text is None else repr(text)
    if type_name == "int" and preview and _WHOLE_NUMBER.fullmatch(preview):
        return preview  # by far the commonest that is no text, and evaluating it takes 10 us
    return _evaluable(preview) if type_name in _EVALUABLE else None


def _evaluable(preview: str | None) -> str | None:
    """Source of the value that a preview shows; None for inf, nan, and what was cut."""
    if preview is None:
        return None
    try:
        value = literal_value(preview)
    except ValueError:
        return None
    return None if isinstance(value, float) and math.isinf(value) else repr(value)


def _tuple_literal(graph: HeapGraph, object_id: int, nesting: int) -> str | None:
    """A tuple of literals as source; None if too long, too deep, or an item is no literal."""
    rows = rows_of(graph.offsets, object_id)
    items = np.flatnonzero(graph.edge_kinds[rows] == EdgeKind.INDEX) + rows.start
    if len(items) > _MAX_TUPLE_ITEMS or nesting >= _MAX_NESTING:
        return None
    parts: list[str] = []
    for edge in items[np.argsort(graph.labels[items])]:
        part = literal(graph, int(graph.targets[edge]), nesting + 1)
        if part is None:
            return None
        parts.append(part)
    return f"({parts[0]},)" if len(parts) == 1 else f"({', '.join(parts)})"
