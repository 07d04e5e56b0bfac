"""The dominator tree as it is unfolded: nodes, and the lines they make."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from heapgraph.model import VIRTUAL_ROOT

if TYPE_CHECKING:
    from heapgraph.graph.heap_graph import HeapGraph
    from heapgraph.native.graph_kernels import U32, U64
    from heapgraph.tui.cells import Row

FIRST_CHILDREN = 50
"""Children shown at once; "N more" shows as many again, ten times as many each time after."""

ORDERS = ("retained", "shallow", "type")


@dataclass(eq=False)
class Node:
    """An object or a group in the tree.

    Attributes:
        object_id: the object; None for a group and for the top.
        depth: 0 for children of the top; -1 for the top.
        parent: the node above; None for the top.
        label: name of a group.
        members: uint32[k], objects of a group.
        retained_size: bytes.
        children: uint32[k], in order; None until they were asked for.
        sizes: uint64[k], their retained sizes.
        shown: how many of them have lines.
        is_open: whether they are shown.
        row: its line as it was worded last; None when that has changed.
    """

    object_id: int | None
    depth: int
    parent: Node | None = None
    label: str = ""
    members: U32 | None = None
    retained_size: int = 0
    children: U32 | None = None
    sizes: U64 | None = None
    shown: int = 0
    is_open: bool = False
    row: Row | None = None

    @property
    def is_group(self) -> bool:
        """Whether it stands for several objects."""
        return self.members is not None

    @property
    def hidden_count(self) -> int:
        """Children without a line."""
        return 0 if self.children is None else len(self.children) - self.shown

    @property
    def hidden_size(self) -> int:
        """Bytes that the children without a line retain."""
        return 0 if self.sizes is None else int(self.sizes[self.shown :].sum())


@dataclass(frozen=True)
class MoreLine:
    """The line that stands for the children of a node that have none."""

    node: Node


Line = Node | MoreLine


class TreeSource:
    """Children and sizes, folded or raw.

    Args:
        graph: the snapshot.
        raw: show each `__dict__` apart.
        order: one of ORDERS.
    """

    def __init__(self, graph: HeapGraph, *, raw: bool, order: str) -> None:
        """Compute nothing."""
        self.graph = graph
        self.raw = raw
        self.order = order

    def children(self, object_id: int | None) -> tuple[U32, U64]:
        """What an object (None: the roots together) immediately dominates, and retained sizes."""
        top = VIRTUAL_ROOT if object_id is None else object_id
        if self.raw:
            ids = self.graph.dominators.unsorted_children(top)
        else:
            ids = self.graph.folded.unsorted_children(top)
        return self.sort(ids)

    def sort(self, ids: U32) -> tuple[U32, U64]:
        """Objects in this source's order, and their retained sizes."""
        sizes = self._retained(ids)
        keys: list[np.ndarray[Any, np.dtype[Any]]] = [ids, ~sizes]
        if self.order == "shallow":
            keys.append(~self.graph.shallow_sizes[ids])
        elif self.order == "type":
            keys.append(self._type_ranks()[self.graph.type_ids[ids]])
        places = np.lexsort(keys)
        return ids[places], sizes[places]

    def has_children(self, node: Node) -> bool:
        """Whether there is anything below a node."""
        if node.is_group or node.object_id is None:
            return True
        below = len(self.graph.dominators.unsorted_children(node.object_id))
        if self.raw or below > 1:  # of several children not all are folded dicts
            return below > 0
        return len(self.graph.folded.unsorted_children(node.object_id)) > 0

    def _retained(self, ids: U32) -> U64:
        if self.raw:
            sizes: U64 = self.graph.dominators.retained_sizes[ids]
            return sizes
        return self.graph.folded.retained_sizes(ids)

    def _type_ranks(self) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        names = np.array(self.graph.type_names)
        ranks = np.empty(len(names), np.int64)
        ranks[np.argsort(names, kind="stable")] = np.arange(len(names))
        return ranks


def open_node(source: TreeSource, node: Node) -> list[Line]:
    """Show the children of a node; returns the lines that stand below it now."""
    if node.children is None:
        if node.members is not None:
            node.children, node.sizes = source.sort(node.members)
        else:
            node.children, node.sizes = source.children(node.object_id)
    node.is_open = True
    node.row = None
    node.shown = 0
    return show_more(node)


def show_more(node: Node) -> list[Line]:
    """Give lines to more of a node's children; returns the new lines, "N more" last."""
    if node.children is None or node.sizes is None:
        return []
    begin = node.shown
    end = min(len(node.children), FIRST_CHILDREN if begin == 0 else begin * 10)
    node.shown = end
    pairs = zip(node.children[begin:end].tolist(), node.sizes[begin:end].tolist(), strict=True)
    lines: list[Line] = [
        Node(child, node.depth + 1, node, retained_size=size) for child, size in pairs
    ]
    if node.hidden_count:
        lines.append(MoreLine(node))
    return lines
