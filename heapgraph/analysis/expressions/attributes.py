"""What the attributes of an object are, wherever CPython keeps them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from heapgraph.analysis.expressions.literals import text_of
from heapgraph.analysis.expressions.segments import edges_of, label_text, namespace_of
from heapgraph.model import EdgeKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from heapgraph.graph.heap_graph import HeapGraph


def attributes_of(graph: HeapGraph, object_id: int) -> dict[str, int]:
    """Attributes of an instance by name: slots, C fields, inline values, then its `__dict__`.

    Where two share a name, the one Python would find first wins. Class attributes are not here.
    """
    found = dict(_entries(graph, object_id, EdgeKind.SLOT, EdgeKind.FIELD, EdgeKind.ATTRIBUTE))
    namespace = namespace_of(graph, object_id)
    if namespace is not None:
        for name, target in namespace_entries(graph, namespace):
            found.setdefault(name, target)
    return found


def attribute(graph: HeapGraph, object_id: int, *names: str) -> int | None:
    """The first of these attributes that an object has, or None."""
    found = attributes_of(graph, object_id)
    return next((found[name] for name in names if name in found), None)


def namespace_entries(graph: HeapGraph, namespace: int) -> Iterator[tuple[str, int]]:
    """Entries of a dict whose keys are texts: globals of a module, attributes of a class."""
    for edge in edges_of(graph, namespace, EdgeKind.VALUE):
        name = text_of(graph, int(graph.labels[edge]))
        if name is not None:
            yield name, int(graph.targets[edge])


def module_entries(graph: HeapGraph, module: int) -> dict[str, int]:
    """Globals of a module, or of the dict that stands for one, by name."""
    namespace = namespace_of(graph, module)
    return dict(namespace_entries(graph, module if namespace is None else namespace))


def _entries(graph: HeapGraph, object_id: int, *kinds: EdgeKind) -> Iterator[tuple[str, int]]:
    for edge in edges_of(graph, object_id, *kinds):
        reference = graph.reference(int(edge))
        name = label_text(graph, reference)
        if name is not None:
            yield name, reference.target
