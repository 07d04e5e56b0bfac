"""Writes what the tests of the walker know of CPython: what a capture would teach it.

    python scripts/write_walker_tables.py FOLDER 3.9.18 3.12.1 ...

Each version has a file of its own in FOLDER, e.g. 3.9.18: the offsets of its layout, and the rules
of types as they hold in it. A line is one thing, its words separated by tabs; field, buffer and
blocks belong to the rule above them:

    offset  NAME BYTES
    rule    TP_NAME READER SCAN_FROM            an offset that is not there is -1
    field   OFFSET KIND FLAGS NAME
    buffer  POINTER COUNT HOW ITEM_SIZE FLAG IN_GETSIZEOF
    blocks  DEPTH RAW_DEPTH CONTENTS REFERENCE_DEPTH
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, cast
from unittest.mock import patch

from heapgraph.capture.cpython.layouts import layout_for
from heapgraph.capture.heap import walk
from heapgraph.native.heap_walker import ABSENT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class RuleLog:
    """Stands in for the walker while it is taught, and keeps what it is told."""

    def __init__(self, *memory_and_layout: object) -> None:
        """Take the layout; there is no memory to read."""
        layout = cast("Mapping[str, int]", memory_and_layout[-1])
        self._offsets = [("offset", *item) for item in layout.items()]
        self._names: list[str] = []
        self._of_rule: dict[str, list[tuple[object, ...]]] = {}

    def name_row(self, name: str) -> int:
        """Row of a name; it is looked up again when a rule names the row."""
        self._names.append(name)
        return len(self._names) - 1

    def add_rule(
        self,
        tp_name: str,
        reader: str,
        scan_from: int | None,
        fields: Sequence[tuple[int, int, int, int]],
    ) -> None:
        """See `HeapWalker.add_rule`."""
        rule = ("rule", tp_name, reader, ABSENT if scan_from is None else scan_from)
        named = [("field", at, kind, flags, self._names[row]) for at, row, kind, flags in fields]
        self._of_rule[tp_name] = [rule, *named]

    def add_buffer(self, tp_name: str, *numbers: int, flag: int | None, in_getsizeof: bool) -> None:
        """See `HeapWalker.add_buffer`."""
        last = (ABSENT if flag is None else flag, int(in_getsizeof))
        self._of_rule[tp_name].append(("buffer", *numbers, *last))

    def set_blocks(self, tp_name: str, *numbers: int) -> None:
        """See `HeapWalker.set_blocks`."""
        self._of_rule[tp_name].append(("blocks", *numbers))

    def text(self) -> str:
        """The whole table."""
        rows = [*self._offsets, *(line for rule in self._of_rule.values() for line in rule)]
        return "".join("\t".join(map(str, row)) + "\n" for row in rows)


def table_of(version: tuple[int, int, int]) -> str:
    """What a capture of this CPython version would teach the walker."""
    logs: list[RuleLog] = []

    def log(*arguments: object) -> RuleLog:
        logs.append(RuleLog(*arguments))
        return logs[-1]

    with patch.object(walk, "HeapWalker", log):
        walk.HeapWalk([], layout_for(version[:2]), version, [])
    return logs[0].text()


def main() -> None:
    """Write a file for each version of the command line."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name in sys.argv[2:]:
        major, minor, micro = map(int, name.split("."))
        (folder / name).write_text(table_of((major, minor, micro)), encoding="utf-8")


if __name__ == "__main__":
    main()
