"""The structs of native/walker/api/walker.h, which says what their members mean.

Tests compare the two: names, order and types of the members.
"""

from __future__ import annotations

import ctypes
from enum import IntEnum

_U8, _U32, _U64, _I64 = ctypes.c_uint8, ctypes.c_uint32, ctypes.c_uint64, ctypes.c_int64
_BYTES = ctypes.POINTER(ctypes.c_uint8)
_HALVES = ctypes.POINTER(ctypes.c_uint16)
_INTS = ctypes.POINTER(ctypes.c_uint32)
_WORDS = ctypes.POINTER(ctypes.c_uint64)

ABSENT = -1
"""What the walker takes for the offset of a field that a version does not have."""


class WalkerStatus(IntEnum):
    """`hg_walker_status`: how a call went."""

    OK = 0
    OUT_OF_MEMORY = 1
    UNKNOWN_READER = 2
    UNKNOWN_BUFFER_COUNT = 3
    NO_SUCH_ROW = 4
    FAILED = 5


class AddressRange(ctypes.Structure):
    """`hg_range`."""

    _fields_ = (("start", _U64), ("end", _U64))


class PieceOfFile(ctypes.Structure):
    """`hg_file_piece`; everywhere else it is a `FilePiece`."""

    _fields_ = (
        ("start", _U64),
        ("size", _U64),
        ("descriptor", _U64),
        ("offset", _U64),
        ("in_file", _U64),
    )


class BudgetNumbers(ctypes.Structure):
    """`hg_walk_budget`; everywhere else it is a `WalkBudget`."""

    _fields_ = (
        ("objects", _U64),
        ("references", _U64),
        ("table_bytes", _U64),
        ("image_bytes", _U64),
    )


class WalkCounts(ctypes.Structure):
    """`hg_walk_counts`."""

    _fields_ = (
        ("objects", _U64),
        ("references", _U64),
        ("gc_tracked", _U64),
        ("gc_frozen", _U64),
        ("list_breaks", _U64),
        ("invalid_references", _U64),
        ("traversed", _U64),
        ("names", _U64),
        ("types", _U64),
        ("bytes_read", _U64),
        ("bytes_unreadable", _U64),
        ("shared_tables", _U64),
        ("left_out", _U64),
        ("done_again", _U64),
    )


class FieldRule(ctypes.Structure):
    """`hg_field_rule`: a word that holds a reference."""

    _fields_ = (("offset", _I64), ("name", _U32), ("kind", _U8), ("flags", _U8))


class BufferRule(ctypes.Structure):
    """`hg_buffer_rule`: memory outside of an object that it alone owns."""

    _fields_ = (
        ("pointer", _I64),
        ("count", _I64),
        ("item_size", _I64),
        ("flag", _I64),
        ("how", _U8),
        ("in_getsizeof", _U8),
    )


class BlockRule(ctypes.Structure):
    """`hg_block_rule`: blocks of memory that an object leads to."""

    _fields_ = (
        ("depth", _U8),
        ("raw_depth", _U8),
        ("contents", _U8),
        ("reference_depth", _U8),
    )


class TypeRule(ctypes.Structure):
    """`hg_type_rule`: how the objects of a type are read."""

    _fields_ = (
        ("type_name", ctypes.c_char_p),
        ("reader", ctypes.c_char_p),
        ("scan_from", _I64),
        ("fields", ctypes.POINTER(FieldRule)),
        ("field_count", _U64),
        ("buffers", ctypes.POINTER(BufferRule)),
        ("buffer_count", _U64),
        ("blocks", BlockRule),
        ("borrowed", ctypes.c_void_p),
        ("borrowed_count", _U64),
    )


class TraverseJob(ctypes.Structure):
    """`hg_traverse_job`."""

    _fields_ = (("object", _U64), ("function", _U64))


class TraverseVisits(ctypes.Structure):
    """`hg_visits`."""

    _fields_ = (
        ("objects", _WORDS),
        ("ends", _WORDS),
        ("object_count", _U64),
        ("targets", _WORDS),
    )


class TypeFacts(ctypes.Structure):
    """`hg_type`."""

    _fields_ = (
        ("address", _U64),
        ("basicsize", _I64),
        ("itemsize", _I64),
        ("flags", _U64),
        ("traversed", _U64),
        ("disagreements", _U64),
        ("tp_name", ctypes.c_char_p),
        ("reader", ctypes.c_char_p),
        ("is_python_class", _U8),
        ("knows_fields", _U8),
    )


