"""What grew between two snapshots, what stayed through three, what grew in each of more."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from heapgraph.analysis.growth.holder_tree import HolderTree
from heapgraph.analysis.growth.path_groups import group_by_path, groups_with_deeper
from heapgraph.analysis.growth.repeated_growth import (
    MAX_HOLDERS,
    grows,
    leak_shares,
    repeated_growth,
)
from heapgraph.analysis.growth.rows import Diff, DiffTotals, HolderGrowth, TypeGrowth
from heapgraph.analysis.growth.survivors import same_object
from heapgraph.errors import UsageError
from heapgraph.graph.heap_graph import HeapGraph

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from heapgraph.analysis.growth.path_groups import PathGroups
    from heapgraph.analysis.registry import Progress

    _Snapshot = HeapGraph | str | Path

DEFAULT_LIMIT = 20

WITH_SURVIVORS = 3
MIN_FOR_REPEATED_GROWTH = 4
"""Snapshots: three are compared object by object; of more, what grows in every one tells."""

_TypeTable = dict[str, tuple[int, int]]
"""Count and shallow size by type name."""

_Sums = tuple[int, int, int, int]
"""Resident bytes, objects, their bytes, bytes of those that are garbage."""


def diff_snapshots(
    graph: HeapGraph,
    *,
    progress: Progress | None = None,
    new: _Snapshot,
    newer: Sequence[_Snapshot] = (),
    limit: int | None = DEFAULT_LIMIT,
) -> Diff:
    """Compare snapshots of one program.

    Types and holders are aligned by their names, so the snapshots may be of several runs. Survivors
    are objects at the same address with the same type, size and value: three snapshots must be of
    one process.

    Args:
        graph: the first snapshot.
        progress: called for each snapshot.
        new: the second.
        newer: the third and all later ones in their order.
        limit: how many types and how many holders; None: all.

    Raises:
        UsageError: three snapshots of different processes.
        SnapshotFormatError: a file is no whole snapshot.

    Cost: the paths of each snapshot, one after the other, and some 40 bytes for each way of
        reaching objects in any, times the snapshots. Three are in memory together, of others the
        first and the last.
    """
    graphs = [graph, _graph_of(new), *map(_graph_of, newer)]
    count = len(graphs)
    if count == WITH_SURVIVORS:
        _check_same_process(graphs)
    sums: list[_Sums] = []
    groups, counted, kept = _grouped(graphs, sums, progress)
    tree = HolderTree(groups)
    surviving = None
    if count == WITH_SURVIVORS:
        survivors = _survivors(kept)
        surviving = _by_type(kept[-1], survivors)
        added = _added_bytes(kept, survivors)
        holders, left_out = _surviving_holders(tree, groups[-1], kept[-1], added, limit)
    elif count >= MIN_FOR_REPEATED_GROWTH:
        holders, left_out = _repeated_holders(tree, groups, kept, limit)
    else:
        tree.weigh_by_growth()
        growing, left_out = tree.growing(limit)
        holders = [_holder_row(tree, row) for row in growing]
    types = _type_rows(counted, surviving)
    totals = DiffTotals(*zip(*sums, strict=True))
    types_left_out = len(types) - len(types[:limit])
    return Diff(tuple(types[:limit]), tuple(holders), totals, types_left_out, left_out)


def _grouped(
    graphs: list[HeapGraph], sums: list[_Sums], progress: Progress | None
) -> tuple[list[PathGroups], list[_TypeTable], list[HeapGraph]]:
    """Groups and types of each snapshot, and the graphs that are needed later.

    The list of graphs is emptied, that of sums filled.
    """
    count = len(graphs)
    needed = range(count) if count == WITH_SURVIVORS else (0, count - 1)
    groups: list[PathGroups] = []
    counted: list[_TypeTable] = []
    kept: list[HeapGraph] = []
    for position in range(count):
        if progress is not None:
            progress("paths from roots", position, count)
        graph = graphs.pop(0)  # unless it is kept, its memory is free for the next one
        groups.append(group_by_path(graph))
        counted.append(_by_type(graph))
        sums.append(_sums(graph))
        if count >= WITH_SURVIVORS and position in needed:
            kept.append(graph)
    return groups, counted, kept


def _sums(graph: HeapGraph) -> _Sums:
    resident = int(graph.manifest["target"]["rss"])
    return resident, graph.object_count, graph.total_size, graph.unreachable_size


def _graph_of(snapshot: _Snapshot) -> HeapGraph:
    return snapshot if isinstance(snapshot, HeapGraph) else HeapGraph.open(snapshot)


def _check_same_process(graphs: Sequence[HeapGraph]) -> None:
    names = ("pid", "hostname", "started")
    processes = [tuple(graph.manifest["target"].get(name) for name in names) for graph in graphs]
    if len(set(processes)) > 1:
        pids = ", ".join(str(process[0]) for process in processes)
        raise UsageError(
            f"the snapshots are of different processes: {pids}",
            "objects that survive are known by their addresses, which hold in one process only",
            "take all three of one process, or compare two at a time",
        )


def _survivors(graphs: Sequence[HeapGraph]) -> NDArray[np.int64]:
    """int64[k], ids in the third snapshot of what is new in the second and still there."""
    old, new, newer = graphs
    was_there = same_object(old, new)
    is_new = np.ones(new.object_count, np.bool_)
    is_new[was_there[was_there >= 0]] = False
    still = same_object(new, newer)
    return still[is_new & (still >= 0)]


def _added_bytes(graphs: Sequence[HeapGraph], survivors: NDArray[np.int64]) -> NDArray[np.uint64]:
    """uint64[n], bytes of each object of the third snapshot that came before the second and stayed.

    All of a survivor; of an older object those by which it grew, as a list of references does.
    """
    old, new, newer = graphs
    added = np.zeros(newer.object_count, np.uint64)
    added[survivors] = newer.shallow_sizes[survivors]
    middle = same_object(old, new)
    older = np.flatnonzero(middle >= 0)
    last = same_object(new, newer)[middle[older]]
    older, last = older[last >= 0], last[last >= 0]
    least = np.minimum(new.shallow_sizes[middle[older]], newer.shallow_sizes[last])
    before = old.shallow_sizes[older]
    added[last] = np.where(least > before, least - before, 0)
    return added


def _type_rows(
    counted: Sequence[_TypeTable], surviving: _TypeTable | None = None
) -> list[TypeGrowth]:
    """Types that grew; of four or more snapshots, those that grew in number in every one."""
    rows = []
    for name in dict.fromkeys(name for table in counted for name in table):
        counts, sizes = zip(*(table.get(name, (0, 0)) for table in counted), strict=True)
        row = TypeGrowth(name, counts[-1] - counts[0], sizes[-1] - sizes[0], counts, sizes)
        if surviving is not None:
            count, size = surviving.get(name, (0, 0))
            row = replace(row, survivors=count, survivors_size=size)
        if _has_grown(row):
            rows.append(row)
    rows.sort(key=lambda row: (-_rank(row), -row.count_growth, row.type))
    return rows


def _has_grown(row: TypeGrowth) -> bool:
    if row.survivors is not None:
        return _rank(row) > 0
    if len(row.counts) >= MIN_FOR_REPEATED_GROWTH:
        return grows(row.counts)
    return row.size_growth > 0 or row.count_growth > 0


def _rank(row: TypeGrowth) -> int:
    return row.size_growth if row.survivors_size is None else row.survivors_size


def _by_type(graph: HeapGraph, members: NDArray[np.int64] | None = None) -> _TypeTable:
    """Count and shallow size of objects by type name; types of one name are taken together."""
    rows = graph.type_ids if members is None else graph.type_ids[members]
    sizes = graph.shallow_sizes if members is None else graph.shallow_sizes[members]
    count = len(graph.type_names)
    counts = np.bincount(rows, minlength=count).tolist()
    sums = np.bincount(rows, sizes.astype(np.float64), minlength=count).astype(np.int64).tolist()
    found: _TypeTable = {}
    for row, name in enumerate(graph.type_names):
        if counts[row]:
            before = found.get(name, (0, 0))
            found[name] = (before[0] + counts[row], before[1] + sums[row])
    return found


def _surviving_holders(
    tree: HolderTree,
    groups: PathGroups,
    graph: HeapGraph,
    added: NDArray[np.uint64],
    limit: int | None,
) -> tuple[list[HolderGrowth], int]:
    """Where the bytes that survive gather in the last snapshot, and how many more holders are."""
    of_object = groups_with_deeper(graph, groups)
    grouped = np.flatnonzero((of_object >= 0) & (added > 0))
    tree.weigh_by(-1, of_object[grouped], added[grouped])
    growing, left_out = tree.growing(limit)
    rows = [
        replace(_holder_row(tree, row), survivors_size=tree.node(row).weight) for row in growing
    ]
    return rows, left_out


def _repeated_holders(
    tree: HolderTree,
    groups: Sequence[PathGroups],
    graphs: Sequence[HeapGraph],
    limit: int | None,
) -> tuple[list[HolderGrowth], int]:
    """Holders that grew in every snapshot, the one whose share grew most first; how many more."""
    grew = sorted(repeated_growth(tree), key=lambda row: -tree.growth(row))
    rows = grew[:MAX_HOLDERS]
    first, last = (
        leak_shares(graph, tree.rows_of_objects(end, groups[end]), rows)
        for graph, end in zip(graphs, (0, -1), strict=True)
    )
    found = [
        replace(
            _holder_row(tree, row),
            leak_share=after.size,
            leak_share_growth=after.size - before.size,
            exclusive_size=after.exclusive_size,
        )
        for row, before, after in zip(rows, first, last, strict=True)
    ]
    found.sort(key=lambda row: (-(row.leak_share_growth or 0), -row.size_growth, row.expression))
    return found[:limit], len(grew) - len(found[:limit])


def _holder_row(tree: HolderTree, row: int) -> HolderGrowth:
    node, shown = tree.node(row), tree.shown(row)
    return HolderGrowth(
        tree.expression(row),
        tree.node(shown).type,
        node.sizes[-1] - node.sizes[0],
        node.items[-1] - node.items[0],
        node.sizes,
        node.items,
        grows(node.sizes),
        examples=tree.examples(shown),
    )
