"""The clock by which the life of a container is measured: other objects that live long.

Age counts objects, not seconds. Between two members of a container time has passed when something
else was made and kept between them: a session, a connection, an entry of another table. Each of
these is one tick, however many objects it consists of; garbage that waits for the collector is
none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from heapgraph.analysis.ages.kept import rules_digest
from heapgraph.graph.ages import CODES, UNKNOWN, shares
from heapgraph.graph.kept_columns import KEPT_ROWS
from heapgraph.graph.object_sets import distinct_ids
from heapgraph.model import UNREACHABLE, VIRTUAL_ROOT, ObjectFlags

if TYPE_CHECKING:
    import numpy.typing as npt

    from heapgraph.graph.heap_graph import HeapGraph

    Array = npt.NDArray[np.float64]

_PROGRAM_TYPES = frozenset(
    {"type", "module", "function", "code", "cell", "method", "property", "frame", "tuple"}
    | {"builtin_function_or_method", "wrapper_descriptor", "method_descriptor"}
    | {"classmethod_descriptor", "getset_descriptor", "member_descriptor"}
    | {"classmethod", "staticmethod", "traceback", "weakref", "weakref.ReferenceType"}
)
"""Made by imports, thousands at a time, or, as tuples, moved by the collector at will."""

_MIN_ITEMS = 20
"""References of what holds things rather than consists of them."""

_COMPANION_RATIO = (0.6, 8.0)
"""Objects per member of a type that may be made together with the members."""

_COMPANION_DISTANCE = 0.06
"""Up to which two distributions over time are the same: half the sum of the differences."""

_IMPORT_SHARE = 0.98
"""Of the functions and classes that were made before the imports are taken to be over."""


_START_SHARE = 0.5
"""Of the same, before the program can be said to run: the others may be imported lazily."""


class Life:
    """The time of one container, in ticks of its clock.

    Attributes:
        born: code of its birth.
        total: ticks since then.

    Args:
        ticks: float64[256], by code of age.
        born: as above.
    """

    def __init__(self, ticks: Array, born: int) -> None:
        """Leave out what was made before, and what has the same code: nobody knows."""
        self.born = born
        self._until = np.zeros(CODES + 1)  # [c]: ticks with a code below c, which are newer
        self._until[1:] = np.cumsum(np.where(np.arange(CODES) < born, ticks, 0))
        self.total = float(self._until[-1])

    def place(self, codes: npt.NDArray[np.uint8]) -> Array:
        """float64[k], when objects were made: 0 at the birth, 1 now.

        Half of the ticks with the same code count as later.
        """
        newer = (self._until[codes] + self._until[codes.astype(np.int64) + 1]) / 2
        places: Array = np.clip(1 - newer / max(self.total, 1.0), 0.0, 1.0)
        return places

    def ticks_between(self, older: int, newer: int) -> float:
        """Ticks certainly after one code and before another."""
        return max(float(self._until[older] - self._until[newer + 1]), 0.0)

    def ticks_after(self, code: int) -> float:
        """Ticks certainly after all objects of a code."""
        return float(self._until[code])


class AgeClock:
    """All that could be a tick, by type and age; one per snapshot.

    Attributes:
        end_of_imports: code of the time when most functions and classes were there.
        shares: float32[256], see `graph.ages.shares`.

    Args:
        graph: the snapshot.

    Cost: two passes over the objects, 0.5 s for 10 million; of a large snapshot kept on disk.
    """

    def __init__(self, graph: HeapGraph) -> None:
        """Count the objects with an age."""
        # Not the graph itself: clocks are kept in a table of weak references to graphs.
        self._codes, self._types = codes, types = graph.age_codes, graph.type_ids
        self._newest_beside, program = _found(graph, graph.type_mask(_PROGRAM_TYPES))
        ticks = np.flatnonzero(self._newest_beside)
        ticks_of_type = np.bincount(types[ticks], minlength=len(graph.type_names))
        self._row_of_type = np.cumsum(ticks_of_type > 0) - 1  # most types have no ticks
        self._rows = int(np.count_nonzero(ticks_of_type))
        self._table = self._count(ticks)
        self._by_newest_beside = self._count_by_newest_beside(ticks)
        self.end_of_imports = _quantile(program, _IMPORT_SHARE)
        self._start = _quantile(program, _START_SHARE)
        self.shares = shares(int(codes.max(initial=UNKNOWN)))

    @property
    def is_known(self) -> bool:
        """Whether this Python tells ages at all."""
        return bool(self._by_newest_beside.any())

    def life(
        self,
        born: int,
        own: npt.NDArray[np.uint32],
        members: npt.NDArray[np.uint8],
    ) -> Life:
        """The time since a birth, in objects that have nothing to do with the container.

        Args:
            born: code of the container's birth.
            own: its objects, which are no clock for it.
            members: codes of its members.

        Cost: a pass over `own`, and the types.
        """
        mine = own[self._newest_beside[own] != 0]
        table = np.maximum(self._table - self._count(mine), 0)
        table[self._companions(table, members, born)] = 0
        return Life(table.sum(axis=0), born)

    def share(self, born: int, own: npt.NDArray[np.uint32]) -> float:
        """The time since a birth as a part of the time since the program's start.

        By what also came later: tables that were loaded before are no time, however large.
        """
        start = max(born, self._start)
        mine = distinct_ids(own[self._newest_beside[own] != 0], len(self._codes))
        counts = (self._by_newest_beside - self._count_by_newest_beside(mine))[:born]
        since_start = int(counts[:, :start].sum())
        return float(counts[:, :born].sum() / since_start) if since_start else 1.0

    def _companions(
        self, table: Array, members: npt.NDArray[np.uint8], born: int
    ) -> npt.NDArray[np.bool_]:
        """bool[rows]: types made whenever a member is made, so that they tell no time."""
        newest = int(members.min())
        window = table[:, newest : born + 1]
        counts = window.sum(axis=1)
        ratio = counts / max(len(members), 1)
        shape = np.bincount(members, minlength=CODES)[newest : born + 1] / max(len(members), 1)
        distance = np.abs(window / np.maximum(counts, 1)[:, None] - shape).sum(axis=1) / 2
        least, most = _COMPANION_RATIO
        companions: npt.NDArray[np.bool_] = (
            (ratio >= least) & (ratio <= most) & (distance <= _COMPANION_DISTANCE)
        )
        return companions

    def _count(self, objects: npt.NDArray[np.int64] | npt.NDArray[np.uint32]) -> Array:
        """float64[rows, 256]: ticks by type and age."""
        cells = self._row_of_type[self._types[objects]] * CODES + self._codes[objects]
        flat = np.bincount(cells, minlength=self._rows * CODES)
        table: Array = flat.reshape(-1, CODES).astype(np.float64)
        return table

    def _count_by_newest_beside(
        self, objects: npt.NDArray[np.int64] | npt.NDArray[np.uint32]
    ) -> npt.NDArray[np.int64]:
        """int64[256, 256]: ticks by the code of the newest in their holder, and by their own."""
        cells = self._newest_beside[objects].astype(np.int64) * CODES + self._codes[objects]
        return np.bincount(cells, minlength=CODES * CODES).reshape(CODES, CODES)


def _found(
    graph: HeapGraph, is_program: npt.NDArray[np.bool_]
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint32]]:
    """uint8[n]: of each tick the newest in its holder, 0 for others; uint32[256]: of imports."""

    def compute() -> tuple[npt.NDArray[Any], ...]:
        codes = graph.age_codes
        of_program = is_program[graph.type_ids]
        counts = np.bincount(codes[of_program], minlength=CODES).astype(np.uint32)
        counts[UNKNOWN] = 0
        of_program |= (graph.flags & ObjectFlags.IS_TYPE) != 0  # whatever their metaclass is
        dated = np.flatnonzero((codes != UNKNOWN) & ~of_program)
        return _newest_beside(graph, _units(graph, dated, of_program)), counts

    if graph.object_count < KEPT_ROWS:
        newest, counts = compute()
    else:
        newest, counts = graph.kept(
            {
                f"age_ticks-{rules_digest()}": (np.uint8, graph.object_count),
                f"age_imports-{rules_digest()}": (np.uint32, CODES),
            },
            compute,
        )
    return newest, counts


def _units(
    graph: HeapGraph, objects: npt.NDArray[np.int64], of_program: npt.NDArray[np.bool_]
) -> npt.NDArray[np.int64]:
    """Those that are reached by a root, and no part of something small: a session, not its fields.

    Nor right below a class, a module or a function, or in their namespaces: these are their tables.
    """
    idom = graph.dominators.idom[objects]
    has_units = (np.diff(graph.offsets) >= _MIN_ITEMS) & ~graph.folded.with_dicts(of_program)
    is_unit: npt.NDArray[np.bool_] = idom == VIRTUAL_ROOT
    below = np.flatnonzero(idom < UNREACHABLE)
    is_unit[below] = has_units[idom[below]]
    return objects[is_unit]


def _newest_beside(graph: HeapGraph, objects: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
    """uint8[n], 0 but for those objects: the code of the newest of them in the same holder."""
    count = graph.object_count
    holders = np.minimum(graph.dominators.idom[objects], count)
    newest = np.full(count + 1, CODES - 1, np.uint8)
    np.minimum.at(newest, holders, graph.age_codes[objects])
    result = np.zeros(count, np.uint8)
    result[objects] = newest[holders]
    return result


def _quantile(counts: npt.NDArray[np.uint32], share: float) -> int:
    """The code that such a share of some objects, counted by code, is older than or as old as."""
    total = int(counts.sum())
    if not total:
        return CODES - 1
    newer = counts[::-1].cumsum(dtype=np.int64)
    return CODES - 1 - int(np.searchsorted(newer, share * total))
