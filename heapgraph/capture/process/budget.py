"""What a walk may cost: never more than a few times what the target really has in memory.

A target, or a core file, can claim anything: lists of a thousand billion items, terabytes that were
only reserved, one page at three hundred addresses. But every object and every reference of one that
is honest lies in memory of its own, and that much memory somebody has paid for. What is beyond the
budget is left out, and the quality record says so.
"""

from __future__ import annotations

import errno
import os
from bisect import bisect_right
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from heapgraph.capture.process.maps import is_anonymous
from heapgraph.capture.process.page_ranges import without
from heapgraph.capture.process.residency import filled_ranges
from heapgraph.native.walk_budget import WalkBudget
from heapgraph.processor import PROCESSOR
from heapgraph.snapshot.schema import MAX_OBJECTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from heapgraph.capture.process.maps import Mapping
    from heapgraph.native.file_pieces import FilePiece

Array: TypeAlias = npt.NDArray[Any]

WORD_BYTES = 8
"""A reference is at least a word of the target's memory."""

MIN_OBJECT_BYTES = 16
"""An object is at least a reference count and a type."""

FILE_DATA_BYTES = 64 << 20
"""The most that objects in mapped files count for: the data of an interpreter and its libraries,
some 10 MiB. Whoever maps a larger file has not paid for it with memory."""

FILE_READ_BYTES = 256 << 20
"""What may be read of mapped files in any case: their data, and the names of types in between."""

FILE_READ_SHARE = 4
"""How many times of what is in memory of files may be read: a name brings a piece of its file."""

TABLE_READS = 4
"""How often the target's memory may be looked through in tables of objects, in one pass: once by
lists and dicts, once more by what owns blocks without knowing what is in them."""


def budget_of_process(pid: int, maps: Sequence[Mapping]) -> WalkBudget:
    """Look what a process has in memory, before any of it is read.

    Args:
        pid: the frozen process, or one that stands still.
        maps: its mappings with sizes, in address order.

    Cost: that of `filled_ranges`.
    """
    readable = [m for m in maps if "r" in m.permissions and m.end <= PROCESSOR.end_of_user_space]
    ranges = filled_ranges(pid, readable, lambda mapping: not is_anonymous(mapping))
    filled = np.array(ranges, np.int64).reshape(-1, 2)
    private = [mapping for mapping in readable if is_anonymous(mapping)]
    starts = np.array([mapping.start for mapping in private], np.int64)
    ends = np.array([mapping.end for mapping in private], np.int64)
    return _budget(_within(filled, starts, ends), maps, filled)


def budget_of_copy(copied: Sequence[tuple[int, int]], maps: Iterable[Mapping]) -> WalkBudget:
    """Look what there is of a process of which all that it can write to was copied.

    Args:
        copied: page ranges, sorted and disjoint.
        maps: the mappings of that moment with sizes, in address order.
    """
    readable = [m for m in maps if "r" in m.permissions and m.end <= PROCESSOR.end_of_user_space]
    ends = [end for _, end in copied]
    ranges = list(copied)
    for mapping in readable:
        if not mapping.is_own:
            first = bisect_right(ends, mapping.start)
            ranges += without(mapping.start, mapping.end, islice(copied, first, None))
    private = sum(end - start for start, end in copied)
    private += sum(each.rss for each in readable if is_anonymous(each) and not each.is_own)
    return _budget(private, readable, np.array(sorted(ranges), np.int64).reshape(-1, 2))


def budget_of_pieces(pieces: Iterable[FilePiece]) -> WalkBudget:
    """Look what the files have of a target: a core file may be all holes.

    Args:
        pieces: sorted by address and disjoint.

    Cost: two system calls per run of data in the files.
    """
    ranges = [pair for piece in pieces for pair in _data_of(piece)]
    filled = np.array(ranges, np.int64).reshape(-1, 2)
    return _budget(int((filled[:, 1] - filled[:, 0]).sum()), [], filled)


def _budget(private: int, maps: Sequence[Mapping], filled: Array) -> WalkBudget:
    files = [each for each in maps if not is_anonymous(each) and "r" in each.permissions]
    mapped = _file_bytes(files)
    resident = min(mapped, sum(each.rss for each in files) or mapped)
    data = private + min(mapped, FILE_DATA_BYTES)
    return WalkBudget(
        objects=min(data // MIN_OBJECT_BYTES, MAX_OBJECTS),
        references=data // WORD_BYTES,
        table_bytes=TABLE_READS * data,
        image_bytes=private + FILE_READ_BYTES + FILE_READ_SHARE * resident,
        filled=filled,
    )


def _within(ranges: Array, starts: Array, ends: Array) -> int:
    """Bytes of sorted ranges that lie in others, which are sorted too."""
    if not len(ranges) or not len(starts):
        return 0
    before = np.concatenate(([0], np.cumsum(ranges[:, 1] - ranges[:, 0])))

    def below(addresses: Array) -> Array:
        rows = np.searchsorted(ranges[:, 0], addresses, side="right") - 1
        behind = np.maximum(rows, 0)
        inside = np.clip(addresses, ranges[behind, 0], ranges[behind, 1]) - ranges[behind, 0]
        return np.where(rows < 0, 0, before[behind] + inside)

    return int((below(ends) - below(starts)).sum())


def _file_bytes(maps: Iterable[Mapping]) -> int:
    """Bytes of files that are mapped, each of them once however often it is mapped."""
    by_path: dict[str, list[tuple[int, int]]] = {}
    for mapping in maps:
        size = mapping.end - mapping.start
        place = (mapping.offset, mapping.offset + size)
        by_path.setdefault(mapping.path, []).append(place)
    total = 0
    for places in by_path.values():
        places.sort()
        reached = 0
        for start, end in places:
            total += max(0, end - max(start, reached))
            reached = max(reached, end)
    return total


def _data_of(piece: FilePiece) -> list[tuple[int, int]]:
    """What a piece has that is no hole of its file, as addresses."""
    found: list[tuple[int, int]] = []
    at, end = piece.offset, piece.offset + piece.in_file
    position = os.lseek(piece.descriptor, 0, os.SEEK_CUR)  # whoever reads it in order goes on there
    try:
        while at < end:
            start = os.lseek(piece.descriptor, at, os.SEEK_DATA)
            if start >= end:
                break
            at = min(os.lseek(piece.descriptor, start, os.SEEK_HOLE), end)
            found.append((start, at))
    except OSError as error:
        if error.errno != errno.ENXIO:  # nothing but a hole is left
            found = [(piece.offset, end)]
    finally:
        os.lseek(piece.descriptor, position, os.SEEK_SET)
    shift = piece.start - piece.offset
    return [(start + shift, stop + shift) for start, stop in found]
