"""The walker reads each field of a struct at the width and sign that C gives it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from heapgraph.capture.cpython.layouts import layout_for
from helpers.interpreters import MINORS

WALKER = Path(__file__).resolve().parents[3] / "native" / "walker"
WIDTHS = {
    "u64_at": ("u8", "i8"),
    "i64_at": ("u8", "i8"),
    "u32_at": ("u4",),
    "u8_at": ("u1",),
    "read<i32>": ("i4",),
    "read<i8>": ("i1",),
    "read<double>": ("u8",),
}
"""How a view is read, and of which fields: those without a width are words."""

_LAYOUT = r"(?:\w+ \+ )?(?:reader\.layout\(\)|layout_?)"
READ = re.compile(rf"\.(u64_at|i64_at|u32_at|u8_at|read<\w+>)\({_LAYOUT}\.(\w+)\)")


def reads() -> list[tuple[str, str, str]]:
    """(file, how, member) of each read of one field of the layout."""
    sources = [path for path in WALKER.rglob("*.cpp") if "tests" not in path.parts]
    return [
        (path.name, how, member)
        for path in sources
        for how, member in READ.findall(path.read_text())
    ]


@pytest.mark.parametrize("minor", MINORS)
def test_each_field_is_read_as_it_is(minor: int) -> None:
    header = (WALKER / "types" / "layout.hpp").read_text()
    names = dict(re.findall(r'X\((\w+), "([\w.]+)"\)', header))
    layout = layout_for((3, minor))
    found = reads()
    wrong = [
        f"{file}: {how}({member}) of {layout.widths.get(names[member], 'u8')}"
        for file, how, member in found
        if names[member] in layout.fields
        and layout.widths.get(names[member], "u8") not in WIDTHS[how]
    ]
    assert len(found) > 100
    assert wrong == []
