"""What of a suspect's size is memory of C code: an estimate, which is always said apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

from heapgraph.units import format_size

if TYPE_CHECKING:
    from heapgraph.analysis.leaks.candidates import Candidate
    from heapgraph.graph.heap_graph import HeapGraph


def native_part(graph: HeapGraph, candidate: Candidate, holder: int | None, size: int) -> int:
    """How many of the bytes of a suspect are native.

    Args:
        graph: what `HeapGraph.weighed` returned.
        candidate: what was found in it.
        holder: the named holder, if there is one.
        size: bytes of both together, of one of the two, or of the members.

    Returns:
        Bytes, no more than `size`; none where the sizes have no native memory in them.
    """
    exact = graph.exact
    if exact is graph:
        return 0
    for one in dict.fromkeys((holder, candidate.point)):
        if one is not None and graph.folded.retained_size(one) == size:
            return size - exact.folded.retained_size(one)
    if candidate.content is None:
        return 0
    members = candidate.content.members
    of_all = graph.dominators.minimum_retained_size(members)
    of_objects = exact.dominators.minimum_retained_size(members)
    return round((of_all - of_objects) * min(1.0, size / of_all)) if of_all else 0


def sizes_in_words(objects: int, native: int) -> str:
    """Bytes of objects, and of native memory where there is any."""
    if not native:
        return format_size(objects)
    return f"{format_size(objects)} + {format_size(native)} of native memory (estimate)"
