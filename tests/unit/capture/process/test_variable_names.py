"""Names of variables of C code, from files of the compiler, damaged and hostile ones."""

from __future__ import annotations

import io
import re
import subprocess
from typing import TYPE_CHECKING

import pytest

from heapgraph.capture.process.elf import ElfUnreadable
from heapgraph.capture.process.maps import Mapping
from heapgraph.capture.process.variable_names import VariableNames, Variables

if TYPE_CHECKING:
    from pathlib import Path

SOURCE = """
static int quiet = 3;
int table[100] = {1};
struct { long first, second; } pair;
int function(void) { return quiet++ + table[0] + (int) pair.first; }
"""
BASE = 0x7F0000000000


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("library")
    (folder / "some.c").write_text(SOURCE)
    command = ["gcc", "-shared", "-fPIC", "-O0", "-o", folder / "some.so", folder / "some.c"]
    subprocess.run(command, check=True)
    return folder / "some.so"


@pytest.fixture(scope="module")
def places(library: Path) -> dict[str, int]:
    """What nm says: a program that we did not write."""
    said = subprocess.run(["nm", library], check=True, capture_output=True, text=True).stdout
    return {
        name: int(at, 16) for at, name in re.findall(r"^([0-9a-f]+) \w (\w+)$", said, re.MULTILINE)
    }


def test_variables_are_found_by_any_address_in_them(library: Path, places: dict[str, int]) -> None:
    with library.open("rb") as stream:
        variables = Variables(stream)
    assert variables.at(places["quiet"]) == ("quiet", 0)
    assert variables.at(places["table"] + 396) == ("table", 396)
    assert variables.at(places["table"] + 400) is None or places["table"] + 400 in places.values()
    assert variables.at(places["pair"] + 8) == ("pair", 8)
    assert variables.at(places["function"]) is None  # no variable
    assert variables.at(0) is None
    assert variables.at(2**64 - 1) is None


def test_a_stripped_file_tells_what_others_may_use(
    library: Path, places: dict[str, int], tmp_path: Path
) -> None:
    subprocess.run(["strip", library, "-o", tmp_path / "some.so"], check=True)
    with (tmp_path / "some.so").open("rb") as stream:
        variables = Variables(stream)
    assert variables.at(places["table"]) == ("table", 0)
    assert variables.at(places["quiet"]) is None


def test_every_truncation_and_flipped_byte_is_refused_or_harmless(library: Path) -> None:
    whole = library.read_bytes()
    for at in range(0, len(whole), 61):
        for data in (whole[:at], whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :]):
            try:
                found = Variables(io.BytesIO(data)).at(0x4020)
            except ElfUnreadable:
                continue
            assert found is None or "\0" not in found[0]


def test_words_of_a_process_are_named_by_the_file_they_lie_behind(
    library: Path, places: dict[str, int]
) -> None:
    """Zeroed variables follow the mapped ones; each file is opened once, failures included."""
    end = BASE + max(places.values()) // 4096 * 4096
    maps = [
        Mapping(BASE, BASE + 4096, "r-xp", 0, "/lib/some.so"),
        Mapping(BASE + 4096, end, "rw-p", 4096, "/lib/some.so"),
        Mapping(end, end + 8192, "rw-p", 0, ""),
        Mapping(end + 2**30, end + 2**30 + 4096, "rw-p", 0, "/lib/gone.so"),
    ]
    opened: list[str] = []

    def open_file(mapping: Mapping) -> io.BufferedReader:
        opened.append(mapping.path)
        if mapping.path.endswith("gone.so"):
            raise FileNotFoundError(mapping.path)
        return library.open("rb")

    names = VariableNames(maps, open_file)
    assert names.at(BASE + places["table"] + 4, BASE) == ("table", 4)
    assert names.at(BASE + places["pair"], BASE) == ("pair", 0)
    assert names.at(end + 2**30 + 8, end + 2**30) is None
    assert names.at(end + 2**30 + 16, end + 2**30) is None
    assert names.at(BASE - 8, BASE) is None
    assert opened == ["/lib/some.so", "/lib/gone.so"]
