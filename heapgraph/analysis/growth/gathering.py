"""Where growth gathers: from the roots down to the groups that have most of it."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

import numpy as np

from heapgraph.analysis.growth.aligned_groups import TOP
from heapgraph.analysis.growth.path_texts import ANY_KEY

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from heapgraph.analysis.growth.holder_tree import HolderTree

PASS_ON_SHARE = 0.7
"""A group that owes this share of its growth to what it has by name is only on the way to that.
Eclipse MAT uses the same limit to find where memory accumulates."""

PART_SHARE = 0.1
"""Of the growth of an object that roots or a module have, this share makes a part of it a holder: a
service has its sessions in one attribute and its cache in another, and counters in many more."""


def growing(tree: HolderTree, limit: int | None = None) -> tuple[list[int], int]:
    """Rows of the groups where growth gathers, the most first; none lies below another.

    Args:
        tree: with its weights.
        limit: how many; None: all.

    Returns:
        At most `limit` rows, and how many more there are at least.

    Cost: a few microseconds for each group on the way to a holder.
    """
    limit = len(tree.parents) if limit is None else limit
    found: list[int] = []
    queue: list[tuple[int, int, bool]] = []

    def push(rows: NDArray[np.int64], *, is_holder: bool = False) -> None:
        rows = rows[tree.weights[rows] > 0]
        for row, weight in zip(rows.tolist(), tree.weights[rows].tolist(), strict=True):
            heapq.heappush(queue, (-weight, row, is_holder))

    push(tree.children(TOP))
    while queue and len(found) < limit:
        _, row, is_holder = heapq.heappop(queue)
        if is_holder:
            found.append(row)
        elif tree.is_module[row]:
            push(tree.children(row))
        else:
            push(np.array(_gathering_points(tree, row)), is_holder=True)
    left_out = 0
    while queue:  # whatever is no module becomes one holder, and seldom more
        _, row, is_holder = queue.pop()
        if is_holder or not tree.is_module[row]:
            left_out += 1
        else:
            push(tree.children(row))
    return found, left_out


def _gathering_points(tree: HolderTree, top: int) -> list[int]:
    """The groups below one to which most of its growth goes; itself where it grows by itself."""
    if tree.parents[top] == TOP and tree.has_more_objects(top):
        return [top]
    least = PART_SHARE * tree.weights[top]
    points: dict[int, None] = {}
    waiting = [top]
    while waiting:
        row = waiting.pop()
        parts = _parts(tree, row, least)
        waiting += parts
        if not parts:
            points[tree.first_link(row)] = None
    # The first link of a list may lie above what else there is.
    return [row for row in points if points.keys().isdisjoint(tree.chain(row)[:-1])]


def _parts(tree: HolderTree, row: int, least: float) -> list[int]:
    """The groups right below one that have most of its growth; none where it grows by itself.

    Added items are no parts of their container: it is the holder.

    Args:
        tree: all groups.
        row: the group.
        least: bytes; what grew by less is no part.
    """
    children = tree.children(row)
    children = children[tree.weights[children] > 0]
    # What fell beside them hides nothing: the growth is no less than that of all of them.
    growth = max(int(tree.weights[row]), int(tree.weights[children].sum()))
    share = PASS_ON_SHARE * growth
    children = children[tree.weights[children] >= max(least, PART_SHARE * growth)]
    parts = [child for child in children.tolist() if not _is_added_item(tree, child)]
    if not parts or tree.weights[parts].sum() < share:
        return []
    largest = max(parts, key=tree.weights.__getitem__)
    has_most = tree.weights[largest] >= share
    are_parts = {each: _is_part(tree, each, row) for each in parts}
    if has_most:
        return [each for each in parts if each == largest or are_parts[each]]
    return parts if all(are_parts.values()) else []


def _is_added_item(tree: HolderTree, row: int) -> bool:
    text = tree.text(row)
    return (text == ANY_KEY or text.startswith("[")) and tree.has_more_objects(row)


def _is_part(tree: HolderTree, row: int, above: int) -> bool:
    """Whether each object has one of these at most, and of another class than any above it.

    Of several it is a container, and a tree has its own class below it: these stay whole. That a
    dict is in a dict means nothing.
    """
    if tree.counts[-1, row] > tree.counts[-1, above]:
        return False
    name = tree.type_name(row)
    return "." not in name or name not in map(tree.type_name, tree.chain(above))
