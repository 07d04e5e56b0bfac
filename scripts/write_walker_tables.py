"""Writes what the tests of the walker know of CPython: what a capture would teach it.

    python scripts/write_walker_tables.py FOLDER 3.9.18 3.12.1 ...

Each version has a file of its own in FOLDER, e.g. 3.9.18: the offsets and kinds of its layout, and
the rules of types as they hold in it. A line is one thing, its words separated by tabs; field,
buffer and blocks belong to the rule above them:

    offset  NAME BYTES
    rule    TP_NAME READER SCAN_FROM            an offset that is not there is -1
    field   OFFSET KIND FLAGS NAME
    buffer  POINTER COUNT HOW ITEM_SIZE FLAG IN_GETSIZEOF
    blocks  DEPTH RAW_DEPTH CONTENTS REFERENCE_DEPTH
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from heapgraph.capture.cpython.layouts import layout_for
from heapgraph.capture.types.resolving import resolve
from heapgraph.capture.types.rules import TYPE_RULES
from heapgraph.native.walker_structs import ABSENT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from heapgraph.capture.types.resolving import ResolvedRule


def lines_of(tp_name: str, rule: ResolvedRule) -> Iterator[tuple[object, ...]]:
    """The rule of a type, and what belongs to it."""
    yield "rule", tp_name, rule.reader, ABSENT if rule.scan_from is None else rule.scan_from
    for field in rule.fields:
        yield "field", field.offset, field.kind, field.flags, field.name
    for buffer in rule.buffers:
        numbers = (buffer.pointer, buffer.count, buffer.how, buffer.item_size)
        flag = ABSENT if buffer.flag is None else buffer.flag
        yield "buffer", *numbers, flag, int(buffer.in_getsizeof)
    if (blocks := rule.blocks) is not None:
        numbers = (blocks.depth, blocks.raw_depth, int(blocks.contents), blocks.reference_depth)
        yield "blocks", *numbers


def table_of(version: tuple[int, int, int]) -> str:
    """What a capture of this CPython version would teach the walker."""
    layout = layout_for(version[:2])
    rows: list[tuple[object, ...]] = [("offset", *item) for item in layout.numbers(version).items()]
    for tp_name, rule in TYPE_RULES.items():
        rows += lines_of(tp_name, resolve(rule, layout.fields, version))
    return "".join("\t".join(map(str, row)) + "\n" for row in rows)


def main() -> None:
    """Write a file for each version of the command line."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name in sys.argv[2:]:
        major, minor, micro = map(int, name.split("."))
        (folder / name).write_text(table_of((major, minor, micro)), encoding="utf-8")


if __name__ == "__main__":
    main()
