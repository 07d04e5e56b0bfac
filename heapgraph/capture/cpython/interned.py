"""Finds the dict of interned strings, for which no version publishes an address."""

from __future__ import annotations

from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from heapgraph.capture.cpython.layouts.kinds import Interned
from heapgraph.capture.process.memory import UnreadableMemory
from heapgraph.processor import PROCESSOR

if TYPE_CHECKING:
    from collections.abc import Iterator

    from heapgraph.capture.cpython.objects import ObjectReader

_LOWEST_ADDRESS = 1 << 16
_WORD = 8
_PAGE = PROCESSOR.page
_DATA_BEFORE, _DATA_AFTER = 64 * _PAGE, 128 * _PAGE
_ENTRIES_LOOKED_AT = 16
_INTERNED_BITS = 3


def find_interned_dict(reader: ObjectReader, runtime_address: int, interpreter: int) -> int:
    """Return the address of the dict of interned strings, 0 when it is not found.

    It is the one dict in which every key is its own value and an interned string. Since 3.12 the
    interpreter's struct points to it; before, one variable in the program's own data does, which
    lies within half a megabyte of the runtime in every build looked at.

    Args:
        reader: reads the target's memory.
        runtime_address: of its _PyRuntime.
        interpreter: address of the interpreter's struct.

    Cost: one read of the place, and one of every distinct address in it.
    """
    if reader.kinds.interned is Interned.PER_INTERPRETER:
        places = [(interpreter, reader.fields["is.size"])]
    else:
        end = runtime_address + reader.fields["rt.size"]
        places = [
            (end, _DATA_AFTER),
            (runtime_address - _DATA_BEFORE, _DATA_BEFORE),
        ]
    dict_type = reader.type_address(reader.word(interpreter, "is.sysdict"))
    for address, size in places:
        for candidate in _addresses_in(reader, address, size):
            if _is_interned_dict(reader, candidate, dict_type):
                return candidate
    return 0


def _addresses_in(reader: ObjectReader, address: int, size: int) -> list[int]:
    """Distinct words of a range that can be the address of an object."""
    content = b"".join(_readable_pages(reader, address, size))
    words = np.frombuffer(content, dtype="<u8", count=len(content) // _WORD)
    is_address = (
        (words % _WORD == 0) & (words >= _LOWEST_ADDRESS) & (words < PROCESSOR.end_of_user_space)
    )
    candidates: list[int] = np.unique(words[is_address]).tolist()
    return candidates


def _readable_pages(reader: ObjectReader, address: int, size: int) -> Iterator[bytes]:
    """The range page by page; an unmapped page is left out."""
    address, end = address // _WORD * _WORD, address + size
    while address < end:
        following = min((address // _PAGE + 1) * _PAGE, end)
        with suppress(UnreadableMemory):
            yield reader.memory.read(address, following - address)
        address = following


def _is_interned_dict(reader: ObjectReader, address: int, dict_type: int) -> bool:
    try:
        if reader.type_address(address) != dict_type:
            return False
        entries = list(islice(reader.iter_dict(address), _ENTRIES_LOOKED_AT))
        return len(entries) == _ENTRIES_LOOKED_AT and all(
            key == value and _is_interned(reader, key) for key, value in entries
        )
    except UnreadableMemory:
        return False


def _is_interned(reader: ObjectReader, address: int) -> bool:
    state = reader.number(address, "uni.state")
    return bool(state & _INTERNED_BITS)
