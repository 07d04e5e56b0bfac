"""What a library holds, by way of the module that defines it: `logging.Logger.manager`.

The shortest path goes through whichever module has a logger of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from heapgraph.analysis.expressions import expression
from heapgraph.analysis.expressions.attributes import attributes_of, module_entries
from heapgraph.analysis.expressions.resolving import resolve
from heapgraph.errors import HeapgraphError

if TYPE_CHECKING:
    from heapgraph.graph.heap_graph import HeapGraph

_MAX_NAMES = 5000
"""Globals of a module, and attributes of what they are, among which an object is looked for."""


@dataclass(frozen=True)
class Route:
    """A way from the module that defines the class of an object on a path.

    Attributes:
        module: its name.
        text: the expression of the path's end, by that way.
    """

    module: str
    text: str


def defining_route(graph: HeapGraph, object_id: int) -> Route | None:
    """The way from the module whose class keeps an object; None where the shortest is that way.

    Args:
        graph: the snapshot.
        object_id: the object, which a module of a library holds.

    Cost: the globals of one module, and their attributes.
    """
    path = graph.root_paths.path_to(object_id)
    if path is None or len(path.steps) < 2:  # noqa: PLR2004 - a root alone has nothing before it
        return None
    root = graph.roots.row(path.root).name
    for step in reversed(path.steps[:-1]):
        keeper = graph.folded.owner_of(step.object_id)
        name = graph.type_name(keeper).rpartition(".")[0]
        module = graph.modules.by_name.get(name)
        if module is None:
            continue
        if name == root:
            return None
        way = _way(graph, module.object, keeper)
        return None if way is None else _checked(graph, object_id, keeper, Route(name, way))
    return None


def _way(graph: HeapGraph, module: int, keeper: int) -> str | None:
    """`manager`, or `Logger.manager`: a global, or an attribute of one."""
    entries = module_entries(graph, module)
    looked_at = len(entries)
    for name, target in entries.items():
        if target == keeper:
            return name
    for name, target in entries.items():
        if graph.type_name(target) == "module" or looked_at > _MAX_NAMES:
            continue
        attributes = attributes_of(graph, target)
        looked_at += len(attributes)
        found = next((each for each, value in attributes.items() if value == keeper), None)
        if found is not None:
            return f"{name}.{found}"
    return None


def _checked(graph: HeapGraph, object_id: int, keeper: int, route: Route) -> Route | None:
    """The route to the object itself, if what is written so leads there."""
    before, whole = expression(graph, keeper), expression(graph, object_id)
    if not whole.startswith(before):
        return None
    text = f"{route.module}.{route.text}{whole[len(before) :]}"
    try:
        return Route(route.module, text) if resolve(graph, text) == object_id else None
    except HeapgraphError:
        return None
