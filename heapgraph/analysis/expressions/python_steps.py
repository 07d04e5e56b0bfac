"""Steps that Python makes with more than a dot or a key: each with its inverse.

POINT.payload                                         an item of a named tuple
list(GROUP)[0]                                        a member of a set, a key of a dict
inspect.getclosurevars(CLOSURE).nonlocals['rows']     a variable that a closure captured
GENERATOR.gi_frame.f_locals['rows']                   a variable of a suspended function
COROUTINE.cr_await                                    what it waits for
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from heapgraph.analysis.expressions.literals import text_of
from heapgraph.analysis.expressions.segments import (
    direct_attribute_targets,
    edges_of,
    is_attribute_name,
    label_text,
    namespace_of,
    type_object,
)
from heapgraph.model import EdgeKind

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from heapgraph.graph.heap_graph import HeapGraph
    from heapgraph.graph.references import Reference

LISTED_TYPES = frozenset(
    {"set", "frozenset", "dict", "collections.defaultdict", "collections.Counter"}
)
"""Built-in types that `list(...)` goes through in the order of their table."""

FRAME_ATTRIBUTES = {"generator": "gi_frame", "coroutine": "cr_frame", "async_generator": "ag_frame"}
AWAITED_ATTRIBUTES = {
    "generator": "gi_yieldfrom",
    "coroutine": "cr_await",
    "async_generator": "ag_await",
}
"""By the type of what is suspended."""

_FIELD_DESCRIPTORS = frozenset({"_collections._tuplegetter", "collections._tuplegetter"})
_MAX_BASES = 20


def tuple_field(graph: HeapGraph, source: int, position: int) -> str | None:
    """The name of an item of a named tuple, where `.name` means the item."""
    names = _tuple_fields(graph, source)
    return names[position] if 0 <= position < len(names) else None


def tuple_position(graph: HeapGraph, source: int, name: str) -> int | None:
    """The position of a named tuple's item."""
    names = _tuple_fields(graph, source)
    return names.index(name) if name in names else None


def _tuple_fields(graph: HeapGraph, source: int) -> list[str | None]:
    """Names of the items; None for one that is called otherwise, or that a class hides."""
    if graph.type_name(source) == "tuple" or not len(edges_of(graph, source, EdgeKind.INDEX)):
        return []
    hidden: set[str] = set()
    following = type_object(graph, source)
    for _ in range(_MAX_BASES):
        if following is None or (namespace := namespace_of(graph, following)) is None:
            return []
        entries = {}
        for edge in edges_of(graph, namespace, EdgeKind.VALUE):
            name = text_of(graph, int(graph.labels[edge]))
            if name is not None:
                entries[name] = int(graph.targets[edge])
        if "_fields" in entries:
            own = {
                name
                for name, target in entries.items()
                if graph.type_name(target) in _FIELD_DESCRIPTORS and is_attribute_name(name)
            } - hidden
            fields = [text_of(graph, item) for item in items_of(graph, entries["_fields"])]
            return [name if name in own else None for name in fields]
        hidden.update(entries)
        bases = direct_attribute_targets(graph, following, "__base__")
        bases = bases or direct_attribute_targets(graph, following, "tp_base")
        following = bases.pop() if len(bases) == 1 else None
    return []


def items_of(graph: HeapGraph, source: int) -> list[int]:
    """What a tuple or list holds, in order."""
    edges = edges_of(graph, source, EdgeKind.INDEX)
    order = np.argsort(graph.labels[edges], kind="stable")
    return [int(target) for target in graph.targets[edges[order]]]


def listed_position(graph: HeapGraph, reference: Reference) -> int | None:
    """Where `list(...)` has a member of a set or a key of a dict; None where nobody knows."""
    entries = _listed_edges(graph, reference.source, reference.kind)
    if not len(entries):
        return None
    return int(np.count_nonzero(graph.labels[entries] < reference.label))


def listed(graph: HeapGraph, source: int, position: int) -> int | None:
    """What `list(...)[position]` of a set or a dict is."""
    entries = _listed_edges(graph, source, EdgeKind.MEMBER)
    entries = entries if len(entries) else _listed_edges(graph, source, EdgeKind.KEY)
    if not 0 <= position < len(entries):
        return None
    return int(graph.targets[entries[np.argsort(graph.labels[entries])[position]]])


