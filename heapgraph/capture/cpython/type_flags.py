"""The bits of a type that say how its instances lie in memory."""

from __future__ import annotations

from enum import IntEnum


class TypeFlags(IntEnum):
    """Bits of tp_flags (Include/object.h); the same in every version that has them.

    Plain numbers, not an IntFlag: they are tested for each object that is looked at.
    """

    INLINE_VALUES = 1 << 2  # 3.13+
    MANAGED_DICT = 1 << 4  # 3.11+
    HEAPTYPE = 1 << 9
    READY = 1 << 12
    LONG_SUBCLASS = 1 << 24
    LIST_SUBCLASS = 1 << 25
    TUPLE_SUBCLASS = 1 << 26
    BYTES_SUBCLASS = 1 << 27
    UNICODE_SUBCLASS = 1 << 28
    DICT_SUBCLASS = 1 << 29
    TYPE_SUBCLASS = 1 << 31
