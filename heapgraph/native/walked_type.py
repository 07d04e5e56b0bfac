"""A type as the compiled walker read it."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass

from heapgraph.native.walker_library import check
from heapgraph.native.walker_structs import TypeFacts

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
    facts = TypeFacts()
    check(library.hg_walker_type(walker, row, ctypes.byref(facts)), "reading a type")
    return WalkedType(
        address=facts.address,
        tp_name=facts.tp_name.decode(errors="replace") or f"{NAMELESS}{facts.address:#x}>",
        basicsize=facts.basicsize,
        itemsize=facts.itemsize,
        flags=facts.flags,
        reader=facts.reader.decode(),
        is_python_class=bool(facts.is_python_class),
        knows_fields=bool(facts.knows_fields),
        traversed=facts.traversed,
        disagreements=facts.disagreements,
    )
