"""docs/file-format.md says what the code does."""

from __future__ import annotations

import re
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

from heapgraph.model import (
    NO_LABEL,
    NO_ROW,
    EdgeFlags,
    EdgeKind,
    NativeGrade,
    NativeKind,
    ObjectFlags,
    RegionKind,
    RootKind,
)
from heapgraph.snapshot.manifest import SHAPE
from heapgraph.snapshot.schema import FORMAT_VERSION, MANIFEST_MEMBER, ROW_GROUP_ROWS, TABLES
from helpers.heaps import draw_heap
from helpers.snapshot_files import sample_heap

if TYPE_CHECKING:
    from enum import IntEnum, IntFlag

DOCUMENT = (Path(__file__).parents[3] / "docs" / "file-format.md").read_text()

TYPE_NAMES = {pa.string(): "string", pa.bool_(): "bool"}


def section(title: str) -> str:
    """Return the text below a heading, up to the next heading of any level."""
    match = re.search(
        rf"^#+ {re.escape(title)}\n(.*?)(?=^#+ |\Z)", DOCUMENT, re.DOTALL | re.MULTILINE
    )
    assert match is not None, title
    return match[1]


def rows_of(text: str) -> list[list[str]]:
    """Return the cells of every table row in a text."""
    return [
        [cell.strip() for cell in line.strip().strip("|").split("|")]
        for line in text.splitlines()
        if line.startswith("|")
    ]


@pytest.mark.parametrize("name", TABLES)
def test_every_column_is_described(name: str):
    """Given a table of the schema, then its section lists its columns in order with their types."""
    described = [(row[0], row[1]) for row in rows_of(section(name)) if row[0].startswith("`")]
    assert described == [
        (
            f"`{column.name}`",
            TYPE_NAMES.get(column.type, str(column.type)) + (" or null" if column.nullable else ""),
        )
        for column in TABLES[name].schema
    ]
    assert all(row[2] for row in rows_of(section(name)))


@pytest.mark.parametrize(
    "enumeration",
    [EdgeKind, EdgeFlags, ObjectFlags, RootKind, RegionKind, NativeKind, NativeGrade],
)
def test_every_value_of_an_enumeration_is_described(enumeration: type[IntEnum | IntFlag]):
    """Given a kind or flag, then the table below the enumeration's name has it with its number."""
    after = DOCUMENT.split(f"`heapgraph.model.{enumeration.__name__}`", 1)[1]
    table = after.split("\n\n")[1]
    described = [(row[0], row[1]) for row in rows_of(table)[2:]]
    assert described == [(member.name, str(member.value)) for member in enumeration]


def keys_of(shape: dict[str, Any], prefix: str = "") -> list[str]:
    """Return the dotted keys of a manifest's shape."""
    keys: list[str] = []
    for key, inner in shape.items():
        keys += keys_of(inner, f"{prefix}{key}.") if isinstance(inner, dict) else [prefix + key]
    return keys


def test_every_key_of_the_manifest_is_described():
    """Given the keys the reader insists on, then each is in the document, and no other."""
    members: Any = SHAPE["members"]
    shape = SHAPE | {"members": {"NAME": next(iter(members.values()))}}
    described = re.findall(
        r"`([\w.]+)`", "".join(row[0] + " " for row in rows_of(section(MANIFEST_MEMBER)))
    )
    assert described == keys_of(shape)


def test_members_and_constants_are_described(tmp_path: Path):
    """Given names, reserved values and the mode of the file, then the document has them."""
    listed = re.findall(r"^    (\w+\.(?:json|parquet)) +\S", DOCUMENT, re.MULTILINE)
    assert listed == [MANIFEST_MEMBER, *(layout.member for layout in TABLES.values())]
    assert f"format version {FORMAT_VERSION}" in DOCUMENT
    assert f"{ROW_GROUP_ROWS:,} rows" in DOCUMENT
    assert f"{NO_ROW} (`NO_ROW`)" in DOCUMENT
    assert f"{NO_LABEL} (`NO_LABEL`)" in DOCUMENT
    mode = stat.S_IMODE(sample_heap().write(tmp_path / "a.heapgraph").stat().st_mode)
    assert f"mode {mode:04o}" in DOCUMENT


def test_the_example_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """Given the example that needs only what heapgraph needs, then it prints what is true."""
    heap = draw_heap("* -> small, other -> large(1000)")
    heap.write(tmp_path / "app.heapgraph")
    monkeypatch.chdir(tmp_path)
    examples = re.findall(r"```python\n(.*?)```", DOCUMENT, re.DOTALL)
    example = next(text for text in examples if "pyarrow" in text)
    exec(compile(example, "example", "exec"), {})
    ids = [heap.ids[name] for name in ("small", "other")]
    assert capsys.readouterr().out == f"referrers of the largest object: [{ids[0]} {ids[1]}]\n"
