"""Which memory is the program's own data, and which is its heap."""

from __future__ import annotations

from heapgraph.capture.heap.walk import static_ranges
from heapgraph.capture.process.maps import Mapping

LIBRARY = "/usr/lib/libpython3.so"
DATA = Mapping(0x5000, 0x8000, "rw-p", 0x5000, LIBRARY)


def test_an_arena_that_the_kernel_joined_to_the_bss_is_heap():
    joined = Mapping(0x8000, 0x70000, "rw-p", 0, "")
    assert static_ranges([DATA, joined], 0x6000, 0x9100) == [(0x5000, 0x8000), (0x8000, 0x9100)]


def test_a_runtime_in_the_bss_ends_where_the_bss_ends():
    joined = Mapping(0x8000, 0x70000, "rw-p", 0, "")
    assert static_ranges([joined], 0x8800, 0x9100) == [(0x8000, 0x9100)]


def test_memory_next_to_a_file_without_bss_is_heap():
    beside = Mapping(0x8000, 0x70000, "rw-p", 0, "")
    apart = Mapping(0x90000, 0xA0000, "rw-p", 0, "[heap]")
    assert static_ranges([DATA, beside, apart], 0x6000, 0x7F00) == [(0x5000, 0x8000)]


def test_files_are_data_and_devices_are_not():
    device = Mapping(0x1000, 0x2000, "rw-s", 0, "/dev/zero")
    other = Mapping(0x2000, 0x3000, "rw-p", 0, "/usr/lib/libc.so")
    assert static_ranges([device, other], 0x6000, 0x9100) == [(0x2000, 0x3000)]
