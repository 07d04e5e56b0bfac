"""The named roots of a snapshot, and the order in which they explain."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from heapgraph.model import RootKind

if TYPE_CHECKING:
    from collections.abc import Collection

    from numpy.typing import NDArray

    from heapgraph.native.graph_kernels import U8, U32

ROOT_PREFERENCE = (
    RootKind.MODULE,
    RootKind.BUILTINS,
    RootKind.THREAD,
    RootKind.FRAME,
    RootKind.INTERPRETER,
    RootKind.STATIC_TYPE,
    RootKind.LIBRARY,
    RootKind.INTERNED,
    RootKind.C_HELD,
    RootKind.IMMORTAL,
)
"""Which kind of root explains an object best: code that people wrote first, bookkeeping last."""

_RANK = np.empty(len(ROOT_PREFERENCE), dtype=np.int64)
_RANK[list(ROOT_PREFERENCE)] = np.arange(len(ROOT_PREFERENCE))


@dataclass(frozen=True)
class Root:
    """One row of the roots table.

    Attributes:
        row: its number.
        target: the object id it keeps alive.
        kind: why.
        name: module, variable or field; "" for none.
        frame: row of frames, or NO_ROW.
        count: references it holds.
    """

    row: int
    target: int
    kind: RootKind
    name: str
    frame: int
    count: int


@dataclass(frozen=True)
class Roots:
    """All roots as parallel arrays; an object may be the target of several.

    Attributes:
        targets: uint32[r] object ids.
        kinds: uint8[r] (`RootKind`).
        names: r texts, "" for none.
        frames: uint32[r], rows of frames or NO_ROW.
        counts: uint32[r], references each holds.
    """

    targets: U32
    kinds: U8
    names: list[str]
    frames: U32
    counts: U32

    def __len__(self) -> int:
        """How many roots there are."""
        return len(self.targets)

    def row(self, row: int) -> Root:
        """One root as a record."""
        return Root(
            row,
            int(self.targets[row]),
            RootKind(int(self.kinds[row])),
            self.names[row],
            int(self.frames[row]),
            int(self.counts[row]),
        )

    @cached_property
    def unique_targets(self) -> U32:
        """Object ids of all roots, rising, each once."""
        return np.unique(self.targets)

    def groups(self, without: Collection[RootKind] = ()) -> list[U32]:
        """Root targets by kind, in the order in which kinds explain.

        Args:
            without: kinds to leave out.
        """
        return [self.targets[self.kinds == kind] for kind in ROOT_PREFERENCE if kind not in without]

    def rows_of(self, object_id: int, without: Collection[RootKind] = ()) -> list[int]:
        """Rows of the roots that hold an object, the one that explains best first."""
        begin, end = np.searchsorted(self._sorted_targets, [object_id, object_id + 1])
        rows = self._by_target[begin:end].tolist()
        return [row for row in rows if self.kinds[row] not in without]

    def best_rows(self, targets: NDArray[np.int64]) -> NDArray[np.int64]:
        """Of some objects that roots hold, the row of the root that explains each best.

        Args:
            targets: int64[k] object ids; each is the target of a root.

        Returns:
            int64[k].
        """
        return self._by_target[np.searchsorted(self._sorted_targets, targets)]

    @cached_property
    def _by_target(self) -> NDArray[np.int64]:
        """Rows sorted by target, then by how well they explain, then by row."""
        return np.lexsort((_RANK[self.kinds], self.targets)).astype(np.int64)

    @cached_property
    def _sorted_targets(self) -> U32:
        return self.targets[self._by_target]
