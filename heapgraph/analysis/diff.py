"""What grew between two snapshots, what stayed through three, what grew in each of more."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from heapgraph.analysis.growth.gathering import growing
from heapgraph.analysis.growth.holder_tree import HolderTree
from heapgraph.analysis.growth.path_groups import group_by_path, groups_with_deeper
from heapgraph.analysis.growth.repeated_growth import (
    MAX_HOLDERS,
    grows,
    grows_native,
    leak_shares,
    repeated_growth,
)
from heapgraph.analysis.growth.rows import Diff, DiffTotals, HolderGrowth, TypeGrowth
from heapgraph.analysis.growth.survivors import Followed, follow
from heapgraph.errors import UsageError
from heapgraph.graph.heap_graph import HeapGraph
from heapgraph.graph.native.nearest import knows_native
from heapgraph.graph.object_sets import sum_by_group

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

_TypeTable = dict[str, tuple[int, int, int]]
"""Count, shallow size and bytes of C code by type name."""

_Sums = tuple[int, int, int, int, int | None]
"""Resident bytes, objects, their bytes, bytes of those that are garbage, bytes of C code."""


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
        followed = follow(kept)
        added = followed.added([one.shallow_sizes for one in kept])
        added_native = _added_native(kept, followed) if all(tree.knows_native) else None
        stayed = None if added_native is None else _sum_by_type(kept[-1], added_native)
        surviving = _by_type(kept[-1], followed.survivors, stayed)
        holders, left_out = _surviving_holders(
            tree, groups[-1], kept[-1], (added, added_native), limit
        )
    elif count >= MIN_FOR_REPEATED_GROWTH:
        holders, left_out = _repeated_holders(tree, groups, kept, limit)
    else:
        tree.weigh_by_growth()
        rows, left_out = growing(tree, limit)
        holders = [_holder_row(tree, row) for row in rows]
    types = _type_rows(counted, tree.knows_native, surviving)
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
        native = graph.native_owned.by_type(graph) if knows_native(graph) else None
        counted.append(_by_type(graph, None, native))
        sums.append(_sums(graph))
        if count >= WITH_SURVIVORS and position in needed:
            kept.append(graph)
    return groups, counted, kept


def _sums(graph: HeapGraph) -> _Sums:
    resident = int(graph.manifest["target"]["rss"])
    native = graph.native_owned.size if knows_native(graph) else None
    return resident, graph.object_count, graph.total_size, graph.unreachable_size, native


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


def _added_native(graphs: Sequence[HeapGraph], followed: Followed) -> NDArray[np.uint64]:
    """uint64[n], bytes of C code of each object of the third snapshot that came and stayed."""
    return followed.added([graph.native_owned.of_each(graph) for graph in graphs])


def _type_rows(
    counted: Sequence[_TypeTable], knows: Sequence[bool], surviving: _TypeTable | None = None
) -> list[TypeGrowth]:
    """Types that grew; of four or more snapshots, those that grew in every one.

    Args:
        counted: of each snapshot.
        knows: of each whether it knows what C code has.
        surviving: of three, what stayed.
    """
    rows = []
    for name in dict.fromkeys(name for table in counted for name in table):
        counts, sizes, native = zip(*(table.get(name, (0, 0, 0)) for table in counted), strict=True)
        native = tuple(size if known else None for size, known in zip(native, knows, strict=True))
        row = TypeGrowth(
            *(name, counts[-1] - counts[0], sizes[-1] - sizes[0], counts, sizes),
            *(_difference(native), native),
        )
        if surviving is not None:
            count, size, stayed = surviving.get(name, (0, 0, 0))
            row = replace(row, survivors=count, survivors_size=size)
            row = replace(row, survivors_native_size=stayed if all(knows) else None)
        if _has_grown(row):
            rows.append(row)
    rows.sort(key=lambda row: (-row.rank, -row.count_growth, row.type))
    return rows


def _difference(sizes: Sequence[int | None]) -> int | None:
    """Last against first; None where one of the two is not known."""
    first, last = sizes[0], sizes[-1]
    return None if first is None or last is None else last - first


def _has_grown(row: TypeGrowth) -> bool:
    if row.survivors is not None:
        return row.rank > 0
    if len(row.counts) >= MIN_FOR_REPEATED_GROWTH:
        return grows(row.counts) or grows_native(row.native_sizes)
    return row.size_growth > 0 or row.count_growth > 0 or (row.native_growth or 0) > 0


def _by_type(
    graph: HeapGraph,
    members: NDArray[np.int64] | None = None,
    native: NDArray[np.uint64] | None = None,
) -> _TypeTable:
    """What there is of each type by name; types of one name are taken together.

    Args:
        graph: the snapshot.
        members: the objects to count; None: all.
        native: uint64[types], bytes of C code; None: not known.
    """
    rows = graph.type_ids if members is None else graph.type_ids[members]
    sizes = graph.shallow_sizes if members is None else graph.shallow_sizes[members]
    count = len(graph.type_names)
    counts = np.bincount(rows, minlength=count).tolist()
    sums = sum_by_group(rows, sizes, count).tolist()
    owned = [0] * count if native is None else native.tolist()
    found: _TypeTable = {}
    for row, name in enumerate(graph.type_names):
        if counts[row] or owned[row]:
            before = found.get(name, (0, 0, 0))
            found[name] = (before[0] + counts[row], before[1] + sums[row], before[2] + owned[row])
    return found


def _sum_by_type(graph: HeapGraph, sizes: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """uint64[types] of what few objects have, uint64[n]."""
    ids = np.flatnonzero(sizes)
    return sum_by_group(graph.type_ids[ids], sizes[ids], len(graph.type_names))


def _surviving_holders(
    tree: HolderTree,
    groups: PathGroups,
    graph: HeapGraph,
    added: tuple[NDArray[np.uint64], NDArray[np.uint64] | None],
    limit: int | None,
) -> tuple[list[HolderGrowth], int]:
    """Where the bytes that survive gather in the last snapshot, and how many more holders are.

    Args:
        tree: of the three snapshots.
        groups: of the last.
        graph: the last.
        added: bytes of each of its objects, and of C code (None: not known), that stayed.
        limit: how many holders.
    """
    of_object = groups_with_deeper(graph, groups.of_object)
    stayed = [_stayed(tree, of_object, sizes) for sizes in added if sizes is not None]
    tree.weights = tree.gross = sum(stayed, np.zeros(len(tree.parents), np.int64))
    rows, left_out = growing(tree, limit)
    holders = [
        replace(
            _holder_row(tree, row),
            survivors_size=int(stayed[0][row]),
            survivors_native_size=int(stayed[1][row]) if len(stayed) > 1 else None,
        )
        for row in rows
    ]
    return holders, left_out


def _stayed(
    tree: HolderTree, of_object: NDArray[np.int32], sizes: NDArray[np.uint64]
) -> NDArray[np.int64]:
    """int64[rows], what is reached through each row in the last snapshot."""
    grouped = np.flatnonzero((of_object >= 0) & (sizes > 0))
    return tree.sums(-1, of_object[grouped], sizes[grouped])


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
    found.sort(key=lambda row: (-row.rank, -row.size_growth, row.expression))
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
        _difference(node.native_sizes),
        node.native_sizes,
        grows(node.sizes),
        examples=tree.examples(shown),
    )
