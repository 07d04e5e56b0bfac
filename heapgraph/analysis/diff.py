"""What grew between two snapshots, and what stayed through three."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from heapgraph.analysis.holder_tree import HolderTree
from heapgraph.analysis.object_rows import check_limit
from heapgraph.analysis.path_groups import group_by_path
from heapgraph.analysis.registry import Analysis, Parameter, Progress
from heapgraph.analysis.results import TableResult, hidden, plain
from heapgraph.analysis.survivors import same_object
from heapgraph.errors import UsageError
from heapgraph.graph.heap_graph import HeapGraph

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

DEFAULT_LIMIT = 20


@dataclass(frozen=True)
class TypeGrowth:
    """All objects of one type in each snapshot.

    Attributes:
        type: qualified name.
        count_growth, size_growth: last snapshot against the first; sizes are shallow, in bytes.
        counts, sizes: in each snapshot, the oldest first.
        survivors, survivors_size: objects that are new in the second snapshot and still in the
            third; None with two snapshots.
    """

    type: str
    count_growth: int
    size_growth: int
    counts: tuple[int, ...]
    sizes: tuple[int, ...]
    survivors: int | None = None
    survivors_size: int | None = None


@dataclass(frozen=True)
class HolderGrowth:
    """Objects that are reached in one way, in each snapshot.

    Attributes:
        expression: how they are reached; `[*]` stands for any key or position.
        type: qualified type name.
        size_growth: bytes reached through them, last snapshot against the first.
        item_growth: items of the containers, last snapshot against the first.
        sizes: bytes reached through them in each snapshot.
        items: items of the containers in each snapshot.
        grows_each_time: whether there were more bytes in every snapshot than in the one before.
        survivors_size: of what is reached through them, bytes of objects that are new in the second
            snapshot and still in the third; None with two snapshots.
    """

    expression: str
    type: str
    size_growth: int
    item_growth: int
    sizes: tuple[int, ...]
    items: tuple[int, ...]
    grows_each_time: bool
    survivors_size: int | None = None


@dataclass(frozen=True)
class Diff(TableResult):
    """Growth by type and by holder, the most first.

    With two snapshots the rank is growth in bytes; with three it is bytes of survivors: objects
    made between the first two that have not gone. Ordinary traffic comes and goes and is not in
    it.

    Attributes:
        types: types whose objects became more or larger.
        holders: where the growth gathers.
        types_left_out: how many more types grew.
    """

    rows_field: ClassVar[str] = "holders"

    types: tuple[TypeGrowth, ...]
    holders: tuple[HolderGrowth, ...]
    types_left_out: int = hidden()

    def to_dict(self) -> dict[str, Any]:
        """The JSON document; survivors are there with three snapshots only."""
        return {
            name: [
                {key: value for key, value in plain(row).items() if value is not None}
                for row in rows
            ]
            for name, rows in (("types", self.types), ("holders", self.holders))
        }


def diff_snapshots(
    graph: HeapGraph,
    *,
    progress: Progress | None = None,
    new: HeapGraph | str | Path,
    newer: HeapGraph | str | Path | None = None,
    limit: int | None = DEFAULT_LIMIT,
) -> Diff:
    """Compare snapshots of one program.

    Types and holders are aligned by their names, so the snapshots may be of two runs. Survivors are
    objects at the same address with the same type, size and value: three snapshots must be of
    one process.

    Args:
        graph: the first snapshot.
        progress: told of each snapshot.
        new: the second.
        newer: the third, if there is one.
        limit: how many types and how many holders; None: all.

    Raises:
        UsageError: three snapshots of different processes.
        SnapshotFormatError: a file is no whole snapshot.

    Cost: the paths of each snapshot, then one dict entry for each way of reaching objects.
    """
    check_limit(limit)
    graphs = [graph, _graph_of(new)]
    if newer is not None:
        graphs.append(_graph_of(newer))
        _check_same_process(graphs)
    groups = []
    for done, one in enumerate(graphs):
        if progress is not None:
            progress("paths from roots", done, len(graphs))
        groups.append(group_by_path(one))
    tree = HolderTree(groups)
    survivors = None
    if newer is None:
        tree.weigh_by_growth()
    else:
        survivors = _survivors(graphs)
        grouped = survivors[groups[-1].of_object[survivors] >= 0]
        tree.weigh_by(2, groups[-1].of_object[grouped], graphs[-1].shallow_sizes[grouped])
    types = _type_rows(graphs, survivors)
    holders = _holder_rows(tree, limit or len(tree.nodes), with_survivors=newer is not None)
    return Diff(tuple(types[:limit]), holders, len(types) - len(types[:limit]))


def _graph_of(snapshot: HeapGraph | str | Path) -> HeapGraph:
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


def _type_rows(
    graphs: Sequence[HeapGraph], survivors: NDArray[np.int64] | None
) -> list[TypeGrowth]:
    counted = [_by_type(graph, None) for graph in graphs]
    surviving = {} if survivors is None else _by_type(graphs[-1], survivors)
    rows = []
    for name in dict.fromkeys(name for table in counted for name in table):
        counts, sizes = zip(*(table.get(name, (0, 0)) for table in counted), strict=True)
        row = TypeGrowth(name, counts[-1] - counts[0], sizes[-1] - sizes[0], counts, sizes)
        if survivors is not None:
            count, size = surviving.get(name, (0, 0))
            row = replace(row, survivors=count, survivors_size=size)
        if _rank(row) > 0 or (row.survivors is None and row.count_growth > 0):
            rows.append(row)
    rows.sort(key=lambda row: (-_rank(row), -row.count_growth, row.type))
    return rows


def _rank(row: TypeGrowth) -> int:
    return row.size_growth if row.survivors_size is None else row.survivors_size


def _by_type(graph: HeapGraph, members: NDArray[np.int64] | None) -> dict[str, tuple[int, int]]:
    """Count and shallow size of objects by type name; types of one name are taken together."""
    rows = graph.type_ids if members is None else graph.type_ids[members]
    sizes = graph.shallow_sizes if members is None else graph.shallow_sizes[members]
    count = len(graph.type_names)
    counts = np.bincount(rows, minlength=count).tolist()
    sums = np.bincount(rows, sizes.astype(np.float64), minlength=count).astype(np.int64).tolist()
    found: dict[str, tuple[int, int]] = {}
    for row, name in enumerate(graph.type_names):
        if counts[row]:
            before = found.get(name, (0, 0))
            found[name] = (before[0] + counts[row], before[1] + sums[row])
    return found


def _holder_rows(tree: HolderTree, limit: int, *, with_survivors: bool) -> tuple[HolderGrowth, ...]:
    rows = []
    for row in tree.growing(limit):
        node, shown = tree.nodes[row], tree.nodes[tree.shown(row)]
        rows.append(
            HolderGrowth(
                tree.expression(row),
                shown.type,
                node.sizes[-1] - node.sizes[0],
                node.items[-1] - node.items[0],
                tuple(node.sizes),
                tuple(node.items),
                all(a < b for a, b in pairwise(node.sizes)),
                node.weight if with_survivors else None,
            )
        )
    return tuple(rows)


ANALYSIS = Analysis(
    "diff",
    "growth by type and by holder between snapshots; with three, what stayed",
    (
        Parameter("new", "the second snapshot", required=True),
        Parameter("newer", "the third snapshot"),
        Parameter("limit", "how many types and holders", DEFAULT_LIMIT),
    ),
    diff_snapshots,
)
