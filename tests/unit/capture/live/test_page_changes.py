"""What of a copy is out of date, from two looks at the pages of a process."""

from __future__ import annotations

import numpy as np
import pytest

from heapgraph.capture.live.page_changes import Moment, compare, look_at, marked_whole
from heapgraph.capture.live.written_pages import PAGE_TABLE_BYTES, first_pages
from heapgraph.capture.process.maps import Mapping, parse_listing
from heapgraph.capture.process.page_ranges import as_ranges
from heapgraph.capture.process.pagemap import PAGE

BASE = 64 * PAGE_TABLE_BYTES
TABLE = PAGE_TABLE_BYTES // PAGE  # pages
NOTHING = np.empty((0, 2), np.int64)


def mapping(first: int, end: int, permissions: str = "rw-p", path: str = "", offset: int = 0):
    return Mapping(BASE + first * PAGE, BASE + end * PAGE, permissions, offset, path)


def ranges(*rows: tuple[int, int]):
    return as_ranges((BASE + first * PAGE, BASE + end * PAGE) for first, end in rows)


def moment(maps, own, written=NOTHING, moved: tuple[int, ...] = (), markers=None) -> Moment:
    """A look at pages; `moved`: numbers of the page tables whose contents are elsewhere now."""
    markers = first_pages(own) if markers is None else markers
    frames = np.array(markers // PAGE, np.uint64)
    for table in moved:
        frames[markers // PAGE_TABLE_BYTES == BASE // PAGE_TABLE_BYTES + table] += np.uint64(
            1 << 30
        )
    return Moment(repr(maps).encode(), maps, own, written, markers, frames)


def pages_of(found) -> list[tuple[int, int]]:
    return [tuple(row) for row in ((found - BASE) // PAGE).tolist()]


HEAP = [mapping(0, 3000)]


def test_nothing_has_changed():
    before = moment(HEAP, ranges((0, 900)), ranges((3, 4)))
    changes = compare(before, moment(HEAP, ranges((0, 900))), NOTHING)
    assert changes.stale_bytes == 0


def test_pages_that_were_written_or_filled_are_stale():
    before = moment(HEAP, ranges((0, 900)))
    now = moment(HEAP, ranges((0, 902), (2000, 2001)), ranges((10, 11), (50, 60)))
    changes = compare(before, now, NOTHING)
    assert pages_of(changes.stale) == [(10, 11), (50, 60), (900, 902), (2000, 2001)]


def test_pages_that_were_discarded_are_not_read():
    before = moment(HEAP, ranges((0, 900)))
    now = moment(HEAP, ranges((0, 100), (200, 900)))
    changes = compare(before, now, NOTHING)
    assert changes.stale_bytes == 0


def test_pages_that_lie_close_together_are_copied_in_one_piece():
    before = moment(HEAP, ranges((0, 900)))
    now = moment(HEAP, ranges((0, 900)), ranges((10, 11), (14, 15), (20, 21)))
    assert pages_of(compare(before, now, NOTHING).stale) == [(10, 15), (20, 21)]


def test_what_is_not_filled_is_not_read_to_join_what_is():
    before = moment(HEAP, ranges((0, 900)))
    now = moment(HEAP, ranges((0, 100), (102, 900)), ranges((99, 100), (102, 103)))
    changes = compare(before, now, NOTHING)
    assert pages_of(changes.stale) == [(99, 100), (102, 103)]


def test_memory_that_page_tables_were_moved_to_is_stale_though_nothing_is_marked():
    before = moment(HEAP, ranges((0, 3 * TABLE)))
    now = moment(HEAP, ranges((0, 3 * TABLE)), moved=(1,))
    assert pages_of(compare(before, now, NOTHING).stale) == [(TABLE, 2 * TABLE)]


def test_a_discarded_marker_makes_the_rest_under_its_page_table_stale():
    before = moment(HEAP, ranges((0, 2 * TABLE)))
    now = moment(HEAP, ranges((3, 2 * TABLE)))
    changes = compare(before, now, NOTHING)
    assert pages_of(changes.stale) == [(3, TABLE)]


def test_pages_whose_writes_are_not_marked_are_stale_each_time():
    before = moment(HEAP, ranges((0, 900)))
    changes = compare(before, moment(HEAP, ranges((0, 900))), ranges((100, 200)))
    assert pages_of(changes.stale) == [(100, 200)]


def test_a_mapping_that_has_grown_is_the_same_mapping():
    before = moment(HEAP, ranges((0, 900)))
    now = moment([mapping(0, 4000)], ranges((0, 900)))
    assert compare(before, now, NOTHING).stale_bytes == 0


def test_a_mapping_cut_in_two_with_other_rights_keeps_its_content():
    before = moment(HEAP, ranges((0, 900)))
    parts = [mapping(0, 100), mapping(100, 200, "r--p"), mapping(200, 3000)]
    now = moment(parts, ranges((0, 900)), ranges((150, 151)))
    assert pages_of(compare(before, now, NOTHING).stale) == [(150, 151)]


def test_memory_that_becomes_writable_is_copied():
    maps = [mapping(0, 100), mapping(100, 200, "r--p")]
    before = moment(maps, ranges((0, 100)))
    now = moment([mapping(0, 200)], ranges((0, 200)))
    assert pages_of(compare(before, now, NOTHING).stale) == [(100, 200)]


def test_an_unmapped_range_is_no_more_read():
    before = moment(HEAP, ranges((0, 900)))
    now = moment([mapping(0, 500)], ranges((0, 500)))
    changes = compare(before, now, NOTHING)
    assert changes.stale_bytes == 0


@pytest.mark.parametrize(
    "other",
    [mapping(0, 900, "rw-s", "/dev/shm/x"), mapping(0, 900, "r--p", "/lib/x.so")],
    ids=["shared", "file"],
)
def test_what_is_mapped_in_place_of_copied_memory_is_read_whole(other):
    before = moment(HEAP, ranges((0, 900)))
    now = moment([other], NOTHING)
    assert pages_of(compare(before, now, NOTHING).stale) == [(0, 900)]


def test_the_data_of_another_file_at_the_same_place_is_copied_whole():
    before = moment([mapping(0, 100, path="/lib/one.so")], ranges((0, 10)))
    now = moment([mapping(0, 100, path="/lib/two.so")], ranges((0, 10)))
    assert pages_of(compare(before, now, NOTHING).stale) == [(0, 100)]
    moved = moment([mapping(0, 100, path="/lib/one.so", offset=PAGE)], ranges((0, 10)))
    assert pages_of(compare(before, moved, NOTHING).stale) == [(0, 100)]


def test_data_of_a_file_that_the_process_discarded_is_the_file_s_again():
    library = [mapping(0, 100, path="/lib/one.so")]
    before = moment(library, ranges((0, 10)))
    now = moment(library, ranges((0, 5)))
    changes = compare(before, now, NOTHING)
    assert pages_of(changes.stale) == [(5, 10)]


def test_a_mapping_of_which_every_page_is_marked_is_told_apart():
    maps = [mapping(0, 600), mapping(600, 1300), mapping(1300, 1310)]
    now = moment(maps, ranges((0, 1310)), ranges((0, 600), (700, 1310)))
    assert marked_whole(now) == 600 * PAGE


class FakePages:
    """Pages of which each look finds what the test has put there."""

    def __init__(self, own):
        self.own = own

    def look(self, wanted, *, of_files):
        del wanted
        return (NOTHING, NOTHING) if of_files else (self.own, NOTHING)

    def frames(self, pages):
        return np.array(pages // PAGE, np.uint64)


def test_the_same_marker_is_looked_at_while_it_is_there(monkeypatch):
    listing = f"{BASE:x}-{BASE + 3000 * PAGE:x} rw-p 00000000 00:00 0 \n".encode()
    monkeypatch.setattr("heapgraph.capture.live.page_changes._read_listing", lambda _: listing)
    pages = FakePages(ranges((5, 900)))
    before = look_at(1, pages, None)
    assert before.maps == parse_listing(listing)
    assert ((before.markers - BASE) // PAGE).tolist() == [5, TABLE]
    pages.own = ranges((2, 600), (700, 1100))
    now = look_at(1, pages, before)
    assert now.maps is before.maps
    assert ((now.markers - BASE) // PAGE).tolist() == [5, TABLE, 2 * TABLE]
    assert pages_of(compare(before, now, NOTHING).stale) == [(2, 5), (900, 1100)]
