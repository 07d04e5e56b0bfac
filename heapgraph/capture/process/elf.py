"""What heapgraph asks of an ELF file: where its symbols and sections lie, and how it is mapped."""

from __future__ import annotations

import io
import mmap
import struct
from dataclasses import dataclass
from functools import partial
from typing import IO, TYPE_CHECKING, cast

from elftools.common.exceptions import ELFError
from elftools.construct.core import ConstructError
from elftools.elf.elffile import ELFFile
from elftools.elf.hash import ELFHashSection, GNUHashSection
from elftools.elf.sections import NoteSection, Symbol, SymbolTableSection
from elftools.elf.segments import NoteSegment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from heapgraph.capture.process.maps import Mapping

_EXECUTABLE, _WRITABLE = 1, 2  # PF_X, PF_W
_MAGIC = b"\x7fELF"

_MAX_READS, _MAX_BYTES = 2_000_000, 512 << 20
"""What is read of one file: far more than of any library with a runtime in it. Sizes and chains in
a file made to harm have no end, and a file with a hole costs nothing."""

# A damaged header can send pyelftools anywhere: these are the ways in which it then gives up.
PARSE_ERRORS = (
    ELFError,
    ConstructError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    AssertionError,
    ArithmeticError,  # a hash table of no buckets, a table of entries of no size
    EOFError,
    OSError,  # a position that no file has
    MemoryError,
    RecursionError,
    struct.error,
)


class ElfUnreadable(Exception):
    """A file that is no ELF file, or a damaged one."""


@dataclass(frozen=True)
class Segment:
    """A part of the file that the loader maps.

    Attributes:
        offset: in the file.
        address: before the load bias is added.
        memory_size: bytes of it in memory: what is not in the file begins as zeros (the bss).
        is_executable: it holds machine code.
        is_writable: it holds data.
    """

    offset: int
    address: int
    memory_size: int
    is_executable: bool
    is_writable: bool = False


