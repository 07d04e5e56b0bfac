"""Where the executable and its libraries keep their variables: C code holds objects there.

Cython keeps the constants of a module in such variables, other extensions their caches and
exception classes. The word itself is all there is to name them by: a stripped library has no
symbols for them.
"""

from __future__ import annotations

import posixpath
import struct
from typing import TYPE_CHECKING, NamedTuple

from heapgraph.capture.process.memory import UnreadableMemory
from heapgraph.capture.process.page_ranges import without
from heapgraph.processor import PROCESSOR
from heapgraph.safe_text import storable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from heapgraph.capture.process.maps import Mapping
    from heapgraph.capture.process.memory import Memory

# elf.h: Elf64_Ehdr and Elf64_Phdr.
_MAGIC = b"\x7fELF\x02\x01"
_HEADER = struct.Struct("<32xQ14xHH")  # e_phoff, e_phentsize, e_phnum
_SEGMENT = struct.Struct("<IIQQ8x8xQ8x")  # p_type, p_flags, p_offset, p_vaddr, p_memsz
_PT_LOAD, _PF_W = 1, 2
_MAX_SEGMENTS = 64
_PAGE = PROCESSOR.page
_WORD = 8

MAX_DATA = 1 << 28
"""Bytes of variables of one file that are looked through; more is a table, not variables."""


class LibraryData(NamedTuple):
    """A range of variables.

    Attributes:
        address: of the first one; a multiple of 8.
        size: in bytes.
        library: name of the file.
        bias: what was added to the addresses in the file when it was loaded.
    """

    address: int
    size: int
    library: str
    bias: int


def find_library_data(
    memory: Memory, maps: Sequence[Mapping], taken: Iterable[tuple[int, int, str]] = ()
) -> list[LibraryData]:
    """Find the writable data of every mapped ELF file, zeroed variables included.

    Args:
        memory: of the process.
        maps: its mappings, in address order.
        taken: (address, bytes, name) of structs to leave out; they do not overlap.

    Returns:
        The ranges, without those structs. A file whose header cannot be read has none.

    Cost: two small reads per mapped file.
    """
    structs = sorted((address, address + size) for address, size, _ in taken)
    found: list[LibraryData] = []
    for mapping in maps:
        if not mapping.is_file or mapping.offset != 0:
            continue
        try:
            segments = list(_writable_segments(memory, mapping.start))
        except UnreadableMemory:
            continue
        name = storable(posixpath.basename(mapping.path))
        for start, end, bias in segments:
            found += [
                LibraryData(first, last - first, name, bias)
                for first, last in without(start, end, structs)
            ]
    return found


def _writable_segments(memory: Memory, start: int) -> Iterator[tuple[int, int, int]]:
    """First and last address, and load bias, of what an ELF file mapped here may write to."""
    header = memory.read(start, _HEADER.size + 2 * _WORD)
    if not header.startswith(_MAGIC):
        return
    table, entry_size, count = _HEADER.unpack_from(header)
    if entry_size != _SEGMENT.size or count > _MAX_SEGMENTS:
        return
    entries = [
        _SEGMENT.unpack_from(memory.read(start + table + i * entry_size, entry_size))
        for i in range(count)
    ]
    loaded = [entry[1:] for entry in entries if entry[0] == _PT_LOAD]
    first = next((address for _, offset, address, _ in loaded if offset < _PAGE), None)
    if first is None:
        return
    bias = start - first // _PAGE * _PAGE
    for flags, _, address, size in loaded:
        if flags & _PF_W and _WORD <= size <= MAX_DATA:
            begin = (bias + address + _WORD - 1) // _WORD * _WORD
            yield begin, bias + address + size, bias
