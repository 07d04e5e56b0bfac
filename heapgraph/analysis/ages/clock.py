"""The clock by which the life of a container is measured: other objects that live long.

Age counts objects, not seconds. Between two members of a container time has passed when something
else was made and kept between them: a session, a connection, an entry of another table. Each of
these is one tick, however many objects it consists of; garbage that waits for the collector is
none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from heapgraph.graph.ages import CODES, UNKNOWN, shares
from heapgraph.model import UNREACHABLE, ObjectFlags

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

    Cost: two passes over the objects.
    """

    def __init__(self, graph: HeapGraph) -> None:
        """Count the objects with an age."""
        # Not the graph itself: clocks are kept in a table of weak references to graphs.
        self._codes, self._types = codes, types = graph.age_codes, graph.type_ids
        self._is_program = graph.type_mask(_PROGRAM_TYPES)
        self._may_tick = (codes != UNKNOWN) & ~self._is_program[types]
        self._may_tick &= ~self._belongs_to_program(graph) & _is_unit(graph)
        self._ticks = np.flatnonzero(self._may_tick)
        self._newest_beside = _newest_beside(graph, self._ticks)
        self._table = self._count(self._ticks)
        program = codes[self._is_program[types] & (codes != UNKNOWN)]
        self.end_of_imports = _quantile(program, _IMPORT_SHARE)
        self._start = _quantile(program, _START_SHARE)
        self.shares = shares(int(codes.max(initial=UNKNOWN)))

    @property
    def is_known(self) -> bool:
        """Whether this Python tells ages at all."""
        return bool(self._may_tick.any())

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
        mine = own[self._may_tick[own]]
        table = np.maximum(self._table - self._count(mine), 0)
        table[self._companions(table, members, born)] = 0
        return Life(table.sum(axis=0), born)

    def share(self, born: int, own: npt.NDArray[np.uint32]) -> float:
        """The time since a birth as a part of the time since the program's start.

        By what also came later: tables that were loaded before are no time, however large.
        """
        start = max(born, self._start)
        codes = self._codes[self._ticks]
        counts = (self._newest_beside < born) & (codes < start)
        is_own = np.zeros(len(self._codes), np.bool_)
        is_own[own] = True
        counts &= ~is_own[self._ticks]
        return float((codes[counts] < born).mean()) if counts.any() else 1.0

    def _companions(
        self, table: Array, members: npt.NDArray[np.uint8], born: int
    ) -> npt.NDArray[np.bool_]:
        """bool[types]: made whenever a member is made, so that they tell no time."""
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
        cells = self._types[objects].astype(np.int64) * CODES + self._codes[objects]
        flat = np.bincount(cells, minlength=len(self._is_program) * CODES)
        table: Array = flat.reshape(-1, CODES).astype(np.float64)
        return table

    def _belongs_to_program(self, graph: HeapGraph) -> npt.NDArray[np.bool_]:
        """bool[n]: a class, or right below a class, a module or a function: their tables."""
        idom = graph.dominators.idom
        # Whatever its metaclass is.
        is_class: npt.NDArray[np.bool_] = (graph.flags & ObjectFlags.IS_TYPE) != 0
        below = idom < UNREACHABLE
        holders = graph.folded.owners_of(idom[below])  # of what is in a namespace, whose it is
        result = is_class.copy()
        result[below] |= self._is_program[graph.type_ids[holders]] | is_class[holders]
        return result


def _newest_beside(graph: HeapGraph, objects: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
    """uint8[k]: the code of the newest of those objects that are in the same holder."""
    holders = np.minimum(graph.dominators.idom[objects], len(graph.type_ids))
    newest = np.full(len(graph.type_ids) + 1, CODES - 1, np.uint8)
    np.minimum.at(newest, holders, graph.age_codes[objects])
    result: npt.NDArray[np.uint8] = newest[holders]
    return result


def _is_unit(graph: HeapGraph) -> npt.NDArray[np.bool_]:
    """bool[n]: reached by a root, and no part of something small: a session, not its fields."""
    idom = graph.dominators.idom
    degrees = np.diff(graph.offsets)
    is_unit: npt.NDArray[np.bool_] = idom != UNREACHABLE
    below = np.flatnonzero(idom < UNREACHABLE)
    is_unit[below] = degrees[idom[below]] >= _MIN_ITEMS
    return is_unit


def _quantile(codes: npt.NDArray[np.uint8], share: float) -> int:
    """The code that such a share of some objects is older than, or as old as."""
    if not len(codes):
        return CODES - 1
    counts = np.bincount(codes, minlength=CODES)[::-1].cumsum()
    return CODES - 1 - int(np.searchsorted(counts, share * len(codes)))
