"""A copy made while the target runs shows one moment of it, whatever it does meanwhile.

Needs a kernel with soft-dirty pages: python scripts/guest/run.py -- .venv/bin/python -m pytest ...
"""

from __future__ import annotations

import json
import os
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from heapgraph.capture.dump import dump
from heapgraph.capture.live import precopy as module
from heapgraph.capture.live.freeze import freeze
from heapgraph.capture.live.freeze_helper import FreezeHelper
from heapgraph.capture.live.frozen import FrozenCopy
from heapgraph.capture.live.memory_copy import MemoryCopy
from heapgraph.capture.live.page_changes import own_ranges, ranges_of
from heapgraph.capture.live.precopy import PrecopyRefused, precopy, precopy_refusal
from heapgraph.capture.live.written_pages import WrittenPages, has_soft_dirty
from heapgraph.capture.process.maps import read_maps, with_sizes
from heapgraph.capture.process.memory import ProcessMemory, UnreadableMemory
from heapgraph.capture.process.page_ranges import common
from heapgraph.capture.process.pieces import CoreMemory
from heapgraph.capture.process.residency import anonymous_residency
from heapgraph.errors import TargetNotFound
from heapgraph.snapshot.reader import open_snapshot
from helpers.processes import is_reading, wait_until
from helpers.running_target import RunningTarget, start_target
from helpers.soft_dirty import ComparedPages, needs_soft_dirty

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from heapgraph.capture.process.maps import Mapping

PAGE = os.sysconf("SC_PAGESIZE")
SLOW_S = 200
GENEROUS_MS = 20_000  # an interpreted processor is slow: what is judged here is the content
CHANGES = (
    *("nothing", "write", "discard", "discard_and_read", "discard_and_write"),
    *("move", "move_and_replace", "unmap", "unmap_and_map", "protect", "make_writable"),
    *("share", "map_file", "grow"),
)


@pytest.fixture
def target() -> Iterator[RunningTarget]:
    with start_target("precopy_memory.py", ready_limit_s=SLOW_S) as running:
        yield running


@pytest.fixture(
    params=[
        pytest.param("search", marks=needs_soft_dirty),
        pytest.param("entries", marks=needs_soft_dirty),
        "compared with the search",
        "compared with the entries",
    ]
)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """How pages are looked at; a kernel that has no search takes the second for the first."""
    if request.param.endswith("entries"):
        monkeypatch.setattr(WrittenPages, "_tries_search", lambda _: False)
    if request.param.startswith("compared"):
        monkeypatch.setattr(module, "WrittenPages", ComparedPages)
        monkeypatch.setattr(module, "precopy_refusal", lambda: "")
    return str(request.param)


def order(target: RunningTarget, line: str) -> None:
    target.send(line)
    assert target.read_line(SLOW_S) == line
    if line != "write_for_ever":
        wait_until(lambda: is_reading(target.pid), "it waits for the next order", SLOW_S)


def between_passes(monkeypatch: pytest.MonkeyPatch, act: Callable[[], None], passes: int) -> None:
    """Do something after each of the first passes, while the target runs."""
    take, left = module._Precopy._take, [passes]

    def take_and_act(self: module._Precopy, ranges: object) -> None:
        take(self, ranges)
        if left[0]:
            left[0] -= 1
            act()

    monkeypatch.setattr(module._Precopy, "_take", take_and_act)


@pytest.fixture
def stood(target: RunningTarget, monkeypatch: pytest.MonkeyPatch) -> dict[int, bytes]:
    """The target's memory during its last stop, as it is just before it is let go."""
    seen: dict[int, bytes] = {}
    let_go = module._Precopy._let_go

    def look_and_let_go(self: module._Precopy) -> str:
        seen.clear()
        maps = read_maps(target.pid, sizes=False)
        with ProcessMemory(target.pid) as live:
            for piece in self._copy.pieces():
                place = np.array([(piece.start, piece.end)], np.int64)
                readable = ranges_of(maps, lambda mapping: mapping.permissions.startswith("r"))
                for start, end in common(readable, place).tolist():
                    seen[start] = live.read(start, end - start)
        return let_go(self)

    monkeypatch.setattr(module._Precopy, "_let_go", look_and_let_go)
    return seen


