"""What else holds the members of a suspect: to let go of one holder alone frees nothing."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from heapgraph.analysis.expressions import expression
from heapgraph.analysis.leaks.accumulation import CONTENT_SHARE
from heapgraph.analysis.leaks.groups import COVERED_SHARE
from heapgraph.graph.native.holders import is_program_object
from heapgraph.units import format_size

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from heapgraph.graph.heap_graph import HeapGraph

_MAX_ASKED = 20
"""Members whose referrers are looked at, and referrers of each."""

_MAX_NAMED = 2

_MAX_BETWEEN = 3
"""References from another holder to a member: an item of it may be a tuple or a record of both."""


def other_holders(graph: HeapGraph, members: NDArray[np.uint32], holder: int) -> list[int]:
    """What else holds most members of a group: it must let go as well.

    Args:
        graph: the snapshot.
        members: the group; the first few are looked at.
        holder: what is known to hold them.

    Returns:
        At most two objects, an instance in place of its `__dict__`, the commonest first.

    Cost: the reverse references, once per snapshot, and 20 referrers of each of 20 members, of
        these again where they have none in common, and once more.
    """
    tree = graph.dominators
    for step, common in enumerate(_common_referrers(graph, members, holder)):
        apart = [one for one in common if not tree.dominates(holder, one)]
        if step:  # what refers to a member with nothing between holds it, whatever else it holds
            apart = [one for one in apart if not tree.dominates(one, holder)]
            apart = [one for one in apart if not is_program_object(graph, one)]
        if apart:
            return apart[:_MAX_NAMED]
    return []


def inner_holders(graph: HeapGraph, members: NDArray[np.uint32], holder: int) -> list[int]:
    """The objects in a holder that each have most of its members; none where there is only one.

    Args, cost: as of `other_holders`.
    """
    tree, found = graph.dominators, list[int]()
    for common in _common_referrers(graph, members, holder):
        for one in common:
            is_above = any(tree.dominates(one, other) for other in found)
            if tree.dominates(holder, one) and not is_above:
                found.append(one)
    return found if len(found) > 1 else []


def _common_referrers(
    graph: HeapGraph, members: NDArray[np.uint32], holder: int
) -> Iterator[list[int]]:
    """What refers to most of the first members, then what does with one object between, and on.

    What leads there through the holder only is left out, and so are the members.
    """
    sample = members[:_MAX_ASKED].tolist()
    below = {member: {member} for member in sample}
    for _ in range(_MAX_BETWEEN):
        counts: Counter[int] = Counter()
        for member, level in below.items():
            above = {
                referrer
                for one in sorted(level)[:_MAX_ASKED]
                for referrer in graph.folded.referrers_of(one, _MAX_ASKED)
            }
            below[member] = above - {holder, *sample}
            counts.update(below[member])
        yield [
            source
            for source, count in counts.most_common(_MAX_ASKED)
            if count >= COVERED_SHARE * len(sample) > 1
        ]


def also_held(graph: HeapGraph, members: NDArray[np.uint32], holder: int, size: int) -> str:
    """The sentence for a holder that is known not to be the only one; may be empty.

    Args:
        graph: the snapshot.
        members: what it holds.
        holder: one that most paths go through.
        size: bytes of the members.
    """
    names = [expression(graph, other) for other in other_holders(graph, members, holder)]
    if names:
        return f" They are also held by {' and '.join(names)}, which must let go too."
    alone = graph.folded.retained_size(holder)
    if alone >= CONTENT_SHARE * size:
        return ""
    return f" Something else holds them as well: only {format_size(alone)} go with it alone."


def held_inside(graph: HeapGraph, members: NDArray[np.uint32], holder: int) -> str:
    """Where in a holder its members are, when several things in it have them; may be empty."""
    parents = graph.root_paths.parent[members]
    if np.isin(parents, graph.folded.parts_of(holder)).mean() >= CONTENT_SHARE:
        return ""
    found = inner_holders(graph, members, holder)
    names = [expression(graph, other) for other in found[:_MAX_NAMED]]
    if len(found) > _MAX_NAMED:
        names = [", ".join(names), f"{len(found) - _MAX_NAMED} more"]
    return f" They are in {' and '.join(names)}: each of these must let go." if names else ""
