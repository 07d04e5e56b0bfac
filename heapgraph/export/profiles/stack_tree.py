"""The dominator tree with alike objects laid over one another, small branches folded away.

Objects that hang below one group by the same name and have one type are one group:
`app.CACHE` -> `[*] (app.User)` -> `.history (list)`. So two snapshots of a program have the same
groups, and what millions of small objects hold together is seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from heapgraph.analysis.growth.numbering import number_texts
from heapgraph.export.profiles.step_names import step_names
from heapgraph.export.profiles.steps import Steps
from heapgraph.export.profiles.tree_arrays import TreeArrays
from heapgraph.graph.object_sets import sum_by_group
from heapgraph.native.key_numbers import number_keys

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from heapgraph.graph.heap_graph import HeapGraph

MAX_DEPTH = 128
"""Groups above one another; linked lists go on for millions."""

MIN_SIZE = 4096
"""Bytes: a branch that holds less belongs to what is above it. Not a share of the heap: while that
grew, more and more branches would seem to go."""

MAX_STACKS = 4000
"""Groups at most: the largest are kept."""


@dataclass(frozen=True)
class StackTree:
    """Groups of the tree, those above before those below; g groups.

    Attributes:
        parents: int64[g], the group above each; -1 for those that hang from the roots.
        names: g texts: what leads to each from the group above it.
        types: g qualified type names.
        examples: int64[g], an object of each.
        objects, sizes: int64[g], objects and bytes that go with each.
        reachable_objects, reachable_size: of the whole heap.
    """

    parents: NDArray[np.int64]
    names: list[str]
    types: list[str]
    examples: NDArray[np.int64]
    objects: NDArray[np.int64]
    sizes: NDArray[np.int64]
    reachable_objects: int
    reachable_size: int

    def own(self, values: NDArray[np.int64]) -> NDArray[np.int64]:
        """int64[g], what of `objects` or `sizes` is of no group below."""
        below = self.parents >= 0
        held = np.zeros(len(values), np.int64)
        np.add.at(held, self.parents[below], values[below])
        return values - held


def build_stack_tree(graph: HeapGraph, min_size: int = MIN_SIZE) -> StackTree:
    """Lay the dominator tree's alike objects over one another, from the top.

    A `__dict__` is a part of the object it belongs to, as in `heapgraph dominators`.

    Args:
        graph: the snapshot.
        min_size: bytes; smaller branches belong to what is above them.

    Returns:
        The groups, at most `MAX_STACKS`.

    Cost: the dominator tree and the paths, if they are not there yet; then some passes over the
        objects and references, 0.2 us an object.
    """
    step_rows, texts = step_names(graph)  # first: it needs much memory for a short time
    tree = TreeArrays(graph)
    level = _Level(tree, Steps(tree, step_rows, texts), max(1, min_size))
    objects = tree.children_of_roots()
    above = np.full(len(objects), -1, np.int64)
    columns: list[tuple[NDArray[np.int64], ...]] = []
    names: list[str] = []
    count = 0
    for _ in range(MAX_DEPTH):
        kept, rows = level.group(objects, above)
        columns.append(kept)
        names += level.names(kept)
        inside = rows >= 0
        places, children = tree.children(objects[inside])
        above = (rows[inside] + count)[places]
        objects = children
        count += len(kept[0])
        if not len(objects):
            break
    parents, types, examples, counts, sizes = map(np.concatenate, zip(*columns, strict=True))
    chosen = _largest(sizes)
    new_rows = np.full(len(sizes) + 1, -1, np.int64)  # the last is that of -1
    new_rows[chosen] = np.arange(len(chosen))
    return StackTree(
        parents=new_rows[parents[chosen]],
        names=[names[row] for row in chosen.tolist()],
        types=[level.types[row] for row in types[chosen].tolist()],
        examples=examples[chosen],
        objects=counts[chosen],
        sizes=sizes[chosen],
        reachable_objects=tree.reachable_objects,
        reachable_size=tree.reachable_size,
    )


def _largest(sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Rows of the largest groups, rising.

    None is smaller than what is below it, and it comes first: what is above a chosen one is chosen.
    """
    return np.sort(np.argsort(-sizes, kind="stable")[:MAX_STACKS])


class _Level:
    """Groups objects that hang below the same group by the same name."""

    def __init__(self, tree: TreeArrays, steps: Steps, least: int) -> None:
        self._tree = tree
        self._steps = steps
        self._least = least
        types: dict[str, int] = {}
        self._rows_of_types = number_texts(tree.graph.type_names, types)
        self.types = list(types)

    def group(
        self, objects: NDArray[np.int64], above: NDArray[np.int64]
    ) -> tuple[tuple[NDArray[np.int64], ...], NDArray[np.int64]]:
        """The large groups of some objects, given the group above each.

        Returns:
            Columns of the groups: group above, type, example, objects, bytes; and int64[k], the
            group of each object among these, -1 for small ones.
        """
        keyed = self._steps.between(objects)
        keyed *= max(1, len(self.types))
        keyed += self._types_of(objects)
        pairs, keyed = number_keys(keyed)
        keyed += (above + 1) * max(1, len(pairs))
        keys, rows = number_keys(keyed)
        del keyed  # of a level with most objects each of these is large
        sizes = sum_by_group(rows, self._tree.sizes[objects], len(keys))
        counts = sum_by_group(rows, self._tree.counts[objects], len(keys))
        examples = np.zeros(len(keys), np.int64)
        examples[rows[::-1]] = objects[::-1]  # the last that is written stays
        large = np.flatnonzero(sizes >= self._least)
        row_of_key = np.full(len(keys), -1, np.int64)
        row_of_key[large] = np.arange(len(large))
        columns = (
            keys[large] // max(1, len(pairs)) - 1,
            self._types_of(examples[large]),
            examples[large],
            counts[large].astype(np.int64),
            sizes[large].astype(np.int64),
        )
        return columns, row_of_key[rows]

    def _types_of(self, objects: NDArray[np.int64]) -> NDArray[np.int64]:
        rows: NDArray[np.int64] = self._rows_of_types[self._tree.graph.type_ids[objects]]
        return rows

    def names(self, columns: tuple[NDArray[np.int64], ...]) -> list[str]:
        """What leads to each group from the one above it."""
        return [self._steps.text(example) for example in columns[2].tolist()]
