"""What joins alike objects that no single object dominates: a container, or their roots."""

from __future__ import annotations

import posixpath
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from heapgraph.graph.path_sums import sum_on_paths
from heapgraph.model import C_CODE_OF_GREENLET, UNREACHABLE, VIRTUAL_ROOT, RootKind
from heapgraph.snapshot.plain_tables import numpy_array
from heapgraph.units import format_count

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from heapgraph.graph.heap_graph import HeapGraph

MAX_SAMPLED = 10_000
"""Members of a group whose paths are merged. Eclipse MAT, FindLeaksQuery: `max_paths`."""

_MAX_ASKED = 20
"""Objects that are asked whether anything refers to them."""

_MAX_LEVELS = 200
"""References to look up for a holder; linked lists are longer."""

_READY, _HAVE_GC = 1 << 12, 1 << 14
"""Bits of tp_flags: of every type in use, and of those whose objects have a GC head."""

COVERED_SHARE = 0.5
"""A holder speaks for a group when it has this share of its members."""


IN_GREENLETS = "in C code of waiting greenlets"
"""What joins objects that calls in C use until their greenlets go on."""

EXIT_CALLBACKS = "atexit callbacks"
"""Name of the roots that atexit calls at the end, which a table of C structs holds up to 3.13."""


@dataclass(frozen=True)
class GroupHolder:
    """How the members of a group are held.

    Attributes:
        kind: `container` (one object has most), `threads` (variables of running functions),
            `c-held`, or `group` (nothing in common).
        holder: the object that has most of them, or None.
        expression: what holds them, in words, where it is no object; "" otherwise.
        members: those that are held so, where roots hold them; else None.
    """

    kind: str
    holder: int | None
    expression: str = ""
    members: NDArray[np.uint32] | None = None

    @property
    def waits_in_greenlets(self) -> bool:
        """Whether calls in C hold the members until their greenlets go on."""
        return self.expression.startswith(f"<{IN_GREENLETS}")


