"""What has changed in a process's own memory since it was copied: written, discarded, moved."""

from __future__ import annotations

import errno
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from heapgraph.capture.live.written_pages import PAGE_TABLE_BYTES, first_pages
from heapgraph.capture.process.maps import HUGE, Mapping, parse_listing, read_maps
from heapgraph.capture.process.page_ranges import (
    as_ranges,
    common,
    missing,
    total_bytes,
    united,
    within_gap,
)
from heapgraph.capture.process.pagemap import PAGE
from heapgraph.capture.process.permissions import explain_refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from heapgraph.capture.live.written_pages import WrittenPages

Array: TypeAlias = npt.NDArray[Any]

_END_OF_USER_SPACE = 1 << 63
_HUGE_PAGES = "/anon_hugepage"

_JOINED_GAP = 3 * PAGE
"""Up to here it is cheaper to copy what lies between two pages than to copy them apart."""


@dataclass(frozen=True)
class Moment:
    """What is known of a process's memory at one moment.

    Attributes:
        listing: its mappings as the kernel lists them.
        maps: the same, parsed.
        own: ranges of pages of private mappings that the process itself filled.
        written: those among them that were written to since the bits were cleared.
        markers: one of its own pages under each page table.
        frames: where the contents of those are; another frame: the memory was moved.
    """

    listing: bytes
    maps: list[Mapping]
    own: Array
    written: Array
    markers: Array
    frames: Array


@dataclass(frozen=True)
class Changes:
    """How a copy differs from a later moment.

    Attributes:
        stale: ranges to be copied again.
    """

    stale: Array

    @property
    def stale_bytes(self) -> int:
        """Bytes to be copied again."""
        return total_bytes(self.stale)


def is_copied_whole(mapping: Mapping) -> bool:
    """True where the pages that are still the file's are copied too; never pages of hugetlbfs."""
    return mapping.is_own and mapping.is_file and not mapping.path.startswith(_HUGE_PAGES)


def look_at(pid: int, pages: WrittenPages, before: Moment | None) -> Moment:
    """Look at a process now.

    Args:
        pid: the process; it may run.
        pages: its pages.
        before: an earlier moment: what was copied then is followed, even where it may no longer be
            written to, and the same markers are looked at.

    Raises:
        TargetNotFound: it has ended.
        OSError: it may not be looked at.

    Cost: that of `WrittenPages.look`, 5 us a mapping when they have changed, 1 us for 2 MiB.
    """
    listing = _read_listing(pid)
    is_same = before is not None and before.listing == listing
    maps = before.maps if before is not None and is_same else parse_listing(listing)
    chosen = [mapping for mapping in maps if mapping.is_own]
    if before is not None and not is_same:
        followed = own_ranges(before.maps)
        chosen += [each for each in maps if not each.is_own and _overlaps(each, followed)]
    own, written = [], []
    for of_files in (False, True):
        ranges = as_ranges((m.start, m.end) for m in chosen if m.is_file is of_files)
        found = pages.look(ranges, of_files=of_files)
        own.append(found[0])
        written.append(found[1])
    all_own = united(*own)
    markers = _choose_markers(all_own, before)
    return Moment(listing, maps, all_own, united(*written), markers, pages.frames(markers))


def compare(before: Moment, now: Moment, unmarked: Array) -> Changes:
    """What has to be copied again.

    Args:
        before: between the moment at which the bits were cleared and the copy.
        now: later.
        unmarked: ranges where writes are not marked.

    Returns:
        The changes. A page counts as stale when it was written to, became the process's own, lies
        in a mapping that was not there, or where page tables were moved to.

    Cost: some 50 ns a range, 10 us a mapping when they have changed.
    """
    stale = [
        now.written,
        missing(now.own, before.own),
        common(now.own, united(unmarked, _moved(before, now))),
    ]
    if now.maps is not before.maps:
        unchanged = _unchanged(before.maps, now.maps)
        new = missing(own_ranges(now.maps), unchanged)
        stale += [
            common(now.own, new),
            common(new, ranges_of(now.maps, is_copied_whole)),
            _of_other_kind(before.maps, now.maps, unchanged),
        ]
    mapped = ranges_of(now.maps, lambda mapping: mapping.permissions.startswith("r"))
    # What the process filled in a file's mapping and discarded is the file's again.
    lost = missing(before.own, now.own)
    stale.append(common(lost, ranges_of(now.maps, is_copied_whole)))
    again = united(*stale)
    # Never over what is not filled: to read that would map pages of zeros into the process.
    joined = common(within_gap(again, _JOINED_GAP), united(now.own, again))
    return Changes(common(joined, mapped))


