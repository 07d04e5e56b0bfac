"""What the operations of an expression lead to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from heapgraph.analysis.expressions.carriers import THREAD_LOCAL, thread_spaces
from heapgraph.analysis.expressions.hidden import follow_hidden
from heapgraph.analysis.expressions.matching import equal_to
from heapgraph.analysis.expressions.openings import root_names
from heapgraph.analysis.expressions.operations import (
    Attribute,
    CapturedVariable,
    Hidden,
    Item,
    ListedItem,
    LocalVariable,
    NamespaceItem,
    TypeCall,
)
from heapgraph.analysis.expressions.python_steps import (
    AWAITED_ATTRIBUTES,
    FRAME_ATTRIBUTES,
    awaited_target,
    captured,
    frame_targets,
    listed,
    local_targets,
    tuple_position,
)
from heapgraph.analysis.expressions.segments import (
    FLAT_TYPE,
    direct_attribute_targets,
    edges_of,
    namespace_of,
    type_object,
)
from heapgraph.model import EdgeKind

if TYPE_CHECKING:
    from collections.abc import Iterable

    from heapgraph.analysis.expressions.operations import Operation
    from heapgraph.graph.heap_graph import HeapGraph


def follow_all(graph: HeapGraph, starts: Iterable[int], operations: list[Operation]) -> set[int]:
    """Follow operations from all starts; every start that has them all contributes."""
    found = set(starts)
    for operation in operations:
        found = {target for source in found for target in _follow_one(graph, source, operation)}
    return found


def _follow_one(graph: HeapGraph, source: int, operation: Operation) -> set[int]:
    """What one operation leads to from one object; nothing if the object does not have it."""
    found: set[int | None]
    match operation:
        case TypeCall() | Attribute(name="__class__"):
            found = {type_object(graph, source)}
        case Item(key):
            return _item_targets(graph, source, key)
        case NamespaceItem(key):
            inline = direct_attribute_targets(graph, source, key, kinds=(EdgeKind.ATTRIBUTE,))
            return _namespace_targets(graph, source, key) or inline
        case Attribute("__dict__", thread) if thread and graph.type_name(source) == THREAD_LOCAL:
            found = {space for who, space in thread_spaces(graph, source) if who == thread}
        case Attribute("__dict__"):
            found = {_namespace(graph, source)}
        case Attribute("flat") if graph.type_name(source) == FLAT_TYPE:
            found = {source}
        case Attribute(name, thread) if graph.type_name(source) == THREAD_LOCAL:
            spaces = {s for who, s in thread_spaces(graph, source) if thread in ("", who)}
            found = {t for space in spaces for t in _item_targets(graph, space, name)}
        case Attribute(name):
            return _attribute_targets(graph, source, name)
        case _:
            return _call_targets(graph, source, operation)
    return {target for target in found if target is not None}


def _attribute_targets(graph: HeapGraph, source: int, name: str) -> set[int]:
    """What `.name` means: a field, a slot, an entry of the `__dict__`, an item by its name."""
    if name == FRAME_ATTRIBUTES.get(graph.type_name(source)):
        # Since 3.11 what is suspended is its own frame, as long as nobody asks for the object.
        return frame_targets(graph, source) or {source}
    if name == AWAITED_ATTRIBUTES.get(graph.type_name(source)):
        awaited = awaited_target(graph, source)
        return set() if awaited is None else {awaited}
    direct = direct_attribute_targets(graph, source, name)
    direct = direct or _namespace_targets(graph, source, name)
    position = None if direct else tuple_position(graph, source, name)
    return direct if position is None else _item_targets(graph, source, position)


def _call_targets(graph: HeapGraph, source: int, operation: Operation) -> set[int]:
    """What is reached by a call, by the name of a variable, or in no way that Python has."""
    match operation:
        case LocalVariable(name):
            return local_targets(graph, source, name) or _namespace_local(graph, source, name)
        case Hidden(text):
            return follow_hidden(graph, source, text)
        case ListedItem(position):
            found = listed(graph, source, position)
        case CapturedVariable(name):
            found = captured(graph, source, name)
        case _:
            found = None
    return set() if found is None else {found}


def _namespace_local(graph: HeapGraph, source: int, name: str) -> set[int]:
    """A variable of module code, or of a class body: its frame has them in a dict."""
    spaces = direct_attribute_targets(graph, source, "f_locals")
    return {target for space in spaces for target in _item_targets(graph, space, name)}


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
