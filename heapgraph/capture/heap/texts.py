"""Texts of many str objects of the frozen moment, whole, in a few passes over all of them.

Previews are for people and cut after 80 characters; what decides something is read here.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from heapgraph.capture.cpython.objects import STR_ENCODINGS
from heapgraph.capture.cpython.type_flags import TypeFlags
from heapgraph.snapshot.plain_tables import PackedTexts
from heapgraph.snapshot.schema import MAX_TEXT_BYTES
from heapgraph.source_files import CUT, MAX_CHARACTERS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from heapgraph.native.memory_reads import MemoryReads

Array: TypeAlias = npt.NDArray[Any]

_MAX_BYTES = 2**26
"""Of all texts of one call; 50,000 functions with their files have 4 MB. What is beyond counts as
unreadable, so that a target with texts without end cannot ask for any amount of memory."""

_ASCII = 128
_WORD = 8


def read_texts(reads: MemoryReads, fields: Mapping[str, int], addresses: Array) -> PackedTexts:
    """Read str objects.

    Args:
        reads: of the frozen moment.
        fields: the layout of its CPython.
        addresses: uint64[n], each once; whether there is a str is looked at first.

    Returns:
        Of each the text, with `CUT` behind the first `MAX_CHARACTERS` of a longer one; empty where
        there is no str, or it cannot be read.

    Cost: 0.5 us each; 1 us where it is not ASCII.
    """
    if not len(addresses):
        return PackedTexts(np.empty(0, np.uint8), np.empty(0, np.int64), np.empty(0, np.int64))
    heads = reads.gather(addresses, fields["uni.ascii_size"])
    state = column_of(heads, fields["uni.state"], np.uint32)
    lengths = column_of(heads, fields["uni.length"], np.uint64)
    widths = (state >> 2 & 7).astype(np.int64)
    is_text = _are_texts(reads, fields, column_of(heads, fields["obj.type"], np.uint64))
    is_text &= np.isin(widths, list(STR_ENCODINGS))
    sizes = np.where(is_text, np.minimum(lengths, MAX_CHARACTERS).astype(np.int64) * widths, 0)
    is_text &= np.cumsum(sizes) <= _MAX_BYTES
    starts = _data_starts(reads, fields, addresses, state)
    parts, end = [np.empty(0, np.uint8)], 0
    begins, encoded_sizes = np.zeros((2, len(addresses)), np.int64)
    for rows in _groups_of_one_size(sizes, is_text & (sizes > 0)):
        data = reads.gather(starts[rows], int(sizes[rows[0]]))
        encoded, lasts = _encoded(data, widths[rows], lengths[rows] > MAX_CHARACTERS)
        parts.append(encoded)
        encoded_sizes[rows] = np.diff(lasts, prepend=0)
        begins[rows] = end + lasts - encoded_sizes[rows]
        end += len(encoded)
    return PackedTexts(np.concatenate(parts), begins, encoded_sizes)


def column_of(heads: Array, offset: int, kind: type[np.generic]) -> Array:
    """One field of the heads of many objects.

    Args:
        heads: uint8[n, bytes], the beginnings of objects.
        offset: of the field, in bytes.
        kind: its type.
    """
    size = np.dtype(kind).itemsize
    values: Array = np.ascontiguousarray(heads[:, offset : offset + size]).view(kind)[:, 0]
    return values


def words_at(reads: MemoryReads, addresses: Array, offsets: Sequence[int]) -> Array:
    """uint64[n, offsets], the words at some offsets of each of n structs."""
    heads = reads.gather(addresses, max(offsets) + _WORD)
    return np.stack([column_of(heads, at, np.uint64) for at in offsets], axis=1)


def _are_texts(reads: MemoryReads, fields: Mapping[str, int], types: Array) -> Array:
    """bool[n]: the type of an object is str, or derived from it."""
    known, place = np.unique(types, return_inverse=True)
    flags = reads.words(known + np.uint64(fields["tp.flags"]), 1)[:, 0]
    is_text = (flags & np.uint64(TypeFlags.UNICODE_SUBCLASS)).astype(np.bool_)
    return np.asarray(is_text[place])


def _data_starts(
    reads: MemoryReads, fields: Mapping[str, int], addresses: Array, state: Array
) -> Array:
    """Where the characters of each str are: behind its head, or in a block of their own."""
    is_ascii = (state >> 6 & 1) != 0
    heads = np.where(is_ascii, fields["uni.ascii_size"], fields["uni.compact_size"])
    starts = addresses + heads.astype(np.uint64)
    apart = np.flatnonzero((state >> 5 & 1) == 0)
    if len(apart):
        starts[apart] = reads.words(addresses[apart] + np.uint64(fields["uni.data"]), 1)[:, 0]
    return starts


def _groups_of_one_size(sizes: Array, wanted: Array) -> Iterator[Array]:
    """Rows of texts that can be read together: no byte behind the end of any is touched."""
    rows = np.flatnonzero(wanted)
    rows = rows[np.argsort(sizes[rows], kind="stable")]
    if len(rows):
        yield from np.split(rows, np.flatnonzero(np.diff(sizes[rows])) + 1)


def _encoded(data: Array, widths: Array, is_cut: Array) -> tuple[Array, Array]:
    """Texts of one size as UTF-8, and where each ends; empty for what is no text, or all zeros."""
    size = data.shape[1]
    if not is_cut.any() and (widths == 1).all() and data.max() < _ASCII and data.any(axis=1).all():
        return data.reshape(-1), np.arange(size, data.size + 1, size)
    found: list[bytes] = []
    for characters, width, more in zip(data, widths.tolist(), is_cut.tolist(), strict=True):
        text = ""
        if characters.any():
            with suppress(UnicodeDecodeError):
                text = characters.tobytes().decode(STR_ENCODINGS[width], "surrogatepass")
                text += CUT * more
        found.append(text.encode("utf-8", "backslashreplace"))
    return np.frombuffer(b"".join(found), np.uint8), np.cumsum([len(text) for text in found])


def text_column(texts: PackedTexts, rows: Array) -> PackedTexts:
    """A column in which each row has one of a few texts.

    Args:
        texts: what rows can have.
        rows: int64[n], which one each has.

    Returns:
        The texts of all rows together fit into a column of the file: from the row on at which they
        no longer would, they are empty.
    """
    column = texts.take(rows)
    column.sizes[np.cumsum(column.sizes) > MAX_TEXT_BYTES] = 0
    return column
