"""What leads to an object from its dominator, which may be several references above it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from heapgraph.model import VIRTUAL_ROOT
from heapgraph.native.key_numbers import number_keys

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from heapgraph.export.profiles.tree_arrays import TreeArrays

MAX_DETOUR = 8
"""References between an object and its dominator that are told apart."""

LEFT_OUT = "<...>"


class Steps:
    """Names of the way from the dominator of each object to it.

    The dominator is on every path to the object, so on its shortest one: mostly right above it;
    further up where several objects below the dominator hold it.

    Args:
        tree: of the snapshot.
        rows: of `step_names`; changed.
        texts: of `step_names`.
    """

    def __init__(self, tree: TreeArrays, rows: NDArray[np.int32], texts: list[str]) -> None:
        """Leave out the names of dicts that are folded."""
        self._tree = tree
        self._parent = tree.graph.root_paths.parent
        self._rows, self._texts = rows, texts
        owners = tree.owners
        self._rows[owners != np.arange(len(owners), dtype=np.uint32)] = 0  # `.name`, no `.__dict__`

    def between(self, objects: NDArray[np.int64]) -> NDArray[np.int64]:
        """int64[k]: equal for objects to which the same names lead; within one call only.

        Cost: a pass for each reference between the objects and their dominators.
        """
        rows = self._rows[objects].astype(np.int64)
        known = len(self._texts)
        ways = np.arange(len(objects))
        at = self._parent[objects]
        above = self._tree.above[objects]
        for _ in range(MAX_DETOUR):
            on_the_way = ~self._has_arrived(at, above)
            ways, at, above = ways[on_the_way], at[on_the_way], above[on_the_way]
            if not len(ways):
                break
            distinct, numbers = number_keys(self._rows[at].astype(np.int64) * known + rows[ways])
            rows[ways] = numbers + known
            known += len(distinct)
            at = self._parent[at]
        left = ways[~self._has_arrived(at, above)]
        rows[left] += known
        return rows

    def text(self, object_id: int) -> str:
        """The way to one object: `.history`, `[*]`, `app.CACHE`, `._by_name[*]`."""
        parts = [self._texts[int(self._rows[object_id])]]
        above = int(self._tree.above[object_id])
        at = int(self._parent[object_id])
        while at != VIRTUAL_ROOT and int(self._tree.owners[at]) != above:
            if len(parts) > MAX_DETOUR:
                return LEFT_OUT + "".join(parts[::-1])
            parts.append(self._texts[int(self._rows[at])])
            at = int(self._parent[at])
        return "".join(parts[::-1])

    def _has_arrived(self, at: NDArray[np.uint32], above: NDArray[np.uint32]) -> NDArray[np.bool_]:
        at_top = at == VIRTUAL_ROOT
        arrived: NDArray[np.bool_] = at_top.copy()
        arrived[~at_top] = self._tree.owners[at[~at_top]] == above[~at_top]
        return arrived
