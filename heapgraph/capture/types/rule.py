"""The parts of a type rule: which code reads a type, its named fields, the buffers it owns."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, IntFlag

from heapgraph.model import EdgeFlags, EdgeKind

Place = str | int
"""The name of a layout field ("slice.start"), or a byte offset from the start of the object."""


class BufferCount(IntEnum):
    """How the number of items of a buffer is found."""

    WORD = 0  # it is the word at `count`
    TUPLE = 1  # it is the length of the tuple at `count`
    ONE = 2


@dataclass(frozen=True)
class Field:
    """One word of a C struct that owns a reference.

    Attributes:
        where: its place.
        name: what a person calls it; the attribute's name where Python has one.
        flags: what the collector and the reference count know of it.
        visited_since: the version from which on the type's traverse function visits it.
    """

    where: Place
    name: str
    flags: EdgeFlags = EdgeFlags.GC_VISIBLE | EdgeFlags.COUNTED
    kind: EdgeKind = EdgeKind.FIELD
    visited_since: tuple[int, ...] = (3, 0)

    def flags_in(self, version: tuple[int, int, int]) -> EdgeFlags:
        """The flags as they hold in one CPython version."""
        if version >= self.visited_since:
            return self.flags
        return self.flags & ~EdgeFlags.GC_VISIBLE


@dataclass(frozen=True)
class Buffer:
    """Memory outside of the object that it alone owns and that holds no references of its own.

    Attributes:
        pointer: place of its address.
        count: place of what tells the number of items.
        item_size: bytes of one item.
        how: what is found at `count`.
        flag: place of an int that is 0 when the buffer belongs to somebody else.
        in_getsizeof: the type's __sizeof__ counts it.
        since, before: the versions that have it, the second not included.
    """

    pointer: Place
    count: Place
    item_size: int
    how: BufferCount = BufferCount.WORD
    flag: Place | None = None
    in_getsizeof: bool = True
    since: tuple[int, ...] = (3, 0)
    before: tuple[int, ...] = (4, 0)

    def exists_in(self, version: tuple[int, int, int]) -> bool:
        """Tell whether instances have it in one CPython version."""
        return self.since <= version < self.before


class BlockContents(IntFlag):
    """What blocks of memory hold that an object leads to."""

    REFERENCES = 1
    BYTES = 2  # they are the object's own, as those of a table are
    ARROW_BUFFERS = 4  # some are arrow::PoolBuffer; what the pool gave them is the object's own
    STACK = 8  # they tell of a stack that was put aside; what its frames refer to is the object's


@dataclass(frozen=True)
class Blocks:
    """Memory that an object owns through pointers, and whose layout is not known.

    Which words are pointers to a block, and how large it is, is told by the allocator's own
    bookkeeping. References in it are believed only where reference counts are left over.

    Attributes:
        contents: what is in it.
        depth: how many pointers away from the object it may be.
        raw_depth: the same of plain pointers; std::vector and std::shared_ptr show what they are.
        reference_depth: how many pointers away it may hold references; a table that does not say
            means as many as `depth`.
        since: the first version that has them.
    """

    contents: BlockContents
    depth: int
    raw_depth: int
    reference_depth: int
    since: tuple[int, ...] = (3, 0)


@dataclass(frozen=True)
class TypeRule:
    """How the builtin part of a type's instances is read.

    Attributes:
        reader: the code that reads it, by its name in native/walker/types/readers.cpp.
        fields: the words that it has at fixed places.
        buffers: memory that it owns besides.
        blocks: memory that it owns, of unknown layout.
        scan_from: place from which on words are scanned as well; None where all is known.
        borrowed: places of words that lead to memory which is not the object's, or was freed.
    """

    reader: str = "plain"
    fields: tuple[Field, ...] = ()
    scan_from: Place | None = None
    buffers: tuple[Buffer, ...] = ()
    blocks: Blocks | None = None
    borrowed: tuple[Place, ...] = ()
