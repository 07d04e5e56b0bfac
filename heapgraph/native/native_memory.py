"""Who owns the memory of C code, as the compiled walker finds out."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from heapgraph.native.walker_library import check, walker_library
from heapgraph.native.walker_structs import (
    AddressRange,
    NativeMemory,
    NativePlaces,
    NativeRow,
    Slab,
)

if TYPE_CHECKING:
    from heapgraph.native.heap_walker import HeapWalker

Array: TypeAlias = npt.NDArray[Any]


@dataclass(frozen=True)
class Places:
    """Where memory of C code is, and what may lead to it.

    Attributes but `pools` and `slabs` are int64[n, 2], (start, end) of ranges.

    Attributes:
        heaps: of glibc's malloc, from the header of the first chunk on.
        chunks: those that have a mapping of their own.
        pools: of CPython's own allocator: addresses, sizes of their blocks, bytes of a pool.
        pool_bytes: in use in the pools: where objects explain these, no block is looked for there;
            0: they are looked at in any case.
        slabs: of other allocators: address, bytes of a block, blocks and number of the allocator of
            each slab, by address; and the bits of blocks in use, in words of its own for each.
        resident: what of heaps, chunks and slabs is in memory.
        libraries: variables of libraries and of the interpreter.
        stacks: stacks, and private memory that nothing is known of.
    """

    heaps: Array
    chunks: Array
    pools: tuple[Array, Array, int]
    pool_bytes: int
    slabs: tuple[Array, Array, Array, Array, Array]
    resident: Array
    libraries: Array
    stacks: Array


@dataclass(frozen=True)
class NativeRows:
    """Memory of C code by its owners; parallel arrays but `owners`.

    Attributes:
        rows: a structured array with the fields of `hg_native_row`.
        owners: uint64, ids of objects, or addresses of words.
        chunks, edges: how many were looked at.
        small_bytes: of the bytes of all rows, those of blocks in pools.
        is_left_out: there were more than there is memory for; no rows.
    """

    rows: Array
    owners: Array
    chunks: int
    edges: int
    small_bytes: int
    is_left_out: bool


def find_owners(walker: HeapWalker, places: Places, most_bytes: int) -> NativeRows:
    """Find out who owns the memory of C code; the columns are made, and nothing is forgotten yet.

    Args:
        walker: of the heap.
        places: where to look.
        most_bytes: of tables that may be made for it.

    Raises:
        CaptureInterrupted: memory is short.

    Cost: the memory is read once, on up to four threads, beside the time that its chunks are
        followed for the account of memory: 1 s of processor time for three million chunks with ten
        million pointers. 9 bytes a chunk and 2 to 3 a pointer; 12 more of each chunk that several
        sources lead to.
    """
    starts, sizes, pool_size = places.pools
    starts, sizes = np.ascontiguousarray(starts, np.uint64), np.ascontiguousarray(sizes, np.uint32)
    given = NativePlaces(
        pools=starts.ctypes.data_as(ctypes.POINTER(ctypes.c_uint64)),
        block_sizes=sizes.ctypes.data_as(ctypes.POINTER(ctypes.c_uint32)),
        pool_count=len(starts),
        pool_size=pool_size,
        pool_bytes=places.pool_bytes,
        most_bytes=most_bytes,
    )
    slabs = np.empty(len(places.slabs[0]), np.dtype(Slab))
    for name, column in zip(("start", "size", "count", "source"), places.slabs, strict=False):
        slabs[name] = column
    words = np.ascontiguousarray(places.slabs[-1], np.uint64)
    given.slabs, given.slab_count = slabs.ctypes.data_as(ctypes.POINTER(Slab)), len(slabs)
    given.slab_words = words.ctypes.data_as(ctypes.POINTER(ctypes.c_uint64))
    given.slab_word_count = len(words)
    kept = []  # as long as they are looked at
    for name, count in (
        ("heaps", "heap_count"),
        ("chunks", "chunk_count"),
        ("resident", "resident_count"),
        ("libraries", "library_count"),
        ("stacks", "stack_count"),
    ):
        ranges = np.ascontiguousarray(getattr(places, name), np.uint64)
        kept.append(ranges)
        setattr(given, name, ranges.ctypes.data_as(ctypes.POINTER(AddressRange)))
        setattr(given, count, len(ranges))
    found = NativeMemory()
    status = walker_library().hg_walker_native(
        walker.handle, ctypes.byref(given), ctypes.byref(found)
    )
    check(status, "looking for the owners of native memory")
    return NativeRows(
        _copied(found.rows, found.row_count, np.dtype(NativeRow)),
        _copied(found.owners, found.owner_count, np.dtype(np.uint64)),
        int(found.chunks),
        int(found.edges),
        int(found.small_bytes),
        bool(found.is_left_out),
    )


def _copied(first: Any, count: int, dtype: np.dtype[Any]) -> Array:  # noqa: ANN401  # pointers share no type
    if not count:
        return np.empty(0, dtype)
    size = count * dtype.itemsize
    text = ctypes.string_at(ctypes.addressof(first.contents), size)
    return np.frombuffer(text, dtype)
