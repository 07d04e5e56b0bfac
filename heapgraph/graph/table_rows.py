"""Rows of the small tables of a snapshot, and columns that are looked up in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from heapgraph.model import CodeOrigin, NativeKind, RegionKind
    from heapgraph.native.graph_kernels import U8, U32, U64

_I64 = npt.NDArray[np.int64]
_U16 = npt.NDArray[np.uint16]


@dataclass(frozen=True, slots=True)
class Thread:
    """One thread of the target; `row` is its number in the threads table."""

    row: int
    thread_id: int
    native_id: int
    name: str | None
    interpreter: int
    holds_gil: bool


@dataclass(frozen=True, slots=True)
class Frame:
    """One running frame.

    Attributes:
        row: its number in the frames table.
        thread: row of threads.
        depth: 0 is the innermost.
        function, file, line: where it stands.
        code: object id of its code, or NO_ROW.
        origin: whose code it is.
    """

    row: int
    thread: int
    depth: int
    function: str
    file: str
    line: int
    code: int
    origin: CodeOrigin


@dataclass(frozen=True, slots=True)
class MemoryMapping:
    """One mapping of the target's memory; sizes in bytes, `path` empty for anonymous memory."""

    start: int
    end: int
    permissions: str
    offset: int
    path: str
    rss: int
    pss: int
    private_dirty: int


@dataclass(frozen=True, slots=True)
class MemoryRegion:
    """What a range of private anonymous memory is used for; sizes are bytes in memory.

    Attributes:
        start, end: addresses.
        kind: what for.
        resident: bytes in memory.
        in_use: of these, in blocks that are in use, or all.
        free: in free blocks or chunks, without the free end of a heap.
        blocks: how many blocks are in use.
        object: id of the object it belongs to, or NO_ROW.
    """

    start: int
    end: int
    kind: RegionKind
    resident: int
    in_use: int
    free: int
    blocks: int
    object: int


@dataclass(frozen=True, slots=True)
class ContainerColumns:
    """Containers with at least some references, and caches, by object: parallel arrays.

    Attributes:
        objects: uint32, ids, rising.
        limits: int64, how many items may be in it; -1 for no limit.
        removed: uint64, items that it knows were taken out: of a dict or set since its table was
            last made, of a deque or an lru_cache ever. There may have been more.
        slots: uint64, places of its table; 0 for none.
    """

    objects: U32
    limits: _I64
    removed: U64
    slots: U64

    def row_of(self, object_id: int) -> int | None:
        """The row of an object, None for one that is not here."""
        place = int(np.searchsorted(self.objects, object_id))
        is_there = place < len(self.objects) and int(self.objects[place]) == object_id
        return place if is_there else None


@dataclass(frozen=True, slots=True)
class PoolColumns:
    """The pools of pymalloc by address: parallel arrays.

    Attributes:
        regions: uint32, row of its arena in the regions.
        block_sizes: uint16, bytes of a block.
        used: uint16, blocks in use.
        resident: uint32, bytes in memory.
    """

    regions: U32
    block_sizes: _U16
    used: _U16
    resident: U32


@dataclass(frozen=True, slots=True)
class NativeColumns:
    """The table `native`: one row for each owner of a group of blocks; parallel arrays.

    Attributes:
        groups: uint32, rising; the rows of one group follow one another.
        objects: uint32, who leads to the group; NO_ROW where no object does, or too many to list.
        sizes: uint64, bytes in memory, in the first row of each group, else 0.
        blocks: uint64, how many blocks, the same way.
        kinds: uint8 (`NativeKind`).
        grades: uint8 (`NativeGrade`).
        names: what leads to it where no object does; of lost memory the size of its blocks.
    """

    groups: U32
    objects: U32
    sizes: U64
    blocks: U64
    kinds: U8
    grades: U8
    names: list[str]

    def size_of(self, *kinds: NativeKind) -> int:
        """Bytes of some kinds."""
        return int(self.sizes[np.isin(self.kinds, kinds)].sum())
