"""The groups of several snapshots laid over one another, and the ones that grow."""

from __future__ import annotations

import heapq
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from heapgraph.analysis.growth.path_groups import ANY_KEY, UNNAMED

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from heapgraph.analysis.growth.path_groups import PathGroups

PASS_ON_SHARE = 0.7
"""A group that owes this share of its growth to one of its children is only on the way to it.
Eclipse MAT uses the same limit to find where memory accumulates."""

_MAX_STEPS_DOWN = 200
_MIN_LINKS = 30
"""So many objects of one type on one path are a linked list, not a structure."""

_TOP = 0


@dataclass
class HolderNode:
    """One group in all snapshots.

    Attributes:
        parent: row of its parent.
        text: what leads to it.
        type: qualified type name.
        counts: objects in each snapshot.
        items: items of containers in each snapshot.
        sizes: bytes reached through it in each snapshot.
        own_sizes: bytes of its objects themselves in each snapshot.
        children: rows.
        weight: what it is ranked by: bytes of growth.
    """

    parent: int
    text: str
    type: str
    counts: list[int]
    items: list[int]
    sizes: list[int]
    own_sizes: list[int] = field(default_factory=list)
    children: list[int] = field(default_factory=list)
    weight: int = 0

    @classmethod
    def empty(cls, parent: int, text: str, type_name: str, width: int) -> HolderNode:
        """A group that no snapshot has objects of yet."""
        return cls(parent, text, type_name, [0] * width, [0] * width, [0] * width)


