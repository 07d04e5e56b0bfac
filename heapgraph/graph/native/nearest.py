"""Blocks of C code counted once each, for the owner that is nearest to the roots: estimates.

What goes with an object is another question: see `native.sizes`. This one has an answer for blocks
that objects without a common dominator share, and counts them as objects are by their paths.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from heapgraph.graph.native.sizes import owners_by_group
from heapgraph.graph.object_sets import sum_by_group

if TYPE_CHECKING:
    from heapgraph.graph.heap_graph import HeapGraph
    from heapgraph.native.graph_kernels import U32, U64


@dataclass(frozen=True)
class NativeOwned:
    """Which object each group of blocks counts for; parallel arrays.

    Attributes:
        objects: uint32[groups], ids, each as often as it is the nearest owner of a group.
        sizes: uint64[groups], bytes.
    """

    objects: U32
    sizes: U64

    @property
    def size(self) -> int:
        """Bytes of all blocks that objects lead to."""
        return int(self.sizes.sum())

    def by_type(self, graph: HeapGraph) -> U64:
        """uint64[types], bytes that objects of each type own."""
        return sum_by_group(graph.type_ids[self.objects], self.sizes, len(graph.type_names))

    def of_each(self, graph: HeapGraph) -> U64:
        """uint64[n], bytes that each object owns."""
        return sum_by_group(self.objects, self.sizes, graph.object_count)


def nearest_owners(graph: HeapGraph) -> NativeOwned:
    """The owner of each group of blocks that its path reaches first; of garbage the first one.

    Args:
        graph: of the objects.

    Cost: the root paths where objects share blocks, once, and four bytes an object meanwhile.
    """
    groups = owners_by_group(graph.native)
    if groups is None:
        return NativeOwned(np.empty(0, np.uint32), np.empty(0, np.uint64))
    if len(groups.objects) == len(groups.sizes):
        return NativeOwned(groups.objects, groups.sizes)
    order = graph.root_paths.order
    ranks = np.full(graph.object_count, len(order), np.uint32)
    ranks[order] = np.arange(len(order), dtype=np.uint32)
    by_rank = np.lexsort((ranks[groups.objects], groups.numbers))
    # A group keeps its run: the nearest of its owners comes to its begin.
    return NativeOwned(groups.objects[by_rank][groups.starts[:-1]], groups.sizes)


def knows_native(graph: HeapGraph) -> bool:
    """Whether the snapshot says who leads to memory of C code.

    It does not where the file is older than that, no allocator was read, or the blocks were too
    many: then nothing of it can be compared with another snapshot's.
    """
    record = graph.manifest.get("native", {})
    if record.get("left_out"):
        return False
    return bool(record.get("chunks")) or len(graph.native.objects) > 0
