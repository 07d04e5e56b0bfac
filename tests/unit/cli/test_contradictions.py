"""Whole files with values that cannot be: commands answer, or say that the file is damaged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest

from heapgraph.errors import SnapshotFormatError
from heapgraph.graph.heap_graph import HeapGraph
from heapgraph.model import EdgeKind
from heapgraph.snapshot.manifest import SHAPE
from heapgraph.snapshot.schema import TABLES
from heapgraph.tui.state import Session
from helpers.arrow_tables import table_from_rows
from helpers.browser import quiet
from helpers.cli import invoke
from helpers.interpreters import is_exhaustive
from helpers.recorded_reads import recorded_reads
from helpers.snapshot_files import repack, sample_heap

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SQL_TABLES = ("named_refs", "roots", "frames", "threads", "types", "maps", "objects")
VERIFY = ("verify",)
COMMANDS = (
    ("summary",),
    ("histogram",),
    ("dominators",),
    ("path", "type:*"),
    ("show", "@2"),
    ("suspects",),
    ("threads",),
    ("waste",),
    ("memory",),
    ("sql", "select * from " + " positional join ".join(SQL_TABLES)),
    ("svg", "@2", "-o", "{folder}/x.svg", "--force"),
    VERIFY,
)
"""Every question about one snapshot; the file's name is put in behind the command."""

NOT_AS_PROMISED, DAMAGED = 1, 4
NUMBERS = [
    (layout.name, column.name, column.type)
    for layout in TABLES.values()
    for column in layout.schema
    if pa.types.is_integer(column.type)
]


def answer(path: Path, command: tuple[str, ...]) -> int:
    """The exit code of one command, which may only answer or refuse the file in three parts."""
    name, *arguments = (word.format(folder=path.parent) for word in command)
    outcome = invoke(name, path, *arguments)
    if name == "verify" and outcome.code == NOT_AS_PROMISED:  # said in its table
        return outcome.code
    assert outcome.code in (0, DAMAGED), (command, outcome.stderr)
    assert len(outcome.error) == (3 if outcome.code else 0), (command, outcome.stderr)
    return outcome.code


@pytest.fixture(scope="module")
def commands_by_column(tmp_path_factory) -> dict[tuple[str, str], list[tuple[str, ...]]]:
    """The commands that read a column, with nothing kept from before: it cannot change others.

    `verify` is always among them; in the long form all are, whatever they read.
    """
    folder = tmp_path_factory.mktemp("sound")
    path = sample_heap().write(folder / "a.heapgraph")
    found = {column[:2]: [] for column in NUMBERS}
    for command in COMMANDS:
        with recorded_reads() as reads, pytest.MonkeyPatch.context() as patch:
            patch.setenv("HEAPGRAPH_CACHE", str(folder / command[0]))
            answer(path, command)
        everything = command == VERIFY or is_exhaustive()
        for column in found if everything else found.keys() & reads:
            found[column].append(command)
    return found


def with_value(path: Path, table: str, column: str, row: int, value: int) -> Path:
    """A file with right checksums in which one number of the sample heap is another one."""
    heap = sample_heap()
    rows = heap.tables()[table].to_pylist()
    rows[row][column] = value
    tables = heap.tables() | {table: table_from_rows(table, rows)}
    heap.tables = lambda: tables  # type: ignore[method-assign]
    return heap.write(path, force=True)


def extremes(data_type: pa.DataType, *, rows: int) -> Iterator[int]:
    """The largest value, or the smallest where it is negative, and one past the end of a table."""
    limits = np.iinfo(data_type.to_pandas_dtype())
    yield int(limits.min or limits.max)
    yield rows


@pytest.mark.parametrize(("table", "column", "data_type"), NUMBERS)
def test_no_number_is_a_defect(
    tmp_path: Path, commands_by_column, table: str, column: str, data_type: pa.DataType
):
    """Given one number of any table at its extremes, then no command stumbles over it.

    `verify` sees both extremes of a column, every other command one of them, by turns.
    """
    place = NUMBERS.index((table, column, data_type))
    path = tmp_path / "a.heapgraph"
    most_rows = max(len(rows) for rows in sample_heap().tables().values())
    for turn, value in enumerate(extremes(data_type, rows=most_rows), place):
        with_value(path, table, column, -1, value)
        commands = [
            command
            for number, command in enumerate(commands_by_column[table, column], turn)
            if number % 2 == 0 or command == VERIFY or is_exhaustive()
        ]
        codes = {command[0]: answer(path, command) for command in commands}
        of_others = {code for name, code in codes.items() if name != "verify"}
        assert codes["verify"] == DAMAGED or of_others <= {0}, codes