class HolderTree:
    """Groups of several snapshots, aligned by the names that lead to them and by their types.

    Args:
        snapshots: the groups of each, the oldest first.

    Cost: a dict entry for each group.
    """

    def __init__(self, snapshots: Sequence[PathGroups]) -> None:
        """Align the groups and sum up sizes from below."""
        width = len(snapshots)
        self.nodes = [HolderNode.empty(-1, "", "", width)]
        self._rows: dict[tuple[int, str, str], int] = {}
        self.node_of_group = [
            self._add(position, groups, width) for position, groups in enumerate(snapshots)
        ]
        self._first_of_row = [
            self._first_objects(position, groups) for position, groups in enumerate(snapshots)
        ]
        for node in self.nodes:
            node.own_sizes = node.sizes.copy()
        for node in reversed(self.nodes[1:]):  # parents come before their children
            above = self.nodes[node.parent]
            above.sizes = [a + b for a, b in zip(above.sizes, node.sizes, strict=True)]

    def _add(self, position: int, groups: PathGroups, width: int) -> NDArray[np.int64]:
        """Add one snapshot; the row of the node of each of its groups."""
        rows = np.zeros(len(groups.texts), np.int64)
        parents, counts = groups.parents.tolist(), groups.counts.tolist()
        items, sizes = groups.items.tolist(), groups.sizes.tolist()
        for group, (text, type_name) in enumerate(zip(groups.texts, groups.types, strict=True)):
            parent = _TOP if parents[group] < 0 else int(rows[parents[group]])
            row = self._rows.setdefault((parent, text, type_name), len(self.nodes))
            if row == len(self.nodes):
                self.nodes.append(HolderNode.empty(parent, text, type_name, width))
                self.nodes[parent].children.append(row)
            self.nodes[row].counts[position] += counts[group]
            self.nodes[row].items[position] += items[group]
            self.nodes[row].sizes[position] += sizes[group]
            rows[group] = row
        return rows

    def growth(self, row: int) -> int:
        """Bytes added between the first and the last snapshot."""
        return self.nodes[row].sizes[-1] - self.nodes[row].sizes[0]

    def weigh_by_growth(self) -> None:
        """Rank by `growth`."""
        for row, node in enumerate(self.nodes):
            node.weight = self.growth(row)

    def rows_of_objects(self, position: int, groups: PathGroups) -> NDArray[np.int32]:
        """int32[n], the row of each object of one snapshot; -1 for none.

        Args:
            position: of the snapshot.
            groups: its groups.
        """
        rows = np.append(self.node_of_group[position], -1).astype(np.int32)
        return rows[groups.of_object]

    def _first_objects(self, position: int, groups: PathGroups) -> NDArray[np.int64]:
        """int64[rows], the first object of each group in one snapshot; -1 where it has none."""
        rows = self.rows_of_objects(position, groups)
        found = np.full(len(self.nodes) + 1, -1, np.int64)  # one more for what is in no group
        found[rows[::-1]] = np.arange(len(rows) - 1, -1, -1)
        return found[:-1]

    def examples(self, row: int) -> tuple[int | None, ...]:
        """The first object of a group in each snapshot; None where it has none."""
        found = (int(first[row]) for first in self._first_of_row)
        return tuple(None if object_id < 0 else object_id for object_id in found)

    def weigh_by(self, position: int, groups: NDArray[np.int32], sizes: NDArray[np.uint64]) -> None:
        """Rank by some objects of one snapshot.

        Args:
            position: of the snapshot.
            groups: int32[k], the group of each object.
            sizes: uint64[k], what each weighs.
        """
        rows = self.node_of_group[position][groups]
        sums = np.bincount(rows, sizes.astype(np.float64), minlength=len(self.nodes))
        for node, weight in zip(self.nodes, sums.astype(np.int64).tolist(), strict=True):
            node.weight = weight
        for node in reversed(self.nodes[1:]):
            self.nodes[node.parent].weight += node.weight

    def growing(self, limit: int | None = None) -> list[int]:
        """Rows of the groups where growth gathers, the most first; none lies below another."""
        limit = len(self.nodes) if limit is None else limit
        found: list[int] = []
        queue: list[tuple[int, int, bool]] = []

        def push(row: int, *, is_holder: bool = False) -> None:
            if self.nodes[row].weight > 0:
                heapq.heappush(queue, (-self.nodes[row].weight, row, is_holder))

        for child in self.nodes[_TOP].children:
            push(child)
        while queue and len(found) < limit:
            _, row, is_holder = heapq.heappop(queue)
            if is_holder:
                found.append(row)
            elif self.is_module(row):
                for child in self.nodes[row].children:
                    push(child)
            else:
                push(self._gathering_point(row), is_holder=True)
        return found

    def is_module(self, row: int) -> bool:
        """A module, or its dict: everybody knows that the program is in its modules."""
        node = self.nodes[row]
        return node.type == "module" or (
            node.text == "" and self.nodes[node.parent].type == "module"
        )

    def is_growing_root(self, row: int, grows: Callable[[Sequence[int]], bool]) -> bool:
        """Whether roots of one name hold more and more objects: nothing above them does."""
        return self.nodes[row].parent == _TOP and grows(self.nodes[row].counts)

    def _gathering_point(self, row: int) -> int:
        """The group below this one to which most of its growth goes."""
        if self.is_growing_root(row, lambda counts: counts[-1] > counts[0]):
            return row
        for _ in range(_MAX_STEPS_DOWN):
            node = self.nodes[row]
            best = max(node.children, key=lambda child: self.nodes[child].weight, default=None)
            if best is None or self.nodes[best].weight < PASS_ON_SHARE * node.weight:
                return self.first_link(row)
            child = self.nodes[best]
            is_item = child.text == ANY_KEY or child.text.startswith("[")
            if is_item and child.counts[-1] > child.counts[0]:
                return row  # the container grows by items: it is the holder
            row = best
        return row

    def first_link(self, row: int) -> int:
        """The first group of a linked list in place of a group far down in it; else the group."""
        chain = [row]
        while self.nodes[chain[-1]].parent != _TOP:
            chain.append(self.nodes[chain[-1]].parent)
        types = [self.nodes[link].type for link in reversed(chain)]
        commonest, links = Counter(types).most_common(1)[0]
        return list(reversed(chain))[types.index(commonest)] if links >= _MIN_LINKS else row

    def shown(self, row: int) -> int:
        """The group to show for another: the owner of a `__dict__` or of what has no name."""
        while self.nodes[row].text in ("", UNNAMED) and self.nodes[row].parent != _TOP:
            row = self.nodes[row].parent
        return row

    def expression(self, row: int) -> str:
        """How the objects of a group are reached, positions and keys as `[*]`."""
        parts: list[str] = []
        row = self.shown(row)
        while row != _TOP:
            parts.append(self.nodes[row].text)
            row = self.nodes[row].parent
        return "".join(reversed(parts))
