"""The operations of an expression (`.name`, `[key]`, `type(...)`): parsed, and followed."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING

from heapgraph.analysis.expressions.literals import literal_value
from heapgraph.analysis.expressions.matching import equal_to
from heapgraph.analysis.expressions.openings import root_names
from heapgraph.analysis.expressions.segments import (
    FLAT_TYPE,
    direct_attribute_targets,
    edges_of,
    namespace_of,
    type_object,
)
from heapgraph.errors import ObjectNotFound
from heapgraph.model import EdgeKind

if TYPE_CHECKING:
    from collections.abc import Iterable

    from heapgraph.graph.heap_graph import HeapGraph

SYNTAX_HINT = "@ID, 0xADDRESS, or an expression such as app.CACHE['user:42'].history[0]"

_SHOWN_CHARACTERS = 80


@dataclass(frozen=True)
class Attribute:
    """`.name`."""

    name: str


@dataclass(frozen=True)
class Item:
    """`[key]`; the key is a Python value."""

    key: object


@dataclass(frozen=True)
class NamespaceItem:
    """`.__dict__['name']`: also an attribute that is stored without a dict."""

    key: str


@dataclass(frozen=True)
class TypeCall:
    """`type(...)` around everything before it."""


Operation = Attribute | Item | NamespaceItem | TypeCall


def parse_expression(text: str) -> tuple[str, list[Operation]]:
    """The first name of an expression and what is done to it, innermost first."""
    try:
        node = ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        raise _not_understood(text) from None
    operations: list[Operation] = []
    while not isinstance(node, ast.Name):
        match node:
            case ast.Attribute(value=inner, attr=name):
                operations.append(Attribute(name))
            case ast.Subscript(value=inner, slice=key):
                operations.append(Item(_key_value(text, key)))
            case ast.Call(func=ast.Name(id="type"), args=[inner], keywords=[]):
                operations.append(TypeCall())
            case _:
                raise _not_understood(text)
        node = inner
    return node.id, _with_namespace_items(operations[::-1])


def _with_namespace_items(operations: list[Operation]) -> list[Operation]:
    """Make one operation of each `.__dict__` and the text key behind it."""
    merged: list[Operation] = []
    for operation in operations:
        match operation:
            case Item(str(key)) if merged[-1:] == [Attribute("__dict__")]:
                merged[-1] = NamespaceItem(key)
            case _:
                merged.append(operation)
    return merged


def _key_value(text: str, key: ast.expr) -> object:
    try:
        return literal_value(ast.unparse(key))
    except (ValueError, RecursionError):
        raise _not_understood(text) from None


def _not_understood(text: str) -> ObjectNotFound:
    shown = text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}..."
    cause = "a part in <...> is for reading only" if "<" in text else "it is no such path"
    return ObjectNotFound(f"cannot read {shown!r} as an object", cause, SYNTAX_HINT)


def follow_all(graph: HeapGraph, starts: Iterable[int], operations: list[Operation]) -> set[int]:
    """Follow operations from all starts; every start that has them all contributes."""
    found = set(starts)
    for operation in operations:
        found = {target for source in found for target in _follow_one(graph, source, operation)}
    return found


def _follow_one(graph: HeapGraph, source: int, operation: Operation) -> set[int]:
    """What one operation leads to from one object; nothing if the object does not have it."""
    match operation:
        case TypeCall() | Attribute("__class__"):
            found = {type_object(graph, source)}
        case Item(key):
            return _item_targets(graph, source, key)
        case NamespaceItem(key):
            inline = direct_attribute_targets(graph, source, key, kinds=(EdgeKind.ATTRIBUTE,))
            return _namespace_targets(graph, source, key) or inline
        case Attribute("__dict__"):
            found = {_namespace(graph, source)}
        case Attribute("flat") if graph.type_name(source) == FLAT_TYPE:
            found = {source}
        case Attribute(name):
            direct = direct_attribute_targets(graph, source, name)
            return direct or _namespace_targets(graph, source, name)
    return {target for target in found if target is not None}


def _namespace(graph: HeapGraph, source: int) -> int | None:
    """The object's `__dict__`; the object itself where the dict is a root in a module's place."""
    is_namespace = source in root_names(graph).namespaces
    return source if is_namespace else namespace_of(graph, source)


def _namespace_targets(graph: HeapGraph, source: int, name: str) -> set[int]:
    namespace = _namespace(graph, source)
    return set() if namespace is None else _item_targets(graph, namespace, name)


def _item_targets(graph: HeapGraph, source: int, key: object) -> set[int]:
    """What `[key]` of one object leads to: a position or an entry with an equal key."""
    found: set[int] = set()
    if isinstance(key, int) and not isinstance(key, bool):
        edges = edges_of(graph, source, EdgeKind.INDEX)
        found.update(int(t) for t in graph.targets[edges[graph.labels[edges] == key]])
    edges = edges_of(graph, source, EdgeKind.VALUE)
    if len(edges):
        equal = equal_to(graph, graph.labels[edges], key)
        found.update(int(target) for target in graph.targets[edges[equal]])
    return found


def describe_operation(operation: Operation) -> str:
    """What the operation asks for: a name, or a key as Python source."""
    match operation:
        case Attribute(name):
            return name
        case Item(key) | NamespaceItem(key):
            return repr(key)
        case TypeCall():
            return "type"
