"""The compiled walker's functions, as native/walker/api/walker.h has them, and its statuses."""

from __future__ import annotations

import ctypes
import functools
from typing import Any

from heapgraph.errors import CaptureInterrupted
from heapgraph.native.library import Interface, load_interface
from heapgraph.native.walker_structs import WALKER_STRUCTS, AddressRange, WalkerStatus

_POINTER = ctypes.c_void_p
_STATUS = ctypes.c_int
_U64 = ctypes.c_uint64
_FUNCTIONS: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "hg_walker_version": (ctypes.c_int, ()),
    "hg_layout_field_count": (_U64, ()),
    "hg_layout_field_name": (ctypes.c_char_p, (_U64,)),
    "hg_walker_new": (_POINTER, (_POINTER, _U64, _POINTER, _U64, _POINTER, ctypes.c_uint32)),
    "hg_walker_free": (None, (_POINTER,)),
    "hg_walker_name": (ctypes.c_uint32, (_POINTER, ctypes.c_char_p)),
    "hg_walker_add_rule": (_STATUS, (_POINTER, _POINTER)),
    "hg_walker_set_budget": (_STATUS, (_POINTER, _POINTER, _POINTER, _U64)),
    "hg_walker_set_constant": (_STATUS, (_POINTER, _POINTER, _U64)),
    "hg_walker_set_running_frames": (_STATUS, (_POINTER, _POINTER, _U64)),
    "hg_walker_load": (_STATUS, (_POINTER, AddressRange, _POINTER)),
    "hg_walker_read_gc_lists": (_STATUS, (_POINTER, _POINTER, _U64, _U64, ctypes.c_int)),
    "hg_walker_discover": (_STATUS, (_POINTER, _POINTER, _U64)),
    "hg_walker_scan_range": (
        _STATUS,
        (_POINTER, AddressRange, _POINTER, _POINTER, _U64, _POINTER),
    ),
    "hg_walker_lost_objects": (
        _STATUS,
        (_POINTER, _POINTER, _POINTER, _U64, _U64, _POINTER, _U64, _POINTER),
    ),
    "hg_walker_to_traverse": (_STATUS, (_POINTER, _POINTER, _U64, _POINTER)),
    "hg_walker_all_to_traverse": (_STATUS, (_POINTER, _POINTER, _U64, _POINTER)),
    "hg_walker_add_traversed": (_STATUS, (_POINTER, _POINTER)),
    "hg_walker_compare_traversed": (_STATUS, (_POINTER, _POINTER)),
    "hg_walker_emit": (_STATUS, (_POINTER, _POINTER, _U64)),
    "hg_walker_forget_memory": (None, (_POINTER,)),
    "hg_walker_complete": (_STATUS, (_POINTER,)),
    "hg_walker_forget_columns": (None, (_POINTER, ctypes.c_uint32)),
    "hg_walker_addresses": (None, (_POINTER, _POINTER, _U64, _POINTER)),
    "hg_walker_progress": (_U64, (_POINTER,)),
    "hg_walker_counts": (None, (_POINTER, _POINTER)),
    "hg_walker_columns": (None, (_POINTER, _POINTER)),
    "hg_walker_large_values": (None, (_POINTER, _POINTER)),
    "hg_walker_name_text": (ctypes.c_char_p, (_POINTER, _U64)),
    "hg_walker_type": (_STATUS, (_POINTER, _U64, _POINTER)),
    "hg_walker_gather": (_STATUS, (_POINTER, _POINTER, _U64, _U64, _POINTER)),
    "hg_walker_chunks": (
        _STATUS,
        (_POINTER, AddressRange, _POINTER, _POINTER, _U64, _POINTER),
    ),
    "hg_walker_native": (_STATUS, (_POINTER, _POINTER, _POINTER)),
}

WALKER_INTERFACE = Interface(
    library="walker",
    header="native/walker/api/walker.h",
    version_function="hg_walker_version",
    version=8,
    functions=_FUNCTIONS,
    structs=WALKER_STRUCTS,
)


@functools.cache
def walker_library() -> ctypes.CDLL:
    """The compiled walker with its signatures; loaded once."""
    return load_interface(WALKER_INTERFACE)


def check(status: int, doing: str) -> None:
    """Turn a status other than success into an exception.

    Args:
        status: a `WalkerStatus` of a call whose arguments are right.
        doing: what the call was for.

    Raises:
        CaptureInterrupted: memory is short.
        ValueError: the walker does not know what it was told of.
    """
    if status == WalkerStatus.OUT_OF_MEMORY:
        raise CaptureInterrupted(
            f"not enough memory while {doing}",
            "the snapshot of this target needs more than this machine can give",
            "dump on a machine, or in a container, with more memory",
        )
    if status:
        raise ValueError(f"{WalkerStatus(status).name} while {doing}")
