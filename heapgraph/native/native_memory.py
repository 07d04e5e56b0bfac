"""Who owns the memory of C code, as the compiled walker finds out."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from heapgraph.native.walker_library import check, walker_library
from heapgraph.native.walker_structs import AddressRange, NativeMemory, NativePlaces, NativeRow

if TYPE_CHECKING:
    from heapgraph.native.heap_walker import HeapWalker

Array: TypeAlias = npt.NDArray[Any]


@dataclass(frozen=True)
class Places:
    """Where memory of C code is, and what may lead to it: int64[n, 2] each, (start, end) of ranges.

    Attributes:
        heaps: of glibc's malloc, from the header of the first chunk on.
        chunks: those that have a mapping of their own.
        resident: what of these is in memory.
        libraries: variables of libraries and of the interpreter.
        stacks: stacks, and private memory that nothing is known of.
    """

    heaps: Array
    chunks: Array
    resident: Array
    libraries: Array
    stacks: Array


@dataclass(frozen=True)
class NativeRows:
    """Memory of C code by its owners; parallel arrays but `owners`.

    Attributes:
        rows: a structured array with the fields of `NativeRow`, see native/walker/api/walker.h.
        owners: uint64, ids of objects, or addresses of words.
        chunks, edges: how many were looked at.
        is_left_out: there were more than there is memory for; no rows.
    """

    rows: Array
    owners: Array
    chunks: int
    edges: int
    is_left_out: bool


def find_owners(walker: HeapWalker, places: Places, most_bytes: int) -> NativeRows:
    """Find out who owns the memory of C code; the columns are made, and nothing is forgotten yet.

    Args:
        walker: of the heap.
        places: where to look.
        most_bytes: of tables that may be made for it.

    Raises:
        CaptureInterrupted: memory is short.

    Cost: the memory is read twice, 0.3 s per GiB each, and some 20 bytes a chunk and 6 a pointer.
    """
    ranges = {name: np.ascontiguousarray(value, np.uint64) for name, value in vars(places).items()}
    given = NativePlaces(most_bytes=most_bytes)
    for name, count in (
        ("heaps", "heap_count"),
        ("chunks", "chunk_count"),
        ("resident", "resident_count"),
        ("libraries", "library_count"),
        ("stacks", "stack_count"),
    ):
        pointer = ranges[name].ctypes.data_as(ctypes.POINTER(AddressRange))
        setattr(given, name, pointer)
        setattr(given, count, len(ranges[name]))
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
        bool(found.is_left_out),
    )


def _copied(first: Any, count: int, dtype: np.dtype[Any]) -> Array:  # noqa: ANN401  # pointers share no type
    if not count:
        return np.empty(0, dtype)
    size = count * dtype.itemsize
    text = ctypes.string_at(ctypes.addressof(first.contents), size)
    return np.frombuffer(text, dtype)
