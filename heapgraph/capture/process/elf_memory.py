"""The facts of a program or library whose file cannot be read: from where it is mapped.

Of a file that was deleted or replaced, or lies in another container, only its mapping is left to
who may read memory but not open what is mapped. The loader maps all that is needed for look-ups:
program headers, the dynamic section, the table of symbols and its hash.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

from heapgraph.capture.process.elf import ElfImage, ElfUnreadable, Segment
from heapgraph.capture.process.memory import UnreadableMemory

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from heapgraph.capture.process.maps import Mapping
    from heapgraph.capture.process.memory import Memory

_HEADER = struct.Struct("<4sBB10xHHIQQQIHHH")  # Elf64_Ehdr up to e_phnum
_PROGRAM_HEADER = struct.Struct("<IIQQQQQQ")
_DYNAMIC = struct.Struct("<qQ")
_SYMBOL = struct.Struct("<IBBHQQ")
_GNU_HASH = struct.Struct("<IIII")

_MAGIC, _CLASS_64, _LITTLE_ENDIAN = b"\x7fELF", 2, 1
_POSITION_INDEPENDENT = 3  # ET_DYN
_LOAD, _DYNAMIC_SEGMENT = 1, 2  # PT_LOAD, PT_DYNAMIC
_EXECUTABLE, _WRITABLE = 1, 2
_END, _STRINGS, _SYMBOLS, _HASH = 0, 5, 6, 0x6FFFFEF5  # DT_NULL, DT_STRTAB, DT_SYMTAB, DT_GNU_HASH
_MAX_HEADERS, _MAX_ENTRIES, _MAX_IN_BUCKET = 64, 256, 1 << 16


def read_mapped_elf(
    memory: Memory, mappings: Sequence[Mapping], symbols: Iterable[str]
) -> ElfImage:
    """Read what is wanted of a file from where it is mapped.

    Args:
        memory: of the process.
        mappings: those of one file, in address order.
        symbols: names to look for in the dynamic symbol table.

    Raises:
        ElfUnreadable: it is no ELF file, or its tables make no sense.

    Cost: some twenty reads.
    """
    start = next((each.start for each in mappings if each.offset == 0), None)
    if start is None:
        raise ElfUnreadable("its first page is not mapped")
    try:
        return _Mapped(memory, start).image(tuple(symbols))
    except (UnreadableMemory, struct.error, ZeroDivisionError) as error:
        raise ElfUnreadable(f"damaged where it is mapped: {error}") from error


class _Mapped:
    def __init__(self, memory: Memory, start: int) -> None:
        self._memory = memory
        self._start = start
        magic, width, order, kind, *_, self._headers, _, _, _, self._size, self._count = (
            self._unpack(_HEADER, start)
        )
        if magic != _MAGIC or (width, order) != (_CLASS_64, _LITTLE_ENDIAN):
            raise ElfUnreadable("it is not a 64-bit little-endian ELF file")
        self._is_position_independent = kind == _POSITION_INDEPENDENT

    def _unpack(self, shape: struct.Struct, address: int) -> tuple[Any, ...]:
        return shape.unpack(self._memory.read(address, shape.size))

    def image(self, names: tuple[str, ...]) -> ElfImage:
        segments, dynamic = [], 0
        for number in range(min(self._count, _MAX_HEADERS)):
            place = self._start + self._headers + number * self._size
            kind, flags, offset, address, _, _, size, _ = self._unpack(_PROGRAM_HEADER, place)
            if kind == _LOAD:
                segments.append(
                    Segment(
                        offset, address, size, bool(flags & _EXECUTABLE), bool(flags & _WRITABLE)
                    )
                )
            elif kind == _DYNAMIC_SEGMENT:
                dynamic = address
        if not segments:
            raise ElfUnreadable("it says of no part where it is to be mapped")
        bias = self._start - segments[0].address if self._is_position_independent else 0
        found = self._find(names, dynamic + bias, bias) if dynamic else {}
        return ElfImage(self._is_position_independent, tuple(segments), found, {}, "")

    def _find(self, names: tuple[str, ...], dynamic: int, bias: int) -> dict[str, int]:
        tables: dict[int, int] = {}
        for number in range(_MAX_ENTRIES):
            tag, value = self._unpack(_DYNAMIC, dynamic + number * _DYNAMIC.size)
            if tag == _END:
                break
            tables[tag] = value
        if not {_STRINGS, _SYMBOLS, _HASH} <= tables.keys():
            return {}
        # The C library has added the bias to these, others leave them as they are in the file.
        places = [
            table if table >= self._start else table + bias
            for table in (tables[_HASH], tables[_SYMBOLS], tables[_STRINGS])
        ]
        return {name: value for name in names if (value := self._look_up(name, *places))}

    def _look_up(self, name: str, table: int, symbols: int, strings: int) -> int:
        """The address of a symbol that the file defines, before the load bias; 0 for none."""
        buckets, first, bloom_words, _ = self._unpack(_GNU_HASH, table)
        buckets_place = table + _GNU_HASH.size + 8 * bloom_words
        wanted = _hash(name)
        number = self._memory.u32(buckets_place + 4 * (wanted % buckets))
        if number < first:
            return 0
        for _ in range(_MAX_IN_BUCKET):
            known = self._memory.u32(buckets_place + 4 * (buckets + number - first))
            if known | 1 == wanted | 1:
                text, _, _, section, value, _ = self._unpack(
                    _SYMBOL, symbols + number * _SYMBOL.size
                )
                if section and self._memory.cstring(strings + text) == name:
                    return int(value)
            if known & 1:
                return 0
            number += 1
        raise ElfUnreadable("its table of symbols has no end")


def _hash(name: str) -> int:
    """The hash of .gnu.hash sections (dl_new_hash of the GNU C library)."""
    value = 5381
    for byte in name.encode():
        value = (value * 33 + byte) & 0xFFFFFFFF
    return value
