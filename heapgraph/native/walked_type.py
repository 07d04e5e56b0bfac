"""A type as the compiled walker read it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import ctypes

_TYPE_NUMBERS = 8
_WORD = 2**64 - 1

NAMELESS = "<type at "
"""What the name of a type begins with whose own name is in memory that cannot be read."""


@dataclass(frozen=True)
class WalkedType:
    """One type as the walker read it; its row is its number in `HeapWalker.types`.

    `traversed` counts its objects whose traverse function ran, `disagreements` those it told other
    references of than the walker.
    """

    address: int
    tp_name: str
    basicsize: int
    itemsize: int
    flags: int
    reader: str
    is_python_class: bool
    knows_fields: bool
    traversed: int
    disagreements: int


def read_type(library: ctypes.CDLL, walker: int | None, row: int) -> WalkedType:
    """Read one type.

    Args:
        library: see `walker_library`.
        walker: handle of the walker that met it.
        row: its number, less than the number of types.
    """
    numbers = np.zeros(_TYPE_NUMBERS, dtype=np.int64)
    text = library.hg_walker_type(walker, row, numbers.ctypes.data)
    address, basicsize, itemsize, flags, is_class, known, *tally = numbers.tolist()
    return WalkedType(
        address,
        text.decode(errors="replace") or f"{NAMELESS}{address:#x}>",
        basicsize,
        itemsize,
        flags & _WORD,  # unsigned, whatever damaged memory has in its top bit
        library.hg_walker_type_reader(walker, row).decode(),
        bool(is_class),
        bool(known),
        *tally,
    )
