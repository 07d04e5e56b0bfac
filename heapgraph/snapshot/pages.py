"""How much the pages of a Parquet file unpack to, as each page says itself.

The footer of a file says it as well, but it is the page that is believed when it is decoded: a
footer of a few kilobytes and one page of a gigabyte would go together.

Source: the compact protocol of Apache Thrift (doc/specs/thrift-compact-protocol.md), and PageHeader
in parquet.thrift of Apache Parquet.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow.parquet as pq

_UNPACKED, _PACKED = 2, 3
"""Fields of a PageHeader: bytes of the page without and with its compression."""

_TRUE, _FALSE, _BYTE, _I16, _I32, _I64, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = range(1, 13)
_MAX_HEADER_BYTES = 1 << 16
"""Of one header; with statistics of long texts some kilobytes, and heapgraph writes none."""

_USUAL_HEADER_BYTES = 1 << 8

_MAX_NESTING = 8
_LONGEST_NUMBER = 10


class BadPage(ValueError):
    """No page begins here."""


def unpacked_size(image: memoryview, column: pq.ColumnChunkMetaData) -> int:
    """Bytes that the pages of one column of one row group unpack to.

    Args:
        image: the Parquet file.
        column: where the pages are, from the footer.

    Raises:
        BadPage: they are not there.

    Cost: some 20 us per page of a megabyte.
    """
    start = column.data_page_offset
    if column.has_dictionary_page and column.dictionary_page_offset:
        start = min(start, column.dictionary_page_offset)
    end = start + column.total_compressed_size
    if not 0 <= start <= end <= len(image):
        raise BadPage("its pages lie outside of the file")
    total = 0
    for unpacked in _pages(image, start, end):
        total += unpacked
    return total


def _pages(image: memoryview, start: int, end: int) -> Iterator[int]:
    while start < end:
        header, sizes = _header_at(image, start, end)
        packed, unpacked = sizes.get(_PACKED, -1), sizes.get(_UNPACKED, -1)
        if packed < 0 or unpacked < 0:
            raise BadPage("a page does not say how large it is")
        yield unpacked
        start += header.place + packed
    if start != end:
        raise BadPage("its last page does not end where the next column begins")


def _header_at(image: memoryview, start: int, end: int) -> tuple[_Header, dict[int, int]]:
    """The header of a page and the numbers in it."""
    with suppress(BadPage):  # perhaps for want of bytes
        header = _Header(bytes(image[start : min(end, start + _USUAL_HEADER_BYTES)]))
        return header, header.numbers()
    header = _Header(bytes(image[start : min(end, start + _MAX_HEADER_BYTES)]))
    return header, header.numbers()


class _Header:
    """Reads one struct of the compact protocol.

    Attributes:
        place: behind what was read.
    """

    def __init__(self, data: bytes) -> None:
        """Begin at the first byte."""
        self.place = 0
        self._data = data

    def numbers(self) -> dict[int, int]:
        """The numbers among the fields, by the number of the field; everything else is skipped."""
        found: dict[int, int] = {}
        for field, kind in self._fields():
            if kind in (_I16, _I32, _I64):
                value = self._varint()
                found[field] = (value >> 1) ^ -(value & 1)
            else:
                self._skip(kind, 0)
        return found

    def _fields(self) -> Iterator[tuple[int, int]]:
        field = 0
        while byte := self._byte():
            step, kind = byte >> 4, byte & 15
            if step:
                field += step
            else:
                value = self._varint()
                field = (value >> 1) ^ -(value & 1)
            yield field, kind

    def _skip(self, kind: int, nesting: int) -> None:
        if nesting > _MAX_NESTING:
            raise BadPage("the header of a page is nested too deep")
        if kind in (_I16, _I32, _I64):
            self._varint()
        elif kind == _BYTE:
            self._byte()
        elif kind == _DOUBLE:
            self.place += 8
        elif kind == _BINARY:
            length = self._varint()  # first: it moves the place itself
            self.place += length
        elif kind in (_LIST, _SET):
            self._skip_list(nesting)
        elif kind == _STRUCT:
            for _, inner in self._fields():
                self._skip(inner, nesting + 1)
        elif kind not in (_TRUE, _FALSE):  # a map: no header of a page has one
            raise BadPage("the header of a page has an unknown field")

    def _skip_list(self, nesting: int) -> None:
        byte = self._byte()
        count = byte >> 4 if byte >> 4 != 15 else self._varint()  # noqa: PLR2004 - by the protocol
        kind = byte & 15
        for _ in range(min(count, len(self._data))):
            if kind in (_TRUE, _FALSE):
                self._byte()
            else:
                self._skip(kind, nesting + 1)

    def _varint(self) -> int:
        value = 0
        for position in range(_LONGEST_NUMBER):
            byte = self._byte()
            value |= (byte & 127) << (7 * position)
            if byte < 128:  # noqa: PLR2004 - the bit that says that more follows
                return value
        raise BadPage("the header of a page has a number without an end")

    def _byte(self) -> int:
        if not 0 <= self.place < len(self._data):
            raise BadPage("the header of a page is cut short")
        byte = self._data[self.place]
        self.place += 1
        return byte
