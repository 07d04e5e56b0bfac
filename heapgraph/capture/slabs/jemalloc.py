"""The blocks that each jemalloc of a process has in use: 5.3 and later, 64 bits, pages of 4 KiB.

It may be preloaded, or built into a library (polars, DuckDB, Arrow). Symbols are not needed; a
version with other structs is not recognised.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from heapgraph.capture.slabs.jemalloc_extents import to_slabs
from heapgraph.capture.slabs.jemalloc_tree import TREES, all_records, find_root

if TYPE_CHECKING:
    from collections.abc import Sequence

    from heapgraph.capture.process.libraries import LibraryData
    from heapgraph.capture.slabs.private_memory import PrivateMemory
    from heapgraph.capture.slabs.slabs import Slabs

_MOST_DATA = 64 << 20
"""Bytes of variables of a library: the root is not looked for in more."""


def find_jemalloc(memory: PrivateMemory, libraries: Sequence[LibraryData]) -> list[Slabs]:
    """Find the blocks of each jemalloc of a process.

    Args:
        memory: that nothing else claims.
        libraries: the data of libraries.

    Returns:
        One for each library that brings a jemalloc whose tree is found and makes sense.

    Cost: 5 ms for each library with 2 MiB of variables in a row; then 0.5 us for each extent.
    """
    found: list[Slabs] = []
    if not len(memory.pages):
        return found
    for data in libraries:
        if TREES[-1].root_bytes <= data.size <= _MOST_DATA:
            slabs = _slabs_of(memory, data)
            if slabs is not None:
                found.append(slabs)
    return found


def _slabs_of(memory: PrivateMemory, data: LibraryData) -> Slabs | None:
    for tree in TREES:
        root = find_root(memory, data, tree) if data.size >= tree.root_bytes else 0
        if root:
            records = all_records(memory, tree, root)
            return None if records is None else to_slabs(memory, records, data.library)
    return None