def different_pages(copy: MemoryCopy, stood: dict[int, bytes]) -> list[str]:
    """Where the copy is not what the target's memory was."""
    assert stood
    found = []
    with CoreMemory(copy.pieces()) as copied:
        for start, content in stood.items():
            data = copied.read(start, len(content))
            if data != content:
                found += [
                    hex(start + at)
                    for at in range(0, len(content), PAGE)
                    if data[at : at + PAGE] != content[at : at + PAGE]
                ]
    return found


@pytest.mark.parametrize("change", CHANGES)
def test_the_copy_is_equal_to_the_target_whatever_it_did_meanwhile(
    target: RunningTarget,
    way: str,
    stood: dict[int, bytes],
    change: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    del way
    between_passes(monkeypatch, lambda: order(target, change), 1)
    with MemoryCopy() as copy, FreezeHelper() as helper:
        result = precopy(target.pid, helper, copy, GENEROUS_MS)
        assert different_pages(copy, stood) == []
        assert sum(map(len, stood.values())) >= (json.loads(target.ready)["pages"] - 512) * PAGE
    assert len(result.stops_s) == 1
    assert result.pause_s == sum(result.stops_s)
    if change in ("nothing", "write", "discard"):  # else the kernel may mark a mapping as a whole
        assert result.passes[-1] < result.passes[0] / 2
    assert len(result.passes) == 2
    everything = own_ranges(result.maps)
    assert result.passes[0] <= int((everything[:, 1] - everything[:, 0]).sum())


def test_each_pass_takes_what_was_written_since_the_one_before(
    target: RunningTarget,
    way: str,
    stood: dict[int, bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    del way
    monkeypatch.setattr(module, "_SHRINKS", 1e9)
    changes = iter(("write", "discard_and_write", "move_and_replace"))
    between_passes(monkeypatch, lambda: order(target, next(changes)), 3)
    predicted = iter((1.0, 1.0))
    exact = module._Precopy._predict
    monkeypatch.setattr(
        module._Precopy,
        "_predict",
        lambda self, found: next(predicted, 0.0) * 1e3 or exact(self, found),
    )
    with MemoryCopy() as copy, FreezeHelper() as helper:
        result = precopy(target.pid, helper, copy, GENEROUS_MS)
        assert different_pages(copy, stood) == []
    assert len(result.stops_s) == 3
    assert len(result.passes) == 4


def test_what_was_filled_and_discarded_between_two_stops_is_not_in_the_copy(
    target: RunningTarget,
    way: str,
    stood: dict[int, bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A stop in which a thread woke up is made again; what it copied may be gone by then."""
    del way
    order(target, "discard")
    release, states = FreezeHelper.release, iter(("moved",))
    changes = iter(("fill_again", "discard"))
    between_passes(monkeypatch, lambda: order(target, next(changes)), 1)

    def release_as(self: FreezeHelper) -> tuple[float, str]:
        pause_s, state = release(self)
        if (told := next(states, "")) == "moved":
            order(target, next(changes))
        return pause_s, told or state

    monkeypatch.setattr(FreezeHelper, "release", release_as)
    with MemoryCopy() as copy, FreezeHelper() as helper:
        result = precopy(target.pid, helper, copy, GENEROUS_MS)
        assert different_pages(copy, stood) == []
    assert len(result.stops_s) == 2


def test_a_running_writer_is_seen_at_one_moment(target: RunningTarget, way: str) -> None:
    del way
    order(target, "write_for_ever")
    ready = json.loads(target.ready)
    pages = ready["pages"] // 2 - 1
    seen = set()
    for _ in range(3):
        with MemoryCopy() as copy, FreezeHelper() as helper:
            precopy(target.pid, helper, copy, GENEROUS_MS)
            with CoreMemory(copy.pieces()) as copied:
                content = copied.read(ready["area"], pages * PAGE)
        turns = np.frombuffer(content, np.uint64)[:: PAGE // 8].astype(np.int64)
        steps = np.diff(turns)
        assert set(steps[steps != 0].tolist()) <= {-1}
        assert np.count_nonzero(steps) <= 1
        seen.add(int(turns[0]))
    assert len(seen) > 1


def test_a_target_that_writes_more_than_the_aim_allows_is_refused_and_goes_on(
    target: RunningTarget, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    del way
    area = json.loads(target.ready)["area"]
    order(target, "write_for_ever")
    monkeypatch.setattr(module._Precopy, "_predict", lambda *_: 1e3)
    with (
        MemoryCopy() as copy,
        FreezeHelper() as helper,
        pytest.raises(PrecopyRefused, match=r"written to as a whole|longer than the aim"),
    ):
        precopy(target.pid, helper, copy)
    with ProcessMemory(target.pid) as memory:
        first = memory.u64(area)
        order(target, "nothing")
        memory.forget()
        while memory.u64(area) == first:
            memory.forget()
    with freeze(target.pid, "pause") as frozen:
        frozen.release()


def test_a_target_that_ends_meanwhile_is_told(
    target: RunningTarget, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    del way
    between_passes(monkeypatch, target.kill, 1)
    with (
        MemoryCopy() as copy,
        FreezeHelper() as helper,
        pytest.raises((UnreadableMemory, TargetNotFound)),
    ):
        precopy(target.pid, helper, copy, GENEROUS_MS)


@needs_soft_dirty
def test_a_reservation_of_a_terabyte_costs_nothing_with_the_search() -> None:
    with start_target("sparse.py") as sparse, closing(WrittenPages(sparse.pid)) as pages:
        if not pages.can_search:
            return
        with MemoryCopy() as copy, FreezeHelper() as helper:
            result = precopy(sparse.pid, helper, copy, GENEROUS_MS)
        assert sum(result.passes) < 1 << 30


def test_the_tables_are_those_of_a_pause_and_of_a_clone(
    target: RunningTarget, way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    del way
    clone, pause, copied = (tmp_path / f"{name}.heapgraph" for name in ("clone", "pause", "copied"))
    dump(target.pid, clone, method="clone", max_pause_ms=GENEROUS_MS)
    dump(target.pid, pause, method="pause", max_pause_ms=GENEROUS_MS)

    def copy_running(
        pid: int, helper: FreezeHelper, before: Sequence[Mapping], limit_s: float
    ) -> FrozenCopy:
        copy = MemoryCopy()
        result = precopy(pid, helper, copy, limit_s * 1e3)
        maps = with_sizes(result.maps, before, lambda _: False)
        return FrozenCopy(
            "pause",
            helper,
            result.pause_s,
            pid=pid,
            copy=copy,
            memory=os.open(f"/proc/{pid}/mem", os.O_RDONLY),
            maps=maps,
            residency=anonymous_residency(pid, maps),
        )

    monkeypatch.setattr("heapgraph.capture.live.freeze.copy_paused", copy_running)
    dump(target.pid, copied, method="pause", max_pause_ms=GENEROUS_MS)
    with (
        open_snapshot(copied) as found,
        open_snapshot(pause) as paused,
        open_snapshot(clone) as cloned,
    ):
        assert found.row_count("objects") > 10_000
        for table in ("objects", "references"):
            assert found.table(table).equals(paused.table(table)), table
            assert found.table(table).equals(cloned.table(table)), table


@pytest.mark.skipif(has_soft_dirty(), reason="kernel with soft-dirty pages")
def test_a_kernel_without_marks_is_refused_before_anything_is_done(target: RunningTarget) -> None:
    assert "CONFIG_MEM_SOFT_DIRTY" in precopy_refusal()
    with (
        MemoryCopy() as copy,
        FreezeHelper() as helper,
        pytest.raises(PrecopyRefused, match="CONFIG_MEM_SOFT_DIRTY"),
    ):
        precopy(target.pid, helper, copy)
    status = Path(f"/proc/{target.pid}/status").read_text()
    assert "TracerPid:\t0" in status
