"""What a walk may cost, by what a process or a file really has."""

from __future__ import annotations

import mmap
import os
from typing import TYPE_CHECKING

import numpy as np

from heapgraph.capture.process import budget
from heapgraph.capture.process.budget import (
    FILE_DATA_BYTES,
    FILE_READ_BYTES,
    FILE_READ_SHARE,
    budget_of_copy,
    budget_of_pieces,
    budget_of_process,
)
from heapgraph.capture.process.maps import Mapping, read_maps
from heapgraph.native.file_pieces import FilePiece

if TYPE_CHECKING:
    from pathlib import Path

MIB = 1 << 20
GIB = 1 << 30


def test_a_file_counts_once_however_often_it_is_mapped():
    maps = [
        Mapping(n * MIB, n * MIB + 4096, "rw-s", 0, "/memfd:page (deleted)") for n in range(300)
    ]
    assert budget._file_bytes(maps) == 4096
    others = [
        Mapping(0, 3 * 4096, "r--p", 0, "/lib/a.so"),
        Mapping(3 * 4096, 5 * 4096, "rw-p", 4096, "/lib/a.so"),
    ]
    assert budget._file_bytes(others) == 3 * 4096


def test_what_is_only_reserved_counts_for_nothing():
    with mmap.mmap(-1, 64 * MIB, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as memory:
        before = budget_of_process(os.getpid(), read_maps(os.getpid()))
        # A byte of each page: 32 MiB of bytes to copy from might take fresh memory of their own.
        memory[: 32 * MIB : mmap.PAGESIZE] = bytes(32 * MIB // mmap.PAGESIZE)
        after = budget_of_process(os.getpid(), read_maps(os.getpid()))
    assert 31 * MIB < (after.references - before.references) * 8 < 40 * MIB
    assert after.objects * 16 <= after.references * 8
    assert after.image_bytes - FILE_READ_BYTES < 2 * GIB
    filled = after.filled
    assert filled is not None
    assert (filled[1:, 0] >= filled[:-1, 1]).all()


def test_holes_of_a_core_file_count_for_nothing(tmp_path: Path):
    with (tmp_path / "core").open("w+b") as file:
        file.truncate(64 * GIB)
        os.pwrite(file.fileno(), b"x" * 8192, 32 * GIB)
        file.flush()
        piece = FilePiece(0x10000, 64 * GIB, file.fileno(), 0, 64 * GIB)
        found = budget_of_pieces([piece])
        assert found.references < MIB
        assert found.filled is not None
        inside = 0x10000 + 32 * GIB
        assert np.any((found.filled[:, 0] <= inside) & (inside + 8192 <= found.filled[:, 1]))


def test_a_copy_counts_what_was_copied_and_reads_the_rest_where_it_is():
    maps = [
        Mapping(0x10000, 0x10000 + 64 * GIB, "rw-p", 0, "", rss=10 * MIB),
        Mapping(128 * GIB, 129 * GIB, "r--p", 0, "/lib/a.so", rss=MIB),
        Mapping(130 * GIB, 140 * GIB, "r--p", 0, "", rss=2 * MIB),
    ]
    copied = [(0x20000, 0x20000 + 8 * MIB), (128 * GIB, 128 * GIB + 4096)]
    found = budget_of_copy(copied, maps)
    assert found.filled is not None
    assert [tuple(row) for row in found.filled.tolist()] == [
        copied[0],
        copied[1],
        (128 * GIB + 4096, 129 * GIB),
        (130 * GIB, 140 * GIB),
    ]
    private = 10 * MIB + 4096
    assert found.references == (private + FILE_DATA_BYTES) // 8
    assert found.image_bytes == private + FILE_READ_BYTES + FILE_READ_SHARE * MIB
