"""Lines of bytecode offsets: tables written by hand, and every function of some modules."""

from __future__ import annotations

import argparse
import json.decoder
import sys
from pathlib import Path
from types import CodeType, ModuleType
from typing import TYPE_CHECKING

import pytest

from heapgraph.capture.cpython.layouts import layout_for
from heapgraph.capture.cpython.line_tables import (
    line_decoder,
    line_from_line_table,
    line_from_lnotab,
    line_from_location_table,
)

if TYPE_CHECKING:
    from collections.abc import Iterator


def code_objects(code: CodeType) -> Iterator[CodeType]:
    """A code object and all that are nested in it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from code_objects(constant)


@pytest.mark.parametrize("module", [argparse, json.decoder])
def test_every_offset_of_a_module_has_the_line_python_says(module: ModuleType) -> None:
    decode = line_decoder(layout_for(sys.version_info[:2]).kinds.line_table)
    assert module.__file__ is not None
    whole = compile(Path(module.__file__).read_text(), module.__file__, "exec")
    compared = 0
    for code in code_objects(whole):
        for start, end, line in code.co_lines():
            for offset in {start, end - 2}:
                assert decode(code.co_linetable, code.co_firstlineno, offset) == line
                compared += 1
    assert compared > 200


@pytest.mark.parametrize(
    ("offset", "line"), [(-1, 10), (0, 10), (5, 10), (6, 11), (255, 11), (256, 9), (1000, 9)]
)
def test_lnotab_goes_on_and_back(offset: int, line: int) -> None:
    # 6 bytes on line 10; 250 bytes on line 11; then back to line 9
    table = bytes([6, 1, 250, 256 - 2])
    assert line_from_lnotab(table, 10, offset) == line


@pytest.mark.parametrize(
    ("offset", "line"), [(-1, 10), (0, 11), (3, 11), (4, None), (7, None), (8, 9), (12, None)]
)
def test_line_table_has_ranges_without_a_line(offset: int, line: int | None) -> None:
    # 4 bytes on line 11, 4 bytes on none, 4 bytes on line 9
    table = bytes([4, 1, 4, 128, 4, 256 - 2])
    assert line_from_line_table(table, 10, offset) == line


@pytest.mark.parametrize(
    ("offset", "line"),
    [(-1, 10), (0, 10), (3, 10), (4, 12), (6, None), (8, 112), (10, 109), (12, None)],
)
def test_location_table_reads_each_kind_of_entry(offset: int, line: int | None) -> None:
    table = bytes([0x80 | 0 << 3 | 1, 0x12])  # short, two units, line 10
    table += bytes([0x80 | 12 << 3, 1, 2])  # one line, two lines on
    table += bytes([0x80 | 15 << 3])  # no location
    table += bytes([0x80 | 14 << 3, 0x40 | (200 & 63), 200 >> 6, 0, 1, 1])  # long, 100 lines on
    table += bytes([0x80 | 13 << 3, 3 << 1 | 1])  # no columns, three lines back
    assert line_from_location_table(table, 10, offset) == line


@pytest.mark.parametrize(
    ("version", "decoder"),
    [
        ((3, 8), line_from_lnotab),
        ((3, 9), line_from_lnotab),
        ((3, 10), line_from_line_table),
        ((3, 11), line_from_location_table),
        ((3, 15), line_from_location_table),
    ],
)
def test_version_chooses_the_format(version: tuple[int, int], decoder: object) -> None:
    assert line_decoder(layout_for(version).kinds.line_table) is decoder


@pytest.mark.parametrize(
    "decode", [line_from_lnotab, line_from_line_table, line_from_location_table]
)
@pytest.mark.parametrize("table", [b"", b"\x00", b"\xff", b"\x7f" * 99, b"\xff" * 99, b"\x00" * 99])
def test_damaged_table_gives_an_answer_and_no_exception(decode, table: bytes) -> None:
    assert isinstance(decode(table, 1, 10**9), int | None)
