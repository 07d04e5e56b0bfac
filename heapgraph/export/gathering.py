"""Where on a chain of references many alike objects gather: what a picture of it is about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from heapgraph.analysis.leaks.accumulation import (
    children_of,
    content_of,
    is_gathering,
    passes_on,
    structure_mask,
)
from heapgraph.analysis.leaks.candidates import ITEMS_SHARE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from heapgraph.graph.heap_graph import HeapGraph


@dataclass(frozen=True)
class Gathering:
    """An object to which many alike things were added.

    Attributes:
        object_id: the object.
        type_name: of what gathers in it.
        count: how many of them it retains.
    """

    object_id: int
    type_name: str
    count: int


def gathering_in(graph: HeapGraph, object_id: int) -> Gathering | None:
    """What gathers in an object, by the rule that suspects are found by; None for nothing.

    Cost: the children of the object.
    """
    children = children_of(graph, object_id)
    content = content_of(graph, children)
    if content is None or not is_gathering(graph, object_id, content):
        return None
    if passes_on(graph, object_id, int(children[0])):
        return None
    return Gathering(object_id, content.type_name, len(content.members))


def gathering_on_chain(graph: HeapGraph, object_ids: Sequence[int]) -> Gathering | None:
    """The first object of a chain, from the root on, in which a hundredth of the heap gathers.

    Modules, classes and the interpreter's own tables are passed over, as for suspects.

    Args:
        graph: the snapshot.
        object_ids: the chain, no object that is folded away.

    Cost: a pass over the references, and the children of the objects.
    """
    is_structure = structure_mask(graph)
    least = ITEMS_SHARE * graph.reachable_size
    for object_id in object_ids:
        if is_structure[object_id] or graph.folded.retained_size(object_id) < least:
            continue
        if found := gathering_in(graph, object_id):
            return found
    return None