def marked_whole(now: Moment) -> int:
    """Bytes of a process's own in large mappings of which every page counts as written.

    The kernel marks a mapping as a whole when it is new, and also when it has grown.
    """
    unwritten = missing(now.own, now.written)
    total = 0
    for mapping in now.maps:
        if mapping.is_own and mapping.end - mapping.start >= PAGE_TABLE_BYTES:
            whole = np.array([(mapping.start, mapping.end)], np.int64)
            if not len(common(unwritten, whole)):
                total += total_bytes(common(now.own, whole))
    return total


def unmarked_ranges(pid: int) -> Array:
    """Ranges of a process in which the kernel does not mark what is written: huge pages of a pool.

    Cost: that of `read_maps` with sizes.
    """
    return ranges_of(read_maps(pid), lambda mapping: HUGE in mapping.flags)


def ranges_of(maps: Iterable[Mapping], is_wanted: Callable[[Mapping], bool]) -> Array:
    """The addresses of some of the mappings; the kernel's own half of the addresses is left out."""
    return as_ranges(
        (mapping.start, mapping.end)
        for mapping in maps
        if mapping.end < _END_OF_USER_SPACE and is_wanted(mapping)
    )


def own_ranges(maps: Iterable[Mapping]) -> Array:
    """The addresses of what is copied: private memory that may be written to."""
    return ranges_of(maps, lambda mapping: mapping.is_own)


def _read_listing(pid: int) -> bytes:
    try:
        listing = Path(f"/proc/{pid}/maps").read_bytes()
    except OSError as error:
        raise explain_refusal(pid, error.errno or 0) from error
    if not listing:  # it is a zombie
        raise explain_refusal(pid, errno.ESRCH)
    return listing


def _choose_markers(own: Array, before: Moment | None) -> Array:
    """A page under each page table: the one of before where it is still the process's own."""
    first = first_pages(own)
    if before is None or not len(before.markers) or not len(first):
        return first
    row = np.maximum(np.searchsorted(own[:, 0], before.markers, side="right") - 1, 0)
    is_own = (own[row, 0] <= before.markers) & (before.markers < own[row, 1])
    kept = before.markers[is_own]
    is_new = ~np.isin(first // PAGE_TABLE_BYTES, kept // PAGE_TABLE_BYTES)
    return np.sort(np.concatenate((kept, first[is_new])))


def _overlaps(mapping: Mapping, ranges: Array) -> bool:
    """True when the mapping has a byte of the ranges."""
    if mapping.end >= _END_OF_USER_SPACE:
        return False
    row = int(np.searchsorted(ranges[:, 1], mapping.start, side="right"))
    return row < len(ranges) and bool(ranges[row, 0] < mapping.end)


def _content(mapping: Mapping) -> tuple[object, ...]:
    """What two mappings of the same content at the same address have in common."""
    begin = mapping.start - mapping.offset if mapping.is_file else 0
    return mapping.path, begin, mapping.permissions[-1]


def _unchanged(before: Sequence[Mapping], now: Sequence[Mapping]) -> Array:
    """Where what was copied before is still mapped, by the listings."""
    same = {*before} & {*now}
    earlier = [mapping for mapping in before if mapping.is_own and mapping not in same]
    later = [mapping for mapping in now if mapping not in same]
    parts = [own_ranges(same)]
    for content in {_content(mapping) for mapping in earlier}:
        first, second = (
            as_ranges((m.start, m.end) for m in group if _content(m) == content)
            for group in (earlier, later)
        )
        parts.append(common(first, second))
    return united(*parts)


def _of_other_kind(before: Sequence[Mapping], now: Sequence[Mapping], unchanged: Array) -> Array:
    """Where private memory was copied and something else is mapped now: a file, shared memory."""
    others = ranges_of(now, lambda m: not m.is_own and m.permissions.startswith("r"))
    return missing(common(others, own_ranges(before)), unchanged)


def _moved(before: Moment, now: Moment) -> Array:
    """Pieces under page tables whose marker is not where it was, or is no longer there."""
    _, first, second = np.intersect1d(
        before.markers // PAGE_TABLE_BYTES,
        now.markers // PAGE_TABLE_BYTES,
        assume_unique=True,
        return_indices=True,
    )
    is_same = (before.markers[first] == now.markers[second]) & (
        before.frames[first] == now.frames[second]
    )
    starts = now.markers[second][~is_same] // PAGE_TABLE_BYTES * PAGE_TABLE_BYTES
    return united(np.column_stack((starts, starts + PAGE_TABLE_BYTES)))
