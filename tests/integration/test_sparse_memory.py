"""Targets that reserve very much address space and use little of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import heapgraph
from helpers.running_target import start_target

MAX_PAUSE_MS = 2000
MAX_TABLES_KIB = 1024


def page_tables(pid: int) -> int:
    """KiB of page tables of a process."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmPTE:"))


@pytest.mark.parametrize("method", ["pause", "clone"])
def test_a_reservation_is_neither_waited_for_nor_filled(tmp_path: Path, method: str) -> None:
    """To read each entry of its pages takes some 16 s, and to read a page gives it memory."""
    with start_target("sparse.py") as target:
        reserved = json.loads(target.ready)
        before = page_tables(target.pid)
        snapshot = heapgraph.dump(
            target.pid,
            tmp_path / "sparse.heapgraph",
            method=method,  # type: ignore[arg-type]
            max_pause_ms=MAX_PAUSE_MS,
        )
        assert page_tables(target.pid) - before < MAX_TABLES_KIB
    assert snapshot.manifest["capture"]["method"] == method
    maps = snapshot.graph.table("maps")
    rows = zip(maps["start"].to_pylist(), maps["end"].to_pylist(), strict=True)
    assert any(start <= reserved["address"] < end for start, end in rows)