def holder_of_group(
    graph: HeapGraph, members: NDArray[np.uint32], alike: NDArray[np.uint32] | None = None
) -> GroupHolder | None:
    """Find what holds most members of a group.

    Args:
        graph: the snapshot.
        members: uint32[k], none of which dominates another, at most 10,000 are looked at; none
            where all of a type are garbage.
        alike: all of the kind, where `members` are the heaviest of them.

    Returns:
        The holder, or None when no path leads to any member.

    Cost: one pass up the tree of shortest paths.
    """
    sample = members[:: max(1, -(-len(members) // MAX_SAMPLED))]
    paths = graph.root_paths
    sample = sample[paths.parent[sample] != UNREACHABLE]
    if not len(sample):
        return None
    held_by_roots = sample[is_at_root(graph, sample)]
    if len(held_by_roots) >= COVERED_SHARE * len(sample):
        return _held_by_roots(graph, held_by_roots, members if alike is None else alike)
    end = _last_common(graph, sample)
    if end is not None:
        return GroupHolder("container", graph.folded.owner_of(end))
    all_of_them = members if alike is None else alike
    return GroupHolder("group", None, _type_text(graph, sample, len(all_of_them)))


def exit_callback_rows(graph: HeapGraph) -> list[int]:
    """Rows of the roots of what atexit calls. Cost: the names of the interpreter's roots."""
    rows = np.flatnonzero(graph.roots.kinds == RootKind.INTERPRETER).tolist()
    return [row for row in rows if graph.roots.names[row].startswith(EXIT_CALLBACKS)]


def is_at_root(graph: HeapGraph, objects: NDArray[np.uint32]) -> NDArray[np.bool_]:
    """bool[k]: a root holds the object with nothing between.

    Up to 3.9 the module atexit itself refers to what it calls; that it is a module says less.
    """
    is_called = np.isin(objects, graph.roots.targets[exit_callback_rows(graph)])
    found: NDArray[np.bool_] = (graph.root_paths.parent[objects] == VIRTUAL_ROOT) | is_called
    return found


def members_held(graph: HeapGraph, holder: int, members: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Those members of a group that a holder leads to: on a shortest path, or as its own items.

    Args:
        graph: the snapshot.
        holder: an object.
        members: uint32[k].

    Cost: one climb along the paths of the members.
    """
    parts = graph.folded.parts_of(holder)
    items = np.concatenate(
        [graph.targets[int(graph.offsets[part]) : int(graph.offsets[part + 1])] for part in parts]
    )
    is_held = np.isin(members, items)
    parent = graph.root_paths.parent
    above = members.copy()
    for _ in range(_MAX_LEVELS):
        is_held |= np.isin(above, parts)
        is_inside = above < UNREACHABLE
        if not is_inside.any():
            break
        above[is_inside] = parent[above[is_inside]]
    return members[is_held]


def _last_common(graph: HeapGraph, sample: NDArray[np.uint32]) -> int | None:
    """The object farthest from the roots through which the paths to most members go."""
    paths = graph.root_paths
    rising = np.sort(sample)
    (counts,) = sum_on_paths(paths, rising, np.ones(len(rising), np.uint64))
    through = counts.at(counts.objects)
    common = counts.objects[(through >= COVERED_SHARE * len(sample)) & (through > 1)]
    common = common[~np.isin(common, rising)]
    if not len(common):
        return None
    return int(common[paths.distance[common].argmax()])


def are_lost(graph: HeapGraph, members: NDArray[np.uint32]) -> bool:
    """Whether nothing at all refers to objects that are counted: they were found as blocks only.

    Args:
        graph: the snapshot.
        members: objects that C code holds; the first few are looked at.

    Cost: the reverse references, once per snapshot.
    """
    sample = members[:_MAX_ASKED]
    types = numpy_array(graph.table("types").column("flags"))[graph.type_ids[sample]]
    if not len(sample) or (types.astype(np.int64) & (_READY | _HAVE_GC) != _READY).any():
        return False
    return not any(len(graph.reverse.edges_to(member)) for member in sample.tolist())


def _held_by_roots(
    graph: HeapGraph, members: NDArray[np.uint32], alike: NDArray[np.uint32]
) -> GroupHolder:
    """Members that roots hold without anything between: the commonest kind of root says how."""
    paths = graph.root_paths
    reasons = Counter(_reason(graph, paths.root_rows(one)[0]) for one in members.tolist())
    (kind, text), frequency = reasons.most_common(1)[0]
    if kind == "group" or frequency < COVERED_SHARE * len(members):
        return GroupHolder("group", None, _type_text(graph, members, len(alike)))
    held = _held_for(graph, alike[is_at_root(graph, alike)], (kind, text))
    count = len(held)
    if kind == "c-held":
        short = graph.type_name(int(members[0])).rpartition(".")[2]
        if are_lost(graph, held):
            return GroupHolder(kind, None, f"<{format_count(count)} lost objects> {short}", held)
        named = f"<{text}, {format_count(count)} objects> {short}"
        return GroupHolder(kind, None, named, held)
    return GroupHolder(kind, None, f"<{format_count(count)} threads in {text}", held)


def _held_for(
    graph: HeapGraph, at_roots: NDArray[np.uint32], reason: tuple[str, str]
) -> NDArray[np.uint32]:
    """Those of the objects that roots hold for this reason, rising.

    Cost: one pass over the roots; roots of one kind, frame and name have one reason.
    """
    roots = graph.roots
    rows = np.flatnonzero(np.isin(roots.targets, at_roots)).tolist()
    kinds, frames = roots.kinds.tolist(), roots.frames.tolist()
    alike: dict[tuple[int, int, str], bool] = {}
    held = []
    for row in rows:
        key = kinds[row], frames[row], roots.names[row]
        if key not in alike:
            alike[key] = _reason(graph, row) == reason
        if alike[key]:
            held.append(row)
    return np.unique(roots.targets[held])


def _reason(graph: HeapGraph, root_row: int) -> tuple[str, str]:
    """Kind of suspect that a root makes, and what its members share."""
    root = graph.roots.row(root_row)
    if root.kind is RootKind.C_HELD:
        return "c-held", IN_GREENLETS if root.name == C_CODE_OF_GREENLET else "held by C code"
    if root.kind is RootKind.FRAME and root.frame < len(graph.frames):
        frame = graph.frames[root.frame]
        return "threads", f"{frame.function}() at {posixpath.basename(frame.file)}> {root.name}"
    if root.kind is RootKind.INTERPRETER and root.name.startswith(EXIT_CALLBACKS):
        return "c-held", root.name
    return "group", ""


def _type_text(graph: HeapGraph, members: NDArray[np.uint32], count: int) -> str:
    return f"<{format_count(count)} objects> {graph.type_name(int(members[0]))}"
