"""The notes of a capture: what they say, and what is believed of those that make no sense."""

from __future__ import annotations

import random

import numpy as np
import pytest

from heapgraph.capture.core.file import CoreSegment
from heapgraph.capture.core.record import FACTS, MAPS, PAGES, PATHS, CaptureRecord, read_record
from heapgraph.capture.process.maps import Mapping
from helpers.core_files import PAGE

FACT_LINES = (
    b"version=1\nmethod=clone\npause_ns=1500000\npid=7\nrss=4096\nstarted=1700000000\n"
    b"taken=1700000009\nwithheld=8192\nhostname=web-1\n"
)
MAP_LINES = (
    b"10000-12000 r-xp 3000 4 2 0 /usr/lib/lib odd.so (deleted)\n"
    b"12000-20000 rw-p 0 8 8 4 \n"
    b"20000-21000 rw-p 0 0 0 0 [anon: a name]\n"
    b"30000-31000 r--p 0 4 4 4 /a\\012b\n"
    b"ffffffffff600000-ffffffffff601000 --xp 0 0 0 0 [vsyscall]\n"
)
NOTES = {
    FACTS: FACT_LINES,
    PATHS: b"/usr/bin/python3\0python3\0app.py\0",
    MAPS: MAP_LINES,
    PAGES: b"\x05",
}


def record(**changes: bytes) -> CaptureRecord:
    names = {"facts": FACTS, "paths": PATHS, "maps": MAPS, "pages": PAGES}
    found = read_record({**NOTES, **{names[name]: value for name, value in changes.items()}})
    assert found is not None
    return found


def test_what_is_read():
    found = record()
    assert (found.method, found.pause_s, found.rss, found.withheld) == ("clone", 0.0015, 4096, 8192)
    assert (found.hostname, found.started) == ("web-1", "2023-11-14T22:13:20+00:00")
    assert (found.executable, found.command_line) == ("/usr/bin/python3", ("python3", "app.py"))
    assert found.mappings[0] == Mapping(
        0x10000, 0x12000, "r-xp", 0x3000, "/usr/lib/lib odd.so (deleted)", 4096, 2048, 0
    )
    paths = [mapping.path for mapping in found.mappings]
    assert paths[1:] == ["", "[anon: a name]", "/a\nb", "[vsyscall]"]


def test_which_pages_were_in_memory():
    """Given three stored pages of which the first and the last were in memory, they are."""
    segments = [
        CoreSegment(0x12000, 0x14000, "rw-p", 0, 2 * PAGE),
        CoreSegment(0x14000, 0x1F000, "rw-p", 0, 0),
        CoreSegment(0x1F000, 0x20000, "rw-p", 0, PAGE),
    ]
    found = record()
    residency = found.residency(segments)
    assert residency is not None
    assert residency.is_measured
    assert residency.resident_pages(0x12000, 0x20000).tolist() == [0x12000, 0x1F000]
    sized = found.sized_mappings(residency)
    assert [mapping.rss for mapping in sized] == [4096, 2 * PAGE, 0, 4096, 0]


def test_pages_of_files_are_not_counted():
    segments = [CoreSegment(0x10000, 0x11000, "r-xp", 0, PAGE)]
    residency = record().residency(segments)
    assert residency is not None
    assert residency.total(0, 1 << 40) == 0


def test_too_few_bits_are_no_residency():
    segments = [CoreSegment(0x12000, 0x20000, "rw-p", 0, 9 * PAGE)]
    assert record().residency(segments) is None
    assert record(pages=b"").residency(segments) is None


@pytest.mark.parametrize(
    "notes",
    [
        {},
        {**NOTES, FACTS: b"version=2\n"},
        {**NOTES, MAPS: b""},
        {PATHS: b"x"},
        {FACTS: FACT_LINES},
    ],
)
def test_no_record(notes: dict[int, bytes]):
    assert read_record(notes) is None


@pytest.mark.parametrize(
    "line",
    [
        b"20000-10000 rw-p 0 0 0 0 ",
        b"-10000-20000 rw-p 0 0 0 0 ",
        b"18000-19000 rw-p 0 0 0 0 ",
        b"800000000000-800000001000 rw-p 0 0 0 0 ",
        b"40000-41000 rw 0 0 0 0 ",
        b"40000-41000 rw-p x 0 0 0 ",
        b"40000-41000 rw-p 0 0",
        b"",
        b"\xff\xfe\0",
    ],
)
def test_mappings_that_make_no_sense_are_left_out(line: bytes):
    expected = record().mappings
    assert record(maps=MAP_LINES + line + b"\n").mappings == expected


def test_texts_that_are_no_plain_texts():
    """Given control characters, or numbers that are none, they are as if not there."""
    found = record(
        facts=b"version=1\nhostname=\x1b[31mred\nrss=-5\nstarted=99999999999999999999\npause_ns=\xb2\n"
    )
    assert (found.hostname, found.rss, found.started, found.pause_s) == ("", 0, "", 0.0)


def test_random_notes_are_read_or_left_out():
    chance = random.Random(11)
    for _ in range(300):
        notes = {kind: bytearray(content) for kind, content in NOTES.items()}
        for content in notes.values():
            for _ in range(chance.randrange(4)):
                content[chance.randrange(len(content))] = chance.randrange(256)
        found = read_record({kind: bytes(content) for kind, content in notes.items()})
        if found is not None:
            ends = np.array([(m.start, m.end) for m in found.mappings], np.uint64).ravel()
            assert (np.diff(ends.astype(object)) >= 0).all()
