"""Targets that keep a part of their memory from clones (MADV_DONTFORK)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import heapgraph
from heapgraph.capture.dump import dump
from heapgraph.capture.process.maps import read_maps, withheld_bytes
from helpers.methods import without_idle
from helpers.running_target import start_target

if TYPE_CHECKING:
    from pathlib import Path

NODES = 200000


@pytest.mark.parametrize("what", ["heap", "part"])
def test_a_heap_that_clones_do_not_get_is_read_from_the_target(tmp_path: Path, what: str) -> None:
    with start_target("not_forked.py", what) as target, without_idle():
        result = dump(target.pid, tmp_path / "a.heapgraph")
        assert withheld_bytes(read_maps(target.pid)) > NODES * 16
    assert (result.method, result.quality["grade"]) == ("pause", "good")
    (note,) = [note for note in result.notes if note.startswith("paused instead of cloned")]
    assert "MADV_DONTFORK" in note
    types = heapgraph.open(result.path).histogram()
    assert NODES in [row.count for row in types.types if row.type == "__main__.Node"]


def test_who_insists_on_a_clone_is_told_what_it_lacks(tmp_path: Path) -> None:
    with start_target("not_forked.py", "heap") as target:
        result = dump(target.pid, tmp_path / "a.heapgraph", method="clone")
    assert (result.method, result.quality["grade"]) == ("clone", "poor")
    assert [note for note in result.notes if note.endswith("use --method pause")]
    assert len(set(result.notes)) == len(result.notes)


def test_a_buffer_without_objects_is_no_reason_to_pause(tmp_path: Path) -> None:
    with start_target("not_forked.py", "buffer") as target, without_idle():
        result = dump(target.pid, tmp_path / "a.heapgraph")
        assert withheld_bytes(read_maps(target.pid)) == 1 << 24
    assert (result.method, result.quality["grade"]) == ("clone", "good")