@pytest.mark.parametrize(
    ("kind", "table"),
    [(EdgeKind.VALUE, "objects"), (EdgeKind.ATTRIBUTE, "objects"), (EdgeKind.SLOT, "names")],
)
def test_labels_are_checked_where_they_are_used(tmp_path: Path, kind: EdgeKind, table: str):
    """Given a label of an object or a name that is not there, then nobody gets it."""
    tables = sample_heap().tables()
    row = tables["references"].column("kind").to_pylist().index(int(kind))
    first_wrong = tables[table].num_rows
    with_value(path := tmp_path / "a.heapgraph", "references", "label", row, first_wrong)
    for command in COMMANDS:
        answer(path, command)
    said = f"label is {first_wrong} at row {row}, but only {first_wrong} exist"
    with pytest.raises(SnapshotFormatError, match=said):
        HeapGraph.open(path).reference(row)
    with pytest.raises(SnapshotFormatError, match=said):
        Session(str(path), HeapGraph.open(path)).prepare(quiet)


def test_a_frame_of_no_thread_is_found_before_it_is_shown(tmp_path: Path):
    """Given a frame of a thread that is not there, then the browser says so while it opens."""
    path = with_value(tmp_path / "a.heapgraph", "frames", "thread", 0, 7)
    with pytest.raises(SnapshotFormatError, match="thread is 7 at row 0, but only 1 exist"):
        Session(str(path), HeapGraph.open(path)).prepare(quiet)


def keys_of(shape: dict[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The way to every key of a manifest."""
    for key, inner in shape.items():
        yield (*above, key)
        if isinstance(inner, dict) and key != "members":
            yield from keys_of(inner, (*above, key))


WRONG_VALUES: tuple[Any, ...] = (
    None,
    True,
    float("nan"),
    float("inf"),
    -1,
    2**63,
    10**400,
    "x\x1b[31m\ud800",
    [1],
    [None, "\ud800"],
    {"a": "x", "\ud800": -1},
)


@pytest.mark.parametrize("key", list(keys_of(SHAPE)), ids="/".join)
def test_no_value_of_the_manifest_is_a_defect(tmp_path: Path, key: tuple[str, ...]):
    """Given any key of the manifest with a value that cannot be, then it is refused, or shown."""
    path = sample_heap().write(tmp_path / "a.heapgraph")
    whole = path.read_bytes()
    for value in WRONG_VALUES:
        path.write_bytes(whole)
        repack(path, change=lambda manifest, value=value: set_key(manifest, key, value))
        for command in (("summary",), ("summary", "--json"), ("histogram",)):
            if answer(path, command) == DAMAGED:
                break


def set_key(manifest: dict[str, Any], key: tuple[str, ...], value: object) -> None:
    """Change one key of a manifest in place."""
    for step in key[:-1]:
        manifest = manifest[step]
    manifest[key[-1]] = value


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("capture/pause_ms", float("nan"), "it is not JSON (NaN is no number)"),
        ("capture/pause_ms", -0.5, "capture.pause_ms is -0.5, which cannot be"),
        ("target/rss", 2**63, "target.rss is 9223372036854775808, which cannot be"),
        ("target/command_line", ["a", 1], "target.command_line[1] is 1, of the wrong type"),
        ("quality/reasons", [None], "quality.reasons[0] is null, of the wrong type"),
        ("quality/scanned_types", {"x": -1}, 'quality.scanned_types["x"] is -1, which cannot be'),
        ("capture/phases", {"walk": "1"}, 'capture.phases["walk"] is "1", of the wrong type'),
    ],
)
def test_the_wrong_value_is_named(tmp_path: Path, key: str, value: object, said: str):
    """Given a wrong value inside a list or an object, then the error says where and what."""
    path = sample_heap().write(tmp_path / "a.heapgraph")
    repack(path, change=lambda manifest: set_key(manifest, tuple(key.split("/")), value))
    outcome = invoke("summary", path)
    assert outcome.code == DAMAGED
    assert said in outcome.error[0]
