"""Whether an attribute of a class can be read from the class: some classes compute what they give.

Order.__dict__['lines'].values        `lines` has a `__get__` in Python: `Order.lines` calls it
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from heapgraph.analysis.expressions.attributes import namespace_entries
from heapgraph.analysis.expressions.python_steps import items_of
from heapgraph.analysis.expressions.segments import (
    direct_attribute_targets,
    namespace_of,
    type_object,
)

if TYPE_CHECKING:
    from heapgraph.graph.heap_graph import HeapGraph


def has_python_get(graph: HeapGraph, value: int) -> bool:
    """Whether `Class.name` calls Python code of the value that the class has there.

    Args:
        graph: the snapshot.
        value: what the `__dict__` of a class has.

    Cost: the namespaces of the value's class and its bases, for instances of Python classes.
    """
    kind = type_object(graph, value) if "." in graph.type_name(value) else None
    if kind is None:
        return False
    found = direct_attribute_targets(graph, kind, "__mro__")
    order = items_of(graph, found.pop()) if len(found) == 1 else [kind]
    return any(_has_own_get(graph, each) for each in order)


def _has_own_get(graph: HeapGraph, kind: int) -> bool:
    """Whether a class has a `__get__` that is a function, which may do anything."""
    namespace = namespace_of(graph, kind)
    return namespace is not None and any(
        name == "__get__" and graph.type_name(target) == "function"
        for name, target in namespace_entries(graph, namespace)
    )
