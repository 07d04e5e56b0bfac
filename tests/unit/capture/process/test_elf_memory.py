"""A file's facts are the same where it is mapped as in the file."""

from __future__ import annotations

import random
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from heapgraph.capture.process.elf import ElfUnreadable, read_elf
from heapgraph.capture.process.elf_memory import read_mapped_elf
from heapgraph.capture.process.maps import Mapping, read_maps
from heapgraph.capture.process.memory import ProcessMemory, UnreadableMemory
from heapgraph.capture.process.target_files import open_mapped_file
from helpers.interpreters import each_interpreter
from helpers.running_target import start_target
from helpers.word_reader import WordReader

if TYPE_CHECKING:
    from helpers.interpreters import Interpreter

SYMBOLS = (
    "_PyRuntime",
    "Py_Version",
    "Py_IsInitialized",
    "PyType_Type",
    "no_such_symbol",
    "malloc",
)


@pytest.mark.parametrize("interpreter", each_interpreter())
def test_every_mapped_file_says_the_same_in_memory(interpreter: Interpreter) -> None:
    compared = 0
    with start_target("idle.py", python=interpreter.path) as process:
        by_path: dict[str, list[Mapping]] = {}
        for mapping in read_maps(process.pid, sizes=False):
            if mapping.is_file:
                by_path.setdefault(mapping.path, []).append(mapping)
        with ProcessMemory(process.pid) as memory:
            for mappings in by_path.values():
                if not any("x" in mapping.permissions for mapping in mappings):
                    continue
                with open_mapped_file(process.pid, mappings[0]) as stream:
                    in_file = read_elf(stream, SYMBOLS)
                in_memory = read_mapped_elf(memory, mappings, SYMBOLS)
                assert in_memory.segments == in_file.segments
                assert in_memory.load_bias(mappings) == in_file.load_bias(mappings)
                assert in_memory.symbols == in_file.symbols
                compared += bool(in_file.symbols)
    assert compared >= 2


class CutMemory(WordReader):
    """The first bytes of a file, mapped at 0x1000."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def read(self, address: int, size: int) -> bytes:
        place = address - 0x1000
        if place < 0 or place + size > len(self._content):
            raise UnreadableMemory(f"{address:#x} is not mapped")
        return self._content[place : place + size]

    def cstring(self, address: int, limit: int = 256) -> str:
        return self.read(address, limit).split(b"\0")[0].decode(errors="replace")


FIRST = [Mapping(0x1000, 0x2000, "r--p", 0, "/x")]


@pytest.mark.parametrize("cut", [0, 3, 20, 63, 100, 206])
def test_what_is_no_elf_file_is_said_to_be_none(cut: int) -> None:
    with pytest.raises(ElfUnreadable):
        read_mapped_elf(CutMemory((b"\x7fELF\x02\x01" + bytes(200))[:cut]), FIRST, SYMBOLS)


@pytest.mark.parametrize("seed", range(40))
def test_a_damaged_head_is_refused_or_leads_to_nothing_wrong(seed: int) -> None:
    chance = random.Random(seed)
    content = bytearray(Path(sys.executable).resolve().read_bytes()[:4096])
    for _ in range(20):
        content[chance.randrange(6, 600)] = chance.randrange(256)
    with suppress(ElfUnreadable):
        assert read_mapped_elf(CutMemory(bytes(content)), FIRST, SYMBOLS).symbols == {}
