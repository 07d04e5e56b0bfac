"""Verdicts of large snapshots are kept between runs, those of others in memory only."""

from __future__ import annotations

import pytest

from heapgraph.analysis.ages import kept
from heapgraph.analysis.ages.kept import KeptVerdicts
from heapgraph.analysis.ages.verdict import Growth
from heapgraph.graph.cache import CACHE_VARIABLE, ArrayCache
from heapgraph.graph.kept_columns import KEPT_ROWS

GROWING = Growth("growing", "as this test has it", 3000, 2900, 267)


@pytest.fixture
def disk(tmp_path, monkeypatch) -> ArrayCache:
    tmp_path.chmod(0o700)
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    return ArrayCache("ab" * 16)


def test_another_run_knows_the_verdict_of_a_large_snapshot(disk):
    first = KeptVerdicts(disk, KEPT_ROWS)
    assert first.get(7) is None
    first.add(7, GROWING)
    assert first.get(7) == GROWING
    first.write()
    again = KeptVerdicts(disk, KEPT_ROWS)
    assert again.get(7) == GROWING
    assert again.get(8) is None


def test_of_a_small_one_nothing_is_written(disk, tmp_path):
    small = KeptVerdicts(disk, KEPT_ROWS - 1)
    small.add(7, GROWING)
    small.write()
    assert small.get(7) == GROWING
    assert not (tmp_path / "cache").exists()


def test_other_rules_ask_again(disk, monkeypatch):
    first = KeptVerdicts(disk, KEPT_ROWS)
    first.add(7, GROWING)
    first.write()
    monkeypatch.setattr(kept, "_name", lambda: "growth-of-other-rules")
    assert KeptVerdicts(disk, KEPT_ROWS).get(7) is None


def test_what_has_no_room_is_known_in_this_run_only(disk):
    verdicts = KeptVerdicts(disk, KEPT_ROWS)
    for number in range(1000):
        verdicts.add(number, GROWING)
    verdicts.write()
    assert verdicts.get(999) == GROWING
    again = KeptVerdicts(disk, KEPT_ROWS)
    assert again.get(0) == GROWING
    assert again.get(999) is None
