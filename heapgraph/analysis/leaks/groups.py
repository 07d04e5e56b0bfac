"""What joins alike objects that no single object dominates: a container, or their roots."""

from __future__ import annotations

import posixpath
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from heapgraph.analysis.merged_paths import merged_paths
from heapgraph.model import UNREACHABLE, VIRTUAL_ROOT, RootKind
from heapgraph.units import format_count

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from heapgraph.graph.heap_graph import HeapGraph

MAX_SAMPLED = 10_000
"""Members of a group whose paths are merged. Eclipse MAT, FindLeaksQuery: `max_paths`."""

_MAX_ASKED = 20
"""Members whose referrers are looked at, and referrers of each."""

_MAX_NAMED = 2

COVERED_SHARE = 0.5
"""A holder speaks for a group when it has this share of its members."""


@dataclass(frozen=True)
class GroupHolder:
    """How the members of a group are held.

    Attributes:
        kind: `container` (one object has most), `threads` (variables of running functions),
            `c-held`, or `group` (nothing in common).
        holder: the object that has most of them, or None.
        expression: what holds them, in words, where it is no object; "" otherwise.
    """

    kind: str
    holder: int | None
    expression: str = ""


def holder_of_group(graph: HeapGraph, members: NDArray[np.uint32]) -> GroupHolder | None:
    """Find what holds most members of a group.

    Args:
        graph: the snapshot.
        members: uint32[k], none of which dominates another, at most 10,000 are looked at.

    Returns:
        The holder, or None when no path leads to any member.

    Cost: one pass up the tree of shortest paths.
    """
    step = -(-len(members) // MAX_SAMPLED)
    sample = members[::step]
    paths = graph.root_paths
    sample = sample[paths.parent[sample] != UNREACHABLE]
    if not len(sample):
        return None
    held_by_roots = sample[paths.parent[sample] == VIRTUAL_ROOT]
    if len(held_by_roots) >= COVERED_SHARE * len(sample):
        return _held_by_roots(graph, held_by_roots, len(members))
    groups, _ = merged_paths(graph, paths, sample, limit=1)
    end = groups[0].path.steps[-1].object_id
    if groups[0].count >= COVERED_SHARE * len(sample) and groups[0].count > 1:
        return GroupHolder("container", graph.folded.owner_of(end))
    return GroupHolder("group", None, _type_text(graph, sample, len(members)))


def other_holders(graph: HeapGraph, members: NDArray[np.uint32], holder: int) -> list[int]:
    """What else holds most members of a group: it must let go as well.

    Args:
        graph: the snapshot.
        members: the group; the first few are looked at.
        holder: what is known to hold them.

    Returns:
        At most two objects, an instance in place of its `__dict__`, the commonest first.

    Cost: the reverse references, once per snapshot.
    """
    sample = members[:_MAX_ASKED].tolist()
    referrers: Counter[int] = Counter()
    for member in sample:
        edges = graph.reverse.edges_to(member)
        strong = edges[graph.weak_references[edges] == 0]
        sources = {graph.reference(int(edge)).source for edge in strong[:_MAX_ASKED]}
        referrers.update({graph.folded.owner_of(source) for source in sources} - {holder})
    common = referrers.most_common(_MAX_NAMED)
    return [source for source, count in common if count >= COVERED_SHARE * len(sample) > 1]


def _held_by_roots(graph: HeapGraph, members: NDArray[np.uint32], count: int) -> GroupHolder:
    """Members that roots hold without anything between: the commonest kind of root says how."""
    reasons: Counter[tuple[str, str]] = Counter()
    for member in members.tolist():
        reasons[_reason(graph, graph.root_paths.root_rows(member)[0])] += 1
    (kind, text), frequency = reasons.most_common(1)[0]
    if kind == "group" or frequency < COVERED_SHARE * len(members):
        return GroupHolder("group", None, _type_text(graph, members, count))
    if kind == "c-held":
        short = graph.type_name(int(members[0])).rpartition(".")[2]
        return GroupHolder(kind, None, f"<held by C code, {format_count(count)} objects> {short}")
    return GroupHolder(kind, None, f"<{format_count(count)} threads in {text}")


def _reason(graph: HeapGraph, root_row: int) -> tuple[str, str]:
    """Kind of suspect that a root makes, and what its members share."""
    root = graph.roots.row(root_row)
    if root.kind is RootKind.C_HELD:
        return "c-held", ""
    if root.kind is RootKind.FRAME and root.frame < len(graph.frames):
        frame = graph.frames[root.frame]
        return "threads", f"{frame.function}() at {posixpath.basename(frame.file)}> {root.name}"
    return "group", ""


def _type_text(graph: HeapGraph, members: NDArray[np.uint32], count: int) -> str:
    return f"<{format_count(count)} objects> {graph.type_name(int(members[0]))}"
