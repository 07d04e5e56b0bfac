"""Per type: how many objects, their own size, and what would go if all of them went."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from heapgraph.analysis.results import TableResult, not_serialized
from heapgraph.graph.object_sets import sum_by_group
from heapgraph.units import Bytes, Count, TypeName

if TYPE_CHECKING:
    from heapgraph.analysis.registry import Progress
    from heapgraph.graph.heap_graph import HeapGraph

_RETAINED = "retained"

EXACT_WORK = 200_000_000
"""References that may be followed to make the retained sizes exact: two to four seconds."""


@dataclass(frozen=True)
class TypeRow:
    """All objects of one type.

    Attributes:
        type: qualified name.
        count: objects, unreachable ones too.
        shallow_size: bytes of the objects themselves.
        retained_size: bytes that would go with all of them.
        native_size: bytes of blocks of C code whose nearest owner is one of them: an estimate.
    """

    type: TypeName
    count: Count
    shallow_size: Bytes
    retained_size: Bytes
    native_size: Bytes


@dataclass(frozen=True)
class Histogram(TableResult):
    """Types by retained size, largest first, or by what was asked for.

    Attributes:
        types: the rows.
        left_out: how many more types there are.
        exact: how many rows, from the first, have exact retained sizes; the others have minimums.
    """

    rows_field: ClassVar[str] = "types"

    types: tuple[TypeRow, ...]
    left_out: int = not_serialized()
    exact: int = not_serialized()


def type_histogram(
    graph: HeapGraph,
    *,
    progress: Progress | None = None,
    limit: int | None = None,
    exact: bool = False,
    work: int = EXACT_WORK,
    sort: str = _RETAINED,
) -> Histogram:
    """Count the objects of every type.

    The retained size of a set is exact for the largest types, as many as `work` allows, and
    a minimum for the rest: what two objects of a type hold together is then left out.

    Args:
        graph: the snapshot.
        progress: called for each type whose retained size is made exact.
        limit: how many rows; None: all types that have objects.
        exact: make every row exact, however long it takes.
        work: objects and references that may be looked at for exact sizes; 0: minimums only.
        sort: what the rows are ordered by: "retained", "native", "shallow" or "count".

    Cost: vectorised over all objects; one search of the heap per exact row; where objects share
        blocks of C code, the root paths, once.
    """
    if progress is not None:
        progress("dominator tree", 0, 0)
    type_count = len(graph.type_names)
    counts = np.bincount(graph.type_ids, minlength=type_count)
    shallow = sum_by_group(graph.type_ids, graph.shallow_sizes, type_count)
    retained = graph.retained_by_type()
    native = graph.native_owned.by_type(graph)
    present = np.flatnonzero(counts)
    values = {_RETAINED: retained, "shallow": shallow, "count": counts, "native": native}[sort]
    order = _by_size(present, values.astype(np.uint64))
    chosen = order if limit is None else order[:limit]
    search = max(1, graph.reference_count + graph.object_count)
    exact_count = len(chosen) if exact else min(len(chosen), work // search)
    _make_exact(graph, retained, chosen[:exact_count], counts, progress)
    if sort == _RETAINED:
        chosen = np.concatenate([_by_size(chosen[:exact_count], retained), chosen[exact_count:]])
    rows = tuple(
        TypeRow(
            graph.type_names[row],
            int(counts[row]),
            int(shallow[row]),
            int(retained[row]),
            int(native[row]),
        )
        for row in chosen.tolist()
    )
    return Histogram(rows, len(order) - len(rows), exact_count)


def _make_exact(
    graph: HeapGraph,
    retained: np.ndarray[tuple[int], np.dtype[np.uint64]],
    chosen: np.ndarray[tuple[int], np.dtype[np.int64]],
    counts: np.ndarray[tuple[int], np.dtype[np.int64]],
    progress: Progress | None,
) -> None:
    """Replace the minimums of these types by exact sizes."""
    for done, row in enumerate(chosen.tolist()):
        if progress is not None:
            progress("retained size of types", done, len(chosen))
        if counts[row] > 1:  # of one object the dominator tree is exact
            members = np.flatnonzero(graph.type_ids == row).astype(np.uint32)
            retained[row] = graph.set_retained_size(members)


def _by_size(
    rows: np.ndarray[tuple[int], np.dtype[np.int64]],
    retained: np.ndarray[tuple[int], np.dtype[np.uint64]],
) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return rows[np.lexsort((rows, ~retained[rows]))]
