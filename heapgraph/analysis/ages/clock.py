"""The clock by which the life of a container is measured: other objects that live long.

Age counts objects, not seconds. Between two members of a container time has passed when something
else was made and kept between them: a session, a connection, an entry of another table. Each of
these is one tick, however many objects it consists of; garbage that waits for the collector is
none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from heapgraph.analysis.ages.ticks import find_ticks, in_losing_containers
from heapgraph.graph.ages import CODES, PART_BITS, UNKNOWN, shares, whole_codes
from heapgraph.graph.object_sets import distinct_ids
from heapgraph.native.scans import chosen

if TYPE_CHECKING:
    import numpy.typing as npt

    from heapgraph.graph.heap_graph import HeapGraph

    Array = npt.NDArray[np.float64]
    Codes = npt.NDArray[np.unsignedinteger[Any]]

_COMPANION_RATIO = (0.6, 8.0)
"""Objects per member of a type that may be made together with the members."""

_COMPANION_DISTANCE = 0.06
"""Up to which two distributions over time are the same: half the sum of the differences."""

_IMPORT_SHARE = 0.98
"""Of the functions and classes that were made before the imports are taken to be over."""

_START_SHARE = 0.5
"""Of the same, before the program can be said to run: the others may be imported lazily."""

_LOSING_SHARE = 0.5
"""Of the ticks, in containers that have lost some, from which on the clock slows."""


class Life:
    """The time of one container, in ticks of its clock.

    Attributes:
        born: code of its birth.
        total: ticks since then.
        slows: whether most of the ticks are in containers that have lost some: then early times
            seem shorter than they were, and late ones longer.

    Args:
        ticks: float64[k], by code of age; k is more than any code.
        born: as above.
        losing: float64[k], how many of them are in containers that have lost some.
    """

    def __init__(self, ticks: Array, born: int, losing: Array | None = None) -> None:
        """Leave out what was made before, and what has the same code: nobody knows."""
        self.born = born
        self._until = np.zeros(len(ticks) + 1)  # [c]: ticks with a code below c, which are newer
        self._until[1:] = np.cumsum(ticks)
        self._until[born + 1 :] = self._until[born]
        self.total = float(self._until[-1])
        lost = 0.0 if losing is None else float(losing[:born].sum())
        self.slows = lost > _LOSING_SHARE * self.total

    def place(self, codes: Codes) -> Array:
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
        self._fine_ages = graph.fine_ages
        self._newest_beside, program = find_ticks(graph)
        ticks = np.flatnonzero(self._newest_beside)
        ticks_of_type = np.bincount(types[ticks], minlength=len(graph.type_names))
        self._ticks_of_type = ticks_of_type
        self._row_of_type = np.cumsum(ticks_of_type > 0) - 1  # most types have no ticks
        self._rows = int(np.count_nonzero(ticks_of_type))
        self._table = self._count(ticks)
        self._is_losing = in_losing_containers(graph, ticks)
        self._by_age = self._count_by_age(ticks)
        self._losing_by_age = self._count_by_age(ticks, self._is_losing)
        order = np.argsort(types[ticks], kind="stable")
        self._ticks_by_type = ticks[order]
        self._ends_of_types = np.cumsum(ticks_of_type)
        self._by_newest_beside = self._count_by_newest_beside(ticks)
        self.end_of_imports = _quantile(program, _IMPORT_SHARE)
        self._start = _quantile(program, _START_SHARE)
        self.shares = shares(int(codes.max(initial=UNKNOWN)))

    @property
    def is_known(self) -> bool:
        """Whether this Python tells ages at all."""
        return bool(self._by_newest_beside.any())

    def ticks_among(self, own: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint32]:
        """Those of the objects of a container that are ticks. Cost: a pass over them."""
        mine: npt.NDArray[np.uint32] = chosen(own, lambda ids: self._newest_beside[ids] != 0)
        return mine

    def life(
        self,
        born: int,
        mine: npt.NDArray[np.uint32],
        members: npt.NDArray[np.uint16],
    ) -> Life:
        """The time since a birth, in objects that have nothing to do with the container.

        Args:
            born: code of the container's birth.
            mine: `ticks_among` its objects, which are no clock for it.
            members: codes of its members.

        Cost: a pass over `mine`, and the types.
        """
        table = np.maximum(self._table - self._count(mine), 0)
        companions = self._companions(table, whole_codes(members), born >> PART_BITS)
        is_companion = companions[self._row_of_type]
        is_companion[self._ticks_of_type == 0] = False
        if is_companion.any():
            mine = distinct_ids(mine, len(self._codes))
            mine = mine[~is_companion[self._types[mine]]]
            mine = np.concatenate([mine, *self._of_types(is_companion)])
        ticks = self._by_age - self._count_by_age(mine)
        losing = self._losing_by_age - self._count_by_age(mine, self._is_losing)
        return Life(np.maximum(ticks, 0), born, np.maximum(losing, 0))

    def _of_types(self, wanted: npt.NDArray[np.bool_]) -> list[npt.NDArray[np.int64]]:
        """The ticks of some types."""
        ends = self._ends_of_types
        return [
            self._ticks_by_type[ends[row] - self._ticks_of_type[row] : ends[row]]
            for row in np.flatnonzero(wanted).tolist()
        ]

    def share(self, born: int, mine: npt.NDArray[np.uint32]) -> float:
        """The time since a birth as a part of the time since the program's start.

        By what also came later: tables that were loaded before are no time, however large.

        Args:
            born: code of the container's birth.
            mine: as of `life`.
        """
        start = max(born, self._start)
        mine = distinct_ids(mine, len(self._codes))
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

    def _count_by_age(
        self,
        objects: npt.NDArray[np.int64] | npt.NDArray[np.uint32],
        wanted: npt.NDArray[np.bool_] | None = None,
    ) -> Array:
        """float64[65536]: ticks by fine age; only those for which `wanted`, bool[n], is true."""
        if wanted is not None:
            objects = objects[wanted[objects]]
        counts = np.bincount(self._fine_ages[objects], minlength=CODES << PART_BITS)
        return counts.astype(np.float64)

    def _count_by_newest_beside(
        self, objects: npt.NDArray[np.int64] | npt.NDArray[np.uint32]
    ) -> npt.NDArray[np.int64]:
        """int64[256, 256]: ticks by the code of the newest in their holder, and by their own."""
        cells = self._newest_beside[objects].astype(np.int64) * CODES + self._codes[objects]
        return np.bincount(cells, minlength=CODES * CODES).reshape(CODES, CODES)


def _quantile(counts: npt.NDArray[np.uint32], share: float) -> int:
    """The code that such a share of some objects, counted by code, is older than or as old as."""
    total = int(counts.sum())
    if not total:
        return CODES - 1
    newer = counts[::-1].cumsum(dtype=np.int64)
    return CODES - 1 - int(np.searchsorted(newer, share * total))
