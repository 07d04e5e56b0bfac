"""What is said of sizes: native memory apart, an estimate; of members each where all are alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from heapgraph.units import format_size

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from heapgraph.analysis.leaks.accumulation import Content
    from heapgraph.analysis.leaks.candidates import Candidate
    from heapgraph.graph.heap_graph import HeapGraph
    from heapgraph.native.graph_kernels import U32

_ALIKE_SHARE = 0.9
"""So many must be near their mean for it to be said of each."""

_NEAR = 0.1
"""How far from the mean, of it, is near: the first digit that is printed is right."""

_SHARED_SHARE = 0.1
"""From this share of what a holder keeps on, what members share cannot be split between them."""


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


@dataclass(frozen=True)
class MemberSizes:
    """What is said of the sizes of members.

    Attributes:
        text: `, 4.00 KiB each`, `, 4.00 KiB on average`, or what they share instead.
        are_alike: whether a size of one of them is that of the others.
    """

    text: str
    are_alike: bool


def member_sizes(graph: HeapGraph, content: Content, native: int = 0) -> MemberSizes:
    """What is said of the sizes of the members of a content.

    Args:
        graph: what `HeapGraph.weighed` returned, or an exact one.
        content: none of its members dominates another, or its size says what all have together.
        native: bytes of native memory that are said of the suspect.

    Cost: the members, and the owners of native memory.
    """
    shared = min(native, shared_native(graph.exact, content.members)) if native else 0
    count = len(content.members)
    if shared >= _SHARED_SHARE * (content.retained_size + shared) and count > 1:
        return MemberSizes(
            f", which share {format_size(shared)} of native memory (estimate)", False
        )
    sizes = graph.dominators.retained_sizes[content.members].astype(np.float64)
    mean = content.retained_size / count
    are_alike = _are_near(sizes, mean)
    return MemberSizes(f", {_worded(mean, are_alike=are_alike)}", are_alike)


def each_or_average(sizes: Sequence[int]) -> str:
    """`4.00 KiB each`, or `4.00 KiB on average` where the sizes differ; of at least one."""
    mean = sum(sizes) / len(sizes)
    return _worded(mean, are_alike=_are_near(np.array(sizes, np.float64), mean))


def shared_native(graph: HeapGraph, members: U32) -> int:
    """Bytes of blocks of C code that more than one of some objects, and what is in them, lead to.

    Args:
        graph: with exact sizes.
        members: ids.

    Cost: a look-up for each owner of native memory.
    """
    groups, order = graph.native_groups, graph.dominators.order
    tops = graph.dominators.topmost(members)  # in preorder
    if len(tops) < 2 or not len(groups.sizes):  # noqa: PLR2004 - one shares nothing
        return 0
    begins = order.position[tops].astype(np.int64)
    ends = begins + order.subtree_count[tops]
    places = order.position[groups.objects].astype(np.int64)
    rows = np.searchsorted(begins, places, side="right") - 1
    is_inside = (rows >= 0) & (places < ends[rows])
    counts = np.diff(groups.starts)
    numbers = np.repeat(np.arange(len(counts)), counts)[is_inside]
    first = np.full(len(counts), len(tops), np.int64)
    last = np.full(len(counts), -1, np.int64)
    np.minimum.at(first, numbers, rows[is_inside])
    np.maximum.at(last, numbers, rows[is_inside])
    is_mostly_theirs = 2 * np.bincount(numbers, minlength=len(counts)) > counts
    return int(groups.sizes[(first < last) & is_mostly_theirs].sum())


def _are_near(sizes: NDArray[np.float64], mean: float) -> bool:
    return float((np.abs(sizes - mean) <= _NEAR * mean).mean()) >= _ALIKE_SHARE


def _worded(mean: float, *, are_alike: bool) -> str:
    return f"{format_size(int(mean))} {'each' if are_alike else 'on average'}"
