"""From a place in the bytecode to a line of the source, for the three table formats since 3.8.

An offset is always in bytes from the start of the bytecode; -1 is before the first instruction.
Every function returns None where the compiler recorded no line (code it made up itself).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from heapgraph.capture.cpython.layouts.kinds import LineTable

if TYPE_CHECKING:
    from collections.abc import Callable

_CODE_UNIT = 2  # bytes of one instruction since 3.6

_NO_LINE_DELTA = -128  # 3.10: a range that belongs to no line

# 3.11: the kind of an entry is in bits 3-6 of its first byte. Kinds 0-9 stay on the line.
_FIRST_ONE_LINE, _LAST_ONE_LINE = 10, 12
_LINE_ONLY = 13
_LONG = 14
_NO_LOCATION = 15


def line_from_lnotab(table: bytes, first_line: int, offset: int) -> int | None:
    """Line of a bytecode offset by the co_lnotab of 3.8 and 3.9.

    Args:
        table: pairs of (bytes to go on, signed lines to go on).
        first_line: co_firstlineno.
        offset: bytes from the start of the bytecode.

    Returns:
        The line; in this format every offset has one.

    Cost: one step per pair before the offset.
    Source: Objects/lnotab_notes.txt of 3.9.
    """
    line, address = first_line, 0
    for index in range(0, len(table) - 1, 2):
        address += table[index]
        if address > offset:
            break
        line += _signed(table[index + 1])
    return line


def line_from_line_table(table: bytes, first_line: int, offset: int) -> int | None:
    """Line of a bytecode offset by the co_linetable of 3.10.

    Args:
        table: pairs of (length of the range in bytes, signed lines to go on; -128 for no line).
        first_line: co_firstlineno.
        offset: bytes from the start of the bytecode.

    Returns:
        The line, or None for a range without one or an offset behind the table.

    Cost: one step per range before the offset.
    Source: Objects/lnotab_notes.txt of 3.10.
    """
    if offset < 0:
        return first_line
    line, end = first_line, 0
    for index in range(0, len(table) - 1, 2):
        end += table[index]
        delta = _signed(table[index + 1])
        if delta != _NO_LINE_DELTA:
            line += delta
        if offset < end:
            return None if delta == _NO_LINE_DELTA else line
    return None


def line_from_location_table(table: bytes, first_line: int, offset: int) -> int | None:
    """Line of a bytecode offset by the location table of 3.11 and later.

    Args:
        table: entries whose first byte has bit 7 set; the other bytes have it clear.
        first_line: co_firstlineno.
        offset: bytes from the start of the bytecode.

    Returns:
        The line, or None for an entry without one or an offset behind the table.

    Cost: one step per entry before the offset.
    Source: Objects/locations.md of 3.11, InternalDocs/code_objects.md of 3.14.
    """
    if offset < 0:
        return first_line
    line, end, position = first_line, 0, 0
    while position < len(table):
        head = table[position]
        kind = head >> 3 & 15
        line += _line_delta(table, position + 1, kind)
        end += ((head & 7) + 1) * _CODE_UNIT
        if offset < end:
            return None if kind == _NO_LOCATION else line
        position += 1
        while position < len(table) and not table[position] & 0x80:
            position += 1
    return None


_DECODERS = {
    LineTable.LNOTAB: line_from_lnotab,
    LineTable.LINES: line_from_line_table,
    LineTable.LOCATIONS: line_from_location_table,
}


def line_decoder(kind: LineTable) -> Callable[[bytes, int, int], int | None]:
    """Choose the function for the tables of one CPython minor version.

    Args:
        kind: of its line tables.
    """
    return _DECODERS[kind]


def _line_delta(table: bytes, position: int, kind: int) -> int:
    if kind in (_LINE_ONLY, _LONG):
        return _signed_varint(table, position)
    if _FIRST_ONE_LINE <= kind <= _LAST_ONE_LINE:
        return kind - _FIRST_ONE_LINE
    return 0


def _signed(byte: int) -> int:
    return byte - 256 if byte > 127 else byte  # noqa: PLR2004 - two's complement of one byte


def _signed_varint(table: bytes, position: int) -> int:
    """Six bits a byte, lowest first, bit 6 while more follow; bit 0 of the whole is the sign."""
    value = shift = 0
    for byte in table[position:]:
        value |= (byte & 63) << shift
        shift += 6
        if not byte & 64:
            break
    return -(value >> 1) if value & 1 else value >> 1
