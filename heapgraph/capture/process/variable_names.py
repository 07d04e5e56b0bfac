"""What the variables of C code are called: the symbols of the file that they are loaded from."""

from __future__ import annotations

from bisect import bisect_right
from typing import IO, TYPE_CHECKING, TypeAlias, cast

import numpy as np
from elftools.elf.elffile import ELFFile

from heapgraph.capture.process.elf import PARSE_ERRORS, Bounded, ElfUnreadable
from heapgraph.safe_text import storable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from elftools.elf.sections import Section

    from heapgraph.capture.process.maps import Mapping

OpenFile: TypeAlias = "Callable[[Mapping], IO[bytes]]"

# Elf64_Sym of elf.h.
_SYMBOL = np.dtype(
    [
        ("name", "<u4"),
        ("info", "u1"),
        ("other", "u1"),
        ("section", "<u2"),
        ("address", "<u8"),
        ("size", "<u8"),
    ]
)
_KIND, _VARIABLE = 0xF, 1  # STT_OBJECT
_MAX_TABLE = 32 << 20
"""Bytes of a table of symbols, or of their names, that are read; debug builds have more."""

_MAX_NAME = 200
_MAX_FILES = 32


class Variables:
    """The variables of one file by their addresses, before the load bias."""

    def __init__(self, stream: IO[bytes]) -> None:
        """Read the full table of symbols, or the dynamic one where the file is stripped.

        Args:
            stream: the file; stays open.

        Raises:
            ElfUnreadable: a damaged file, or a table that is too large.
        """
        try:
            symbols, self._names = _tables(ELFFile(cast("IO[bytes]", Bounded(stream))))
        except PARSE_ERRORS as error:
            raise ElfUnreadable(f"a damaged ELF file: {error}") from error
        is_variable = (symbols["info"] & _KIND == _VARIABLE) & (symbols["section"] != 0)
        known = symbols[is_variable & (symbols["size"] > 0)]
        self._symbols = known[np.argsort(known["address"], kind="stable")]

    def at(self, address: int) -> tuple[str, int] | None:
        """The variable that an address lies in, and how far; None for none."""
        place = int(np.searchsorted(self._symbols["address"], np.uint64(address), "right")) - 1
        if place < 0:
            return None
        symbol = self._symbols[place]
        offset = address - int(symbol["address"])
        if offset >= int(symbol["size"]):
            return None
        begin = int(symbol["name"])
        text = self._names[begin : begin + _MAX_NAME].partition(b"\0")[0]
        return (storable(text.decode(errors="replace")), offset) if text else None


def _tables(elf: ELFFile) -> tuple[np.ndarray, bytes]:
    for name in (".symtab", ".dynsym"):
        table = elf.get_section_by_name(name)
        if table is not None:
            texts = elf.get_section(table["sh_link"])
            data = _content(table)
            whole = len(data) // _SYMBOL.itemsize * _SYMBOL.itemsize
            return np.frombuffer(data[:whole], _SYMBOL), _content(texts)
    return np.empty(0, _SYMBOL), b""


def _content(section: Section) -> bytes:
    if section["sh_size"] > _MAX_TABLE:
        raise ElfUnreadable(f"a table of {section['sh_size']} bytes")
    return bytes(section.data())


class VariableNames:
    """The names of words in the data of a process's files.

    Args:
        maps: its mappings, in address order.
        open_file: opens what is mapped; its OSError means that nothing is known.

    Cost: a few milliseconds for each file that is asked for, `_MAX_FILES` at most.
    """

    def __init__(self, maps: Sequence[Mapping], open_file: OpenFile) -> None:
        """Open nothing yet."""
        self._files = [mapping for mapping in maps if mapping.is_file]
        self._starts = [mapping.start for mapping in self._files]
        self._open_file = open_file
        self._known: dict[str, Variables | None] = {}

    def at(self, address: int, bias: int) -> tuple[str, int] | None:
        """The variable that a word lies in, and how far; None where that is not known.

        Args:
            address: of the word; zeroed variables follow the mapped ones of their file.
            bias: what was added to the addresses of the file.
        """
        place = bisect_right(self._starts, address) - 1
        if place < 0:
            return None
        variables = self._of(self._files[place])
        return None if variables is None else variables.at(address - bias)

    def _of(self, mapping: Mapping) -> Variables | None:
        if mapping.path not in self._known:
            if len(self._known) >= _MAX_FILES:
                return None
            self._known[mapping.path] = self._read(mapping)
        return self._known[mapping.path]

    def _read(self, mapping: Mapping) -> Variables | None:
        try:
            with self._open_file(mapping) as stream:
                return Variables(stream)
        except (OSError, ElfUnreadable):
            return None