@dataclass(frozen=True)
class ElfImage:
    """The facts of one executable or shared library.

    Attributes:
        is_position_independent: the loader chooses where it lies.
        segments: the loadable ones.
        symbols: address by name of the wanted symbols it defines, before the load bias.
        sections: address by name of the wanted sections, before the load bias.
        build_id: hexadecimal, "" when it has none.
    """

    is_position_independent: bool
    segments: tuple[Segment, ...]
    symbols: dict[str, int]
    sections: dict[str, int]
    build_id: str

    def load_bias(self, mappings: Iterable[Mapping]) -> int | None:
        """Return what is to be added to the addresses of this file.

        Args:
            mappings: the ranges of one process into which this file is mapped.

        Returns:
            The bias, 0 for a file with fixed addresses; None when no mapping is the code of it.
        """
        if not self.is_position_independent:
            return 0
        page = mmap.PAGESIZE
        starts = {m.offset: m.start for m in mappings if "x" in m.permissions}
        for segment in self.segments:
            start = starts.get(segment.offset // page * page)
            if segment.is_executable and start is not None:
                return start - segment.address // page * page
        return None

    @property
    def end(self) -> int:
        """First address behind everything the loader maps, before the load bias."""
        return max((segment.address + segment.memory_size for segment in self.segments), default=0)


def read_elf(
    stream: IO[bytes], symbols: Iterable[str] = (), sections: Iterable[str] = ()
) -> ElfImage:
    """Read what is wanted of an ELF file.

    Args:
        stream: the file, opened for reading; stays open.
        symbols: names to look for in the dynamic symbol table, or the full one if that is there.
        sections: names of sections whose address is wanted.

    Raises:
        ElfUnreadable: not a 64-bit little-endian ELF file, a damaged one, or one without end.

    Cost: a few milliseconds; independent of the file's size when it has a .gnu.hash section. At
        most 512 MiB are read, in two million pieces.
    """
    if stream.read(len(_MAGIC)) != _MAGIC:
        raise ElfUnreadable("it is not an ELF file")
    stream.seek(0)
    try:
        return _read(ELFFile(cast("IO[bytes]", Bounded(stream))), tuple(symbols), tuple(sections))
    except PARSE_ERRORS as error:
        raise ElfUnreadable(f"a damaged ELF file: {error}") from error


class Bounded:
    """A stream that ends its reader's work when it has read too often, or too much."""

    def __init__(self, stream: IO[bytes]) -> None:
        """Read nothing yet; the stream stays open."""
        self.seek, self.tell = stream.seek, stream.tell
        self._read = stream.read
        self._reads, self._bytes = _MAX_READS, _MAX_BYTES

    def read(self, size: int = -1) -> bytes:
        """Read as the stream does.

        Raises:
            ElfUnreadable: it was enough.
        """
        self._reads -= 1
        if self._reads < 0 or not 0 <= size <= self._bytes:
            raise ElfUnreadable("it does not end")
        data = self._read(size)
        self._bytes -= len(data)
        return data


def build_id_in_memory(head: bytes) -> str:
    """Return the build-id of a file from its first bytes, as they lie in a process.

    Args:
        head: one page or more; sections need not be there.

    Returns:
        Hexadecimal; "" when it has none, or none in these bytes.
    """
    try:
        for segment in ELFFile(io.BytesIO(head)).iter_segments("PT_NOTE"):
            end = segment["p_offset"] + segment["p_filesz"]
            if isinstance(segment, NoteSegment) and end <= len(head):
                for note in segment.iter_notes():
                    if note["n_type"] == "NT_GNU_BUILD_ID":
                        return str(note["n_desc"])
    except PARSE_ERRORS:
        pass
    return ""


def _read(elf: ELFFile, symbols: tuple[str, ...], sections: tuple[str, ...]) -> ElfImage:
    if elf.elfclass != 64 or not elf.little_endian:  # noqa: PLR2004
        raise ElfUnreadable("it is not a 64-bit little-endian file")
    return ElfImage(
        is_position_independent=elf["e_type"] == "ET_DYN",
        segments=tuple(_load_segments(elf)),
        symbols=_find_symbols(elf, symbols),
        sections={
            name: found["sh_addr"]
            for name in sections
            if (found := elf.get_section_by_name(name)) is not None and found["sh_addr"]
        },
        build_id=_build_id(elf),
    )


def _load_segments(elf: ELFFile) -> Iterator[Segment]:
    for segment in elf.iter_segments("PT_LOAD"):
        yield Segment(
            segment["p_offset"],
            segment["p_vaddr"],
            segment["p_memsz"],
            bool(segment["p_flags"] & _EXECUTABLE),
            bool(segment["p_flags"] & _WRITABLE),
        )


def _find_symbols(elf: ELFFile, names: tuple[str, ...]) -> dict[str, int]:
    found: dict[str, int] = {}
    for look_up in _symbol_tables(elf):
        for name in names:
            if name not in found and (address := look_up(name)):
                found[name] = address
        if found:  # the full table has nothing that matters more than the dynamic one
            break
    return found


def _symbol_tables(elf: ELFFile) -> Iterator[Callable[[str], int]]:
    """Look-ups of a symbol's address (0: not defined there), the fastest first."""
    for section in (".gnu.hash", ".hash"):
        table = elf.get_section_by_name(section)
        if isinstance(table, ELFHashSection | GNUHashSection):
            yield partial(_hashed_address, table)
            break
    for section in (".dynsym", ".symtab"):
        table = elf.get_section_by_name(section)
        if isinstance(table, SymbolTableSection):
            yield partial(_listed_address, table)


def _hashed_address(table: ELFHashSection | GNUHashSection, name: str) -> int:
    return _defined_address(table.get_symbol(name))


def _listed_address(table: SymbolTableSection, name: str) -> int:
    return max(map(_defined_address, table.get_symbol_by_name(name) or ()), default=0)


def _defined_address(symbol: Symbol | None) -> int:
    if symbol is None or symbol["st_shndx"] == "SHN_UNDEF":
        return 0
    address: int = symbol["st_value"]
    return address


def _build_id(elf: ELFFile) -> str:
    section = elf.get_section_by_name(".note.gnu.build-id")
    if not isinstance(section, NoteSection):
        return ""
    for note in section.iter_notes():
        if note["n_type"] == "NT_GNU_BUILD_ID":
            return str(note["n_desc"])
    return ""
