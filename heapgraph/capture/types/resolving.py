"""Type rules as they hold in one CPython: every place a number, and nothing that it lacks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from heapgraph.capture.types.rule import Blocks, Place, TypeRule


@dataclass(frozen=True)
class ResolvedField:
    """A word that owns a reference: byte offset, name, number of its `EdgeKind`, `EdgeFlags`."""

    offset: int
    name: str
    kind: int
    flags: int


@dataclass(frozen=True)
class ResolvedBuffer:
    """A `Buffer` with byte offsets; `how` is the number of its `BufferCount`."""

    pointer: int
    count: int
    how: int
    item_size: int
    flag: int | None
    in_getsizeof: bool


@dataclass(frozen=True)
class ResolvedRule:
    """A `TypeRule` for one version; what is absent from the version is left out."""

    reader: str
    scan_from: int | None
    fields: tuple[ResolvedField, ...]
    buffers: tuple[ResolvedBuffer, ...]
    blocks: Blocks | None
    borrowed: tuple[int, ...]


def resolve(
    rule: TypeRule, layout: Mapping[str, int], version: tuple[int, int, int]
) -> ResolvedRule:
    """Say what a rule means for one CPython.

    Args:
        rule: a type's.
        layout: byte offsets by field name.
        version: (major, minor, micro).
    """
    blocks = rule.blocks
    return ResolvedRule(
        rule.reader,
        None if rule.scan_from is None else _offset(rule.scan_from, layout),
        tuple(_fields(rule, layout, version)),
        tuple(_buffers(rule, layout, version)),
        blocks if blocks is not None and version >= blocks.since else None,
        tuple(offset for place in rule.borrowed if (offset := _offset(place, layout)) is not None),
    )


def _offset(place: Place, layout: Mapping[str, int]) -> int | None:
    return layout.get(place) if isinstance(place, str) else place


def _fields(
    rule: TypeRule, layout: Mapping[str, int], version: tuple[int, int, int]
) -> Iterator[ResolvedField]:
    for field in rule.fields:
        offset = _offset(field.where, layout)
        if offset is not None:
            flags = int(field.flags_in(version))
            yield ResolvedField(offset, field.name, int(field.kind), flags)


def _buffers(
    rule: TypeRule, layout: Mapping[str, int], version: tuple[int, int, int]
) -> Iterator[ResolvedBuffer]:
    for buffer in rule.buffers:
        pointer, count = _offset(buffer.pointer, layout), _offset(buffer.count, layout)
        if pointer is None or count is None or not buffer.exists_in(version):
            continue
        flag = None if buffer.flag is None else _offset(buffer.flag, layout)
        yield ResolvedBuffer(
            pointer, count, int(buffer.how), buffer.item_size, flag, buffer.in_getsizeof
        )
