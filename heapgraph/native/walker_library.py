"""The compiled walker's functions, arguments and columns (native/walker: c_api, allocators)."""

from __future__ import annotations

import ctypes
import functools
from typing import TYPE_CHECKING, Any

from heapgraph.native.library import load

if TYPE_CHECKING:
    from collections.abc import Mapping

_POINTER = ctypes.c_void_p
_U64 = ctypes.c_uint64
_SIGNATURES: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "hg_layout_field_count": (_U64, ()),
    "hg_layout_field_name": (ctypes.c_char_p, (_U64,)),
    "hg_walker_new": (_POINTER, (_POINTER, _U64, _POINTER, _POINTER, _U64, _POINTER)),
    "hg_walker_free": (None, (_POINTER,)),
    "hg_walker_name": (ctypes.c_uint32, (_POINTER, ctypes.c_char_p)),
    "hg_walker_add_rule": (
        ctypes.c_int,
        (_POINTER, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_int64, *(_POINTER,) * 4, _U64),
    ),
    "hg_walker_add_buffer": (
        ctypes.c_int,
        (
            _POINTER,
            ctypes.c_char_p,
            *(ctypes.c_int64,) * 2,
            ctypes.c_int,
            *(ctypes.c_int64,) * 2,
            ctypes.c_int,
        ),
    ),
    "hg_walker_set_blocks": (
        ctypes.c_int,
        (_POINTER, ctypes.c_char_p, *(ctypes.c_int,) * 4),
    ),
    "hg_walker_load": (ctypes.c_int, (_POINTER, _U64, _U64)),
    "hg_walker_read_gc_lists": (ctypes.c_int, (_POINTER, _POINTER, _U64)),
    "hg_walker_set_running_frames": (ctypes.c_int, (_POINTER, _POINTER, _U64)),
    "hg_walker_discover": (ctypes.c_int, (_POINTER, _POINTER, _U64)),
    "hg_walker_scan_range": (_U64, (_POINTER, _U64, _U64, _POINTER, _POINTER, _U64)),
    "hg_walker_to_traverse": (_U64, (_POINTER, ctypes.c_int, _POINTER, _U64)),
    "hg_walker_traversed": (
        ctypes.c_int,
        (_POINTER, ctypes.c_int, _POINTER, _POINTER, _U64, _POINTER),
    ),
    "hg_walker_emit": (ctypes.c_int, (_POINTER, _POINTER, _POINTER, _U64)),
    "hg_walker_gather": (None, (_POINTER, _POINTER, _U64, _U64, _POINTER)),
    "hg_walker_chunks": (None, (_POINTER, _U64, _U64, _POINTER, _POINTER, _U64, _POINTER)),
    "hg_walker_set_budget": (ctypes.c_int, (*(_POINTER,) * 4, _U64)),
    "hg_walker_forget_memory": (None, (_POINTER,)),
    "hg_walker_complete": (ctypes.c_int, (_POINTER,)),
    "hg_walker_forget_counted_in": (None, (_POINTER,)),
    "hg_walker_addresses": (None, (_POINTER, _POINTER, _U64, _POINTER)),
    "hg_walker_large_values": (_U64, (_POINTER, _U64, _POINTER)),
    "hg_walker_progress": (_U64, (_POINTER,)),
    "hg_walker_counts": (None, (_POINTER, _POINTER)),
    "hg_walker_columns": (None, (_POINTER, _POINTER)),
    "hg_walker_preview_bytes": (_U64, (_POINTER,)),
    "hg_walker_name_text": (ctypes.c_char_p, (_POINTER, _U64)),
    "hg_walker_type_reader": (ctypes.c_char_p, (_POINTER, _U64)),
    "hg_walker_type": (ctypes.c_char_p, (_POINTER, _U64, _POINTER)),
}

COLUMNS: tuple[tuple[str, str, str], ...] = (
    ("address", "objects", "u8"),
    ("type", "objects", "u2"),
    ("shallow_size", "objects", "u2"),
    ("getsizeof", "objects", "u2"),
    ("refcount", "objects", "u2"),
    ("flags", "objects", "u2"),
    ("out_degree", "objects", "u2"),
    ("counted_in", "objects", "u4"),
    ("preview_size", "objects", "u1"),
    ("previews", "preview_bytes", "u1"),
    ("target", "references", "u4"),
    ("label", "references", "u4"),
    ("kind", "references", "u1"),
    ("edge_flags", "references", "u1"),
)
"""In the order of hg_walker_columns: name, what there is one of in a row, numpy's type code."""

WIDE: Mapping[str, str] = {
    "type": "u4",
    "shallow_size": "u8",
    "getsizeof": "u8",
    "refcount": "i8",
    "out_degree": "u4",
    "preview_size": "u2",
}
"""What narrow columns become when a value has no room in them nor in 32 bits."""

LATE_COLUMNS = {"address", "counted_in", *WIDE} - {"type"}
"""Made by hg_walker_complete, or copied where a value has no room, as it is in nearly every heap:
while the copy of the memory is there, that would be the peak of the whole dump."""

COUNT_NAMES = (
    "objects",
    "references",
    "gc_tracked",
    "list_breaks",
    "invalid_references",
    "traversed",
    "names",
    "types",
    "bytes_read",
    "bytes_unreadable",
    "shared_tables",
    "left_out",
)
"""In the order of hg_walker_counts."""


@functools.cache
def walker_library() -> ctypes.CDLL:
    """The compiled walker with its signatures; loaded once."""
    library = load("walker")
    for name, (result, arguments) in _SIGNATURES.items():
        function = getattr(library, name)
        function.restype = result
        function.argtypes = arguments
    return library