def _listed_edges(graph: HeapGraph, source: int, kind: EdgeKind) -> NDArray[np.int64]:
    """The references to all that `list(...)` of an object has; none where that is not known."""
    edges = edges_of(graph, source, kind)
    whole = len(edges) if kind is EdgeKind.MEMBER else len(edges_of(graph, source, EdgeKind.VALUE))
    is_known = (
        graph.type_name(source) in LISTED_TYPES
        and kind in (EdgeKind.MEMBER, EdgeKind.KEY)
        and len(edges) == whole
        and len(np.unique(graph.labels[edges])) == len(edges)
    )
    return edges if is_known else edges[:0]


def captured_names(graph: HeapGraph, function: int) -> list[str | None]:
    """Names of the variables that a function captured, in the order of its `__closure__`.

    Empty where a cell has nothing in it: Python then refuses to name any.
    """
    closures = direct_attribute_targets(graph, function, "__closure__")
    codes = direct_attribute_targets(graph, function, "__code__")
    if graph.type_name(function) != "function" or len(closures) != 1 or len(codes) != 1:
        return []
    cells, code = items_of(graph, closures.pop()), codes.pop()
    if any(cell_contents(graph, cell) is None for cell in cells):
        return []
    for field in ("co_freevars", "co_localsplusnames"):
        found = direct_attribute_targets(graph, code, field)
        if len(found) == 1:  # free variables are the last of all variables
            names = [text_of(graph, name) for name in items_of(graph, found.pop())]
            return names[-len(cells) :] if len(names) >= len(cells) > 0 else []
    return []


def captured(graph: HeapGraph, function: int, name: str) -> int | None:
    """The value of a variable that a function captured."""
    names = captured_names(graph, function)
    if name not in names:
        return None
    cells = items_of(graph, direct_attribute_targets(graph, function, "__closure__").pop())
    return cell_contents(graph, cells[names.index(name)])


def cell_contents(graph: HeapGraph, cell: int) -> int | None:
    """What is in a cell."""
    found = direct_attribute_targets(graph, cell, "cell_contents")
    return found.pop() if len(found) == 1 else None


def _frames(graph: HeapGraph, owner: int) -> set[int]:
    return frame_targets(graph, owner) if graph.type_name(owner) in FRAME_ATTRIBUTES else set()


def frame_targets(graph: HeapGraph, source: int) -> set[int]:
    """The frame object of a generator or a coroutine; since 3.11 there need not be one."""
    found = direct_attribute_targets(graph, source, FRAME_ATTRIBUTES[graph.type_name(source)])
    return found or direct_attribute_targets(graph, source, "frame_obj")


def local_targets(graph: HeapGraph, source: int, name: str) -> set[int]:
    """What a variable of a suspended function, or of a frame, is; without the cell it is in.

    Since 3.11 the variables of a generator stay its own when somebody has asked for its frame.
    """
    found = set()
    edges = edges_of(graph, source, EdgeKind.LOCAL)
    if not len(edges) and graph.type_name(source) == "frame":
        owners = {each.source for each in graph.referrers(source)}
        owners = {each for each in owners if source in _frames(graph, each)}
        edges = np.concatenate([edges, *(edges_of(graph, o, EdgeKind.LOCAL) for o in owners)])
    for edge in edges:
        reference = graph.reference(int(edge))
        if label_text(graph, reference) != name:
            continue
        inner = None
        if graph.type_name(reference.target) == "cell":
            inner = cell_contents(graph, reference.target)
        found.add(reference.target if inner is None else inner)
    return found


def awaited_target(graph: HeapGraph, source: int) -> int | None:
    """What `.cr_await` of a coroutine is: the top of the stack it stands still with."""
    for holder in (source, *sorted(frame_targets(graph, source))):
        edges = edges_of(graph, holder, EdgeKind.STACK)
        if len(edges):
            return int(graph.targets[edges[np.argmax(graph.labels[edges])]])
    return None
