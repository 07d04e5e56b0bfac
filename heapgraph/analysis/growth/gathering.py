"""Where growth gathers: from the roots down to the groups that have most of it."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

from heapgraph.analysis.growth.aligned_groups import TOP
from heapgraph.analysis.growth.path_texts import ANY_KEY

if TYPE_CHECKING:
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

    Cost: some 60 us for each holder.
    """
    limit = len(tree.parents) if limit is None else limit
    found: list[int] = []
    queue = [(-int(tree.weights[row]), row, False) for row in _tops(tree)]
    heapq.heapify(queue)
    while queue and len(found) < limit:
        _, row, is_holder = heapq.heappop(queue)
        if is_holder:
            found.append(row)
            continue
        for point in _gathering_points(tree, row):
            if tree.weights[point] > 0:
                heapq.heappush(queue, (-int(tree.weights[point]), point, True))
    return found, len(queue)  # whatever is left becomes one holder, and seldom more


def _tops(tree: HolderTree) -> list[int]:
    """Groups that grew, right below roots and modules, or below what became smaller.

    A module is never a holder, and what fell as a whole hides nothing that it has by name: a
    service may have emptied its cache while its listeners leak.
    """
    found: list[int] = []
    waiting = [TOP]
    while waiting:
        row = waiting.pop()
        is_module = row == TOP or bool(tree.is_module[row])
        least = 0.0 if is_module else PART_SHARE * tree.gross[row]
        children = tree.children(row)
        for child in children[tree.gross[children] > least].tolist():
            if not is_module and not _is_part(tree, child, row):
                continue
            if tree.is_module[child]:
                waiting.append(child)
            elif tree.weights[child] > least:
                found.append(child)
            elif tree.weights[child] <= 0 and not tree.is_frame[child]:
                waiting.append(child)
    return found


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
    children = tree.children(row).tolist()
    weights = dict(zip(children, tree.weights[children].tolist(), strict=True))
    # What fell beside them hides nothing: the growth is no less than that of all of them.
    growth = max(int(tree.weights[row]), sum(weight for weight in weights.values() if weight > 0))
    share, least = PASS_ON_SHARE * growth, max(least, PART_SHARE * growth)
    large = (child for child in children if weights[child] >= least)
    parts = [child for child in large if not _is_added_item(tree, child)]
    if sum(weights[each] for each in parts) < share:
        return []
    largest = max(parts, key=weights.__getitem__)
    others = [each for each in parts if each != largest]
    if weights[largest] >= share:
        return [largest, *(each for each in others if _is_part(tree, each, row))]
    return parts if all(_is_part(tree, each, row) for each in parts) else []


def _is_added_item(tree: HolderTree, row: int) -> bool:
    text = tree.text(row)
    return (text == ANY_KEY or text.startswith("[")) and tree.has_more_objects(row)


def _is_part(tree: HolderTree, row: int, above: int) -> bool:
    """Whether each object has one of these at most, and of another class than any above it.

    Of several it is a container, and a tree has its own class below it: these stay whole. That a
    dict is in a dict means nothing.
    """
    if tree.counts[-1, row] > tree.counts[-1, above] or _is_added_item(tree, row):
        return False
    name = tree.type_name(row)
    return "." not in name or name not in map(tree.type_name, tree.chain(above))