class ColumnPointers(ctypes.Structure):
    """`hg_columns`: where the columns are, and how many rows they have."""

    _fields_ = (
        ("object_count", _U64),
        ("reference_count", _U64),
        ("preview_bytes", _U64),
        ("address", _WORDS),
        ("type", _HALVES),
        ("shallow_size", _HALVES),
        ("getsizeof", _HALVES),
        ("refcount", _HALVES),
        ("flags", _HALVES),
        ("age", _BYTES),
        ("age_part", _BYTES),
        ("out_degree", _HALVES),
        ("counted_in", _INTS),
        ("preview_size", _BYTES),
        ("previews", _BYTES),
        ("target", _INTS),
        ("label", _INTS),
        ("kind", _BYTES),
        ("edge_flags", _BYTES),
    )


class LargeValue(ctypes.Structure):
    """`hg_large_value`."""

    _fields_ = (("row", _U64), ("value", _U64))


class LargeColumn(ctypes.Structure):
    """`hg_large_column`."""

    _fields_ = (("values", ctypes.POINTER(LargeValue)), ("count", _U64))


class LargeValues(ctypes.Structure):
    """`hg_large_values`: what lies beside the narrow columns."""

    _fields_ = (
        ("type", LargeColumn),
        ("shallow_size", LargeColumn),
        ("getsizeof", LargeColumn),
        ("refcount", LargeColumn),
        ("out_degree", LargeColumn),
        ("preview_size", LargeColumn),
    )


class ChunkTotals(ctypes.Structure):
    """`hg_chunk_totals`."""

    _fields_ = (
        ("next", _U64),
        ("used_chunks", _U64),
        ("used_bytes", _U64),
        ("free_chunks", _U64),
    )


_RANGES = ctypes.POINTER(AddressRange)


class Slab(ctypes.Structure):
    """`hg_slab`."""

    _fields_ = (
        ("start", _U64),
        ("size", _U64),
        ("count", ctypes.c_uint32),
        ("source", ctypes.c_uint32),
    )


class NativePlaces(ctypes.Structure):
    """`hg_native_places`."""

    _fields_ = (
        ("heaps", _RANGES),
        ("heap_count", _U64),
        ("chunks", _RANGES),
        ("chunk_count", _U64),
        ("pools", _WORDS),
        ("block_sizes", _INTS),
        ("pool_count", _U64),
        ("pool_size", _U64),
        ("pool_bytes", _U64),
        ("resident", _RANGES),
        ("resident_count", _U64),
        ("libraries", _RANGES),
        ("library_count", _U64),
        ("stacks", _RANGES),
        ("stack_count", _U64),
        ("slabs", ctypes.POINTER(Slab)),
        ("slab_count", _U64),
        ("slab_words", _WORDS),
        ("slab_word_count", _U64),
        ("most_bytes", _U64),
    )


class NativeRow(ctypes.Structure):
    """`hg_native_row`."""

    _fields_ = (
        ("bytes", _U64),
        ("blocks", _U64),
        ("first", _U64),
        ("count", _U64),
        ("kind", _U8),
        ("grade", _U8),
    )


class NativeMemory(ctypes.Structure):
    """`hg_native_memory`."""

    _fields_ = (
        ("rows", ctypes.POINTER(NativeRow)),
        ("row_count", _U64),
        ("owners", _WORDS),
        ("owner_count", _U64),
        ("chunks", _U64),
        ("edges", _U64),
        ("small_bytes", _U64),
        ("is_left_out", _U8),
    )


WALKER_STRUCTS: dict[str, type[ctypes.Structure]] = {
    "hg_range": AddressRange,
    "hg_file_piece": PieceOfFile,
    "hg_walk_budget": BudgetNumbers,
    "hg_walk_counts": WalkCounts,
    "hg_field_rule": FieldRule,
    "hg_buffer_rule": BufferRule,
    "hg_block_rule": BlockRule,
    "hg_type_rule": TypeRule,
    "hg_traverse_job": TraverseJob,
    "hg_visits": TraverseVisits,
    "hg_type": TypeFacts,
    "hg_columns": ColumnPointers,
    "hg_large_value": LargeValue,
    "hg_large_column": LargeColumn,
    "hg_large_values": LargeValues,
    "hg_chunk_totals": ChunkTotals,
    "hg_slab": Slab,
    "hg_native_places": NativePlaces,
    "hg_native_row": NativeRow,
    "hg_native_memory": NativeMemory,
}
