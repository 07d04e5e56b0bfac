"""The groups of several snapshots laid over one another, with what each has in all of them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from heapgraph.analysis.expressions.carriers import LINK_TYPES, LOOP_SUFFIXES, MIN_LINKS
from heapgraph.analysis.growth.aligned_groups import TOP, align
from heapgraph.analysis.growth.path_texts import MADE_MODULES, UNNAMED
from heapgraph.model import VIRTUAL_ROOT
from heapgraph.native import graph_kernels

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from heapgraph.analysis.growth.path_groups import PathGroups

LOOP = "<event loop>"
_LOOP_ROOTS = ("<", "_asyncio", "asyncio", "uvloop")
"""How a library, or the interpreter, has an event loop: that says nothing."""

_FRAME = " <frame>"
"""End of the text of a row of frames; the beginning is their function."""

_MODULES = ".modules"
"""How sys has the table of modules."""


@dataclass(frozen=True)
class HolderNode:
    """One group in all snapshots.

    Attributes:
        type: qualified type name.
        items: items of containers in each snapshot.
        sizes: bytes reached through it in each snapshot.
        native_sizes: bytes of C code reached through it in each; None where it is not known.
        weight: what it is ranked by: bytes of growth.
    """

    type: str
    items: tuple[int, ...]
    sizes: tuple[int, ...]
    native_sizes: tuple[int | None, ...]
    weight: int


class HolderTree:
    """Groups of several snapshots, aligned by the names that lead to them and by their types.

    Columns, since most of the groups are never shown; w snapshots, r rows, parents first.

    Args:
        snapshots: the groups of each, the oldest first.

    Attributes:
        parents: int64[r]; those of roots are below row 0.
        counts: int64[w, r], objects.
        items: int64[w, r], items of containers.
        sizes: int64[w, r], bytes reached through each.
        own_sizes: int64[w, r], bytes of the objects themselves.
        knows_native: of each snapshot whether it knows what C code has.
        native_sizes: int64[w, r], bytes of C code reached through each, estimates; 0 where it is
            not known.
        own_native_sizes: int64[w, r], those of blocks that the objects own.
        weights: int64[r], what rows are ranked by: bytes of growth.
        gross: int64[r], the same without what fell below each; no less than its weight.
        is_module: bool[r]: a module, or its dict. Everybody knows that the program is in its
            modules.
        is_frame: bool[r]: frame objects of running functions, which up to 3.10 each function has.
            What is in their variables has rows of its own.

    Cost: a few passes over the groups; 8 bytes for each row and column.
    """

    def __init__(self, snapshots: Sequence[PathGroups]) -> None:
        """Align the groups and sum up sizes from below."""
        self._groups = align(snapshots)
        self.parents = self._groups.parents
        shape = len(snapshots), len(self.parents)
        self.counts = np.zeros(shape, np.int64)
        self.items = np.zeros(shape, np.int64)
        self.own_sizes = np.zeros(shape, np.int64)
        self.own_native_sizes = np.zeros(shape, np.int64)
        self.knows_native = tuple(groups.native_sizes is not None for groups in snapshots)
        self._first_objects = np.full(shape, -1, np.int64)
        aligned = zip(snapshots, self._groups.row_of_group, strict=True)
        for position, (groups, rows) in enumerate(aligned):
            self.counts[position, rows] = groups.counts  # no two groups have one row
            self.items[position, rows] = groups.items
            self.own_sizes[position, rows] = groups.sizes
            self._first_objects[position, rows] = groups.first_objects
            if groups.native_sizes is not None:
                self.own_native_sizes[position, rows] = groups.native_sizes
        self.sizes = self.own_sizes.copy()
        self.native_sizes = self.own_native_sizes.copy()
        for sizes in (*self.sizes, *self.native_sizes):
            self._sum_from_below(sizes)
        self.weights = np.zeros(shape[1], np.int64)
        self.gross = self.weights
        self.is_module = self._find_modules()
        named = np.array([text.endswith(_FRAME) for text in self._groups.texts], np.bool_)
        self.is_frame = named[self._groups.text_rows] & (self.parents == TOP)
        self._by_parent = np.argsort(self.parents[1:], kind="stable") + 1
        self._begins = np.searchsorted(
            self.parents[self._by_parent], np.arange(shape[1] + 1), side="left"
        )

    def _sum_from_below(self, values: NDArray[np.int64]) -> None:
        """Add to each row, in place, what its children have; none is negative."""
        above = self.parents.astype(np.uint32)
        above[TOP] = VIRTUAL_ROOT
        order = np.arange(len(values), dtype=np.uint32)
        graph_kernels.sum_to_parents(order, above, values.view(np.uint64))

    def _find_modules(self) -> NDArray[np.bool_]:
        named = np.array([name == "module" for name in self._groups.types], np.bool_)
        is_module = named[self._groups.type_rows]
        texts = self._groups.texts
        if MADE_MODULES in texts:  # of these the number grows
            is_module &= self._groups.text_rows != texts.index(MADE_MODULES)
        is_dict = self._groups.text_rows == texts.index("")
        is_module |= is_dict & is_module[self.parents]
        if MADE_MODULES in texts and _MODULES in texts:  # their table only has an entry for each
            named = self._groups.text_rows == texts.index(_MODULES)
            is_module |= named & is_module[self.parents]
        return np.asarray(is_module)

    def node(self, row: int) -> HolderNode:
        """One row as a record."""
        return HolderNode(
            self.type_name(row),
            tuple(self.items[:, row].tolist()),
            tuple(self.sizes[:, row].tolist()),
            tuple(
                size if is_known else None
                for size, is_known in zip(
                    self.native_sizes[:, row].tolist(), self.knows_native, strict=True
                )
            ),
            int(self.weights[row]),
        )

    def text(self, row: int) -> str:
        """What leads to a group from the one above it, or the name of its root."""
        return self._groups.texts[int(self._groups.text_rows[row])]

    def type_name(self, row: int) -> str:
        """Qualified name of the type of its objects."""
        return self._groups.types[int(self._groups.type_rows[row])]

    def children(self, row: int) -> NDArray[np.int64]:
        """Rows of the groups right below one, rising."""
        return self._by_parent[self._begins[row] : self._begins[row + 1]]

    def growth(self, row: int) -> int:
        """Bytes added between the first and the last snapshot, as `weigh_by_growth` counts them."""
        native = self.native_sizes[-1, row] - self.native_sizes[0, row]
        counted = max(0, int(native)) if self._compares_native else 0
        return int(self.sizes[-1, row] - self.sizes[0, row]) + counted

    @property
    def _compares_native(self) -> bool:
        return self.knows_native[0] and self.knows_native[-1]

    def weigh_by_growth(self) -> None:
        """Rank by bytes of objects and of C code that were added.

        An estimate that falls hides no objects: it counts for nothing.
        """
        self.weights = self.sizes[-1] - self.sizes[0]
        own = self.own_sizes[-1] - self.own_sizes[0]
        if self._compares_native:
            self.weights += np.maximum(self.native_sizes[-1] - self.native_sizes[0], 0)
            own += np.maximum(self.own_native_sizes[-1] - self.own_native_sizes[0], 0)
        self.gross = np.maximum(own, 0)
        self._sum_from_below(self.gross)

    def rows_of_objects(self, position: int, groups: PathGroups) -> NDArray[np.int32]:
        """int32[n], the row of each object of one snapshot; -1 for none.

        Args:
            position: of the snapshot.
            groups: its groups.
        """
        rows = np.append(self._groups.row_of_group[position], np.int32(-1))
        found: NDArray[np.int32] = rows[groups.of_object]
        return found

    def examples(self, row: int) -> tuple[int | None, ...]:
        """The first object of a group in each snapshot; None where it has none."""
        found = self._first_objects[:, row].tolist()
        return tuple(None if object_id < 0 else object_id for object_id in found)

    def sums(
        self, position: int, groups: NDArray[np.int32], sizes: NDArray[np.uint64]
    ) -> NDArray[np.int64]:
        """int64[r], what is reached through each row of some objects of one snapshot.

        Args:
            position: of the snapshot.
            groups: int32[k], the group of each object.
            sizes: uint64[k], what each weighs.
        """
        rows = self._groups.row_of_group[position][groups]
        sums = np.bincount(rows, sizes.astype(np.float64), minlength=len(self.parents))
        found = sums.astype(np.int64)
        self._sum_from_below(found)
        return found

    def has_more_objects(self, row: int) -> bool:
        """Whether there are more in the last snapshot than in the first."""
        return bool(self.counts[-1, row] > self.counts[0, row])

    def chain(self, row: int) -> list[int]:
        """Rows from that of a root to this one."""
        found = [row]
        while (above := int(self.parents[found[-1]])) != TOP:
            found.append(above)
        return found[::-1]

    def first_link(self, row: int) -> int:
        """The first group of a linked list in place of a group far down in it; else the group."""
        # A link may have a `__dict__` or a cell between it and the next: these are no links.
        chain = [each for each in self.chain(row) if self.text(each) != ""]
        types = self._groups.type_rows[chain].tolist()
        if not types:
            return row
        commonest, links = Counter(types).most_common(1)[0]
        is_link = self._groups.types[commonest] in LINK_TYPES
        return chain[types.index(commonest)] if links >= (2 if is_link else MIN_LINKS) else row

    def shown(self, row: int) -> int:
        """The group to show for another: the owner of a `__dict__` or of what has no name."""
        while self.text(row) in ("", UNNAMED) and self.parents[row] != TOP:
            row = int(self.parents[row])
        return row

    def expression(self, row: int) -> str:
        """How the objects of a group are reached, positions and keys as `[*]`."""
        text = ""
        for each in self.chain(self.shown(row)):
            is_loop = self.type_name(each).endswith(LOOP_SUFFIXES)
            is_loop = is_loop and text.startswith(_LOOP_ROOTS)
            text = LOOP if is_loop else text + self.text(each)
        return text
