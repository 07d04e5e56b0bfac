"""Where an instance keeps its attributes: a dict, or values beside its own fields."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from heapgraph.capture.cpython.layouts.kinds import ManagedDict
from heapgraph.capture.cpython.type_flags import TypeFlags

if TYPE_CHECKING:
    from heapgraph.capture.cpython.objects import ObjectReader

_WORD = 8
_IS_VALUES = 1
"""Bit of a tagged word: it leads to values, and is one less than their address."""


def instance_dict(reader: ObjectReader, address: int) -> int:
    """Return the address of an object's `__dict__`, 0 when it has none (yet).

    Args:
        reader: reads the target's memory.
        address: the object.

    Raises:
        UnreadableMemory: there is no object.
    """
    type_address, flags = reader.type_address(address), reader.type_flags(address)
    if _has_managed_dict(reader, flags):
        word = reader.word(address, "managed.dict")
        is_tagged = reader.kinds.managed_dict is ManagedDict.TAGGED_WORD
        return 0 if is_tagged and word & _IS_VALUES else word
    (offset,) = struct.unpack("<q", struct.pack("<Q", reader.word(type_address, "tp.dictoffset")))
    if offset < 0:  # counts from the end of an object with items
        offset += _size_with_items(reader, address, type_address, flags)
    return reader.memory.u64(address + offset) if offset > 0 else 0


def inline_values(reader: ObjectReader, address: int) -> int:
    """Return the address of the attribute values kept without a dict, 0 for none.

    Args:
        reader: reads the target's memory.
        address: the object.

    Raises:
        UnreadableMemory: there is no object.
    """
    flags = reader.type_flags(address)
    if not _has_managed_dict(reader, flags):
        return 0
    if reader.kinds.managed_dict is ManagedDict.TWO_WORDS:
        return reader.word(address, "managed.values")
    if reader.kinds.managed_dict is ManagedDict.TAGGED_WORD:
        word = reader.word(address, "managed.dict")
        return word + 1 if word & _IS_VALUES else 0
    if not flags & TypeFlags.INLINE_VALUES:
        return 0
    values = address + reader.word(reader.type_address(address), "tp.basicsize")
    return values if reader.number(values, "dv.valid") else 0


def _has_managed_dict(reader: ObjectReader, flags: int) -> bool:
    """Without such dicts the bit has no meaning."""
    has_any = reader.kinds.managed_dict is not ManagedDict.NONE
    return has_any and bool(flags & TypeFlags.MANAGED_DICT)


def _size_with_items(reader: ObjectReader, address: int, type_address: int, flags: int) -> int:
    if flags & TypeFlags.LONG_SUBCLASS:
        count, _ = reader.digit_count(address)
    else:
        count = reader.word(address, "var.size")
    items = count * reader.word(type_address, "tp.itemsize")
    size = reader.word(type_address, "tp.basicsize") + items
    return (size + _WORD - 1) // _WORD * _WORD
