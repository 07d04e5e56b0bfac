"""The order of a capture: inspect, wait, freeze, walk, release, judge, write."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from heapgraph.capture.captured import Captured, Clock, memory_shortage_named, write_captured
from heapgraph.capture.cpython.interpreter_facts import read_interpreter_facts
from heapgraph.capture.cpython.roots import RootSet, find_roots, gc_list_heads, is_collecting
from heapgraph.capture.heap.audit import Account
from heapgraph.capture.heap.object_facts import read_object_facts
from heapgraph.capture.heap.traverse_account import (
    TraverseAccount,
    explain,
    traverse_clone,
    traverse_twin,
)
from heapgraph.capture.heap.walk import (
    HeapWalk,
    static_ranges,
)
from heapgraph.capture.live.freeze import Method, freeze
from heapgraph.capture.live.frozen import FrozenClone, FrozenCopy
from heapgraph.capture.live.memory_limits import first_to_go
from heapgraph.capture.live.target import inspect_target
from heapgraph.capture.process.libraries import find_library_data
from heapgraph.capture.process.maps import read_maps, withheld_bytes
from heapgraph.capture.process.memory import ProcessMemory, UnreadableMemory
from heapgraph.capture.process.target_files import open_mapped_file
from heapgraph.capture.regions.native_memory import native_memory
from heapgraph.capture.regions.regions import MemoryRegions, find_regions, survey_memory
from heapgraph.errors import CaptureInterrupted, MemoryRanShort, TargetError
from heapgraph.units import format_size

if TYPE_CHECKING:
    import os
    from typing import TypeAlias

    from heapgraph.capture.captured import DumpResult, Progress
    from heapgraph.capture.cpython.interpreter_facts import InterpreterFacts
    from heapgraph.capture.cpython.target import Target
    from heapgraph.capture.heap.columns import HeapColumns
    from heapgraph.capture.process.maps import Mapping
    from heapgraph.capture.regions.native_owners import NativeOwners

    _Walked: TypeAlias = tuple[
        HeapColumns,
        RootSet,
        list[Mapping],
        TraverseAccount,
        MemoryRegions,
        NativeOwners,
        InterpreterFacts,
    ]

MAX_ATTEMPTS = 3
"""Freezes of one dump: a poor walk met a heap in the middle of a change, and the next will not."""

_COLLECTION_PATIENCE_S = 0.005
"""How long to wait for the end of a running collection; most young ones take less."""


class _Dump:
    """The state of one dump: clock, notes, and how long the target has stood so far."""

    def __init__(
        self,
        target: Target,
        clock: Clock,
        method: Method,
        *,
        max_pause_ms: float | None,
        progress: Progress | None,
        verify: bool,
    ) -> None:
        self.target = target
        self.method = method
        self.max_pause_ms = max_pause_ms
        self.progress = progress
        self.verify = verify
        self.clock = clock
        self.notes: list[str] = []
        self.pause_s = 0.0
        self.attempts = 0
        self.frozen_by = ""

    def best_capture(self) -> Captured:
        """Freeze and walk until a walk is good, at most MAX_ATTEMPTS times; else the last one.

        A walk that was not good is better than none, if the target has ended since.
        """
        last: Captured | None = None
        while True:
            self.attempts += 1
            self.frozen_by = ""
            try:
                capture = self._capture_once()
            except MemoryRanShort as shortage:
                if self.method != "auto":
                    raise
                self.method = "pause"
                self.notes.append(f"paused instead of cloned: {shortage.what}")
                continue
            except TargetError as error:
                is_cut = isinstance(error, CaptureInterrupted)
                if is_cut and self.frozen_by == "clone" and self._pauses_instead():
                    continue
                if last is None:
                    raise
                self.notes.append(f"not frozen again: {error.what}")
                return last
            last = capture
            if capture.verdict.is_good or capture.method != "clone":
                return capture
            # Not the first time: most of what is withheld is no objects, but buffers for devices.
            if self.attempts > 1 and self._pauses_instead():
                continue
            if self.attempts == MAX_ATTEMPTS:
                return capture
            self.notes.append(f"frozen again: {'; '.join(capture.verdict.record['reasons'])}")

    def _pauses_instead(self) -> bool:
        """Turn to the other method when it was the clone that may have lacked some."""
        if not (withheld := withheld_bytes(read_maps(self.target.pid))):
            return False
        lacks = f"a clone gets none of {format_size(withheld)} of its memory (MADV_DONTFORK)"
        if self.method == "clone":
            self.notes.append(f"{lacks}: use --method pause")
            return False
        self.method = "pause"
        self.notes.append(f"paused instead of cloned: {lacks}")
        return True

    def _capture_once(self) -> Captured:
        target = self.target
        with self.clock.phase("wait for collector"):
            collecting = self._wait_for_collector()
        begin = time.monotonic()
        with freeze(target.pid, self.method, self.max_pause_ms) as frozen:
            self.clock.add("freeze", time.monotonic() - begin)
            self.frozen_by = frozen.method
            try:
                columns, named, maps, traversed, regions, native, facts = self._walk(frozen)
            except UnreadableMemory as error:
                raise _gone(target.pid, str(error)) from error
            finally:
                frozen.release()
            self.pause_s += frozen.pause_s
            self.notes += [note for note in frozen.notes if note not in self.notes]
            method = frozen.method
        with self.clock.phase("judge"):
            verdict = Account(columns, named).verdict()
        return Captured(
            columns,
            named,
            verdict,
            maps,
            regions,
            native,
            method,
            collecting,
            traversed,
            facts,
            frozen.passed_over,
        )

    def _wait_for_collector(self) -> bool:
        """Give a running collection a moment to end; True when it still runs."""
        deadline = time.monotonic() + _COLLECTION_PATIENCE_S
        while True:
            with ProcessMemory(self.target.pid) as memory:
                try:
                    collecting = is_collecting(
                        memory, self.target.layout, self.target.runtime_address
                    )
                except UnreadableMemory as error:
                    raise _gone(self.target.pid, str(error)) from error
            if not collecting or time.monotonic() > deadline:
                return collecting

    def _walk(self, frozen: FrozenClone | FrozenCopy) -> _Walked:
        target = self.target
        with self.clock.phase("maps"):
            maps, residency = frozen.maps, frozen.residency
            budget = frozen.budget
        with self.clock.phase("roots"), frozen.open_memory() as memory:
            named = find_roots(memory, target.layout, target.runtime_address)
            heads = gc_list_heads(memory, target.layout, target.runtime_address, target.version)
            facts = read_interpreter_facts(memory, target)
            libraries = find_library_data(memory, maps, named.scan_ranges)
        walk = HeapWalk(
            frozen.source,
            target.layout,
            target.version,
            maps,
            self.progress,
            budget=budget,
        )
        with self.clock.phase("discover"):
            walk.discover(heads, named.addresses, named.scan_ranges, named.running_frames)
            walk.discover_from(libraries)
        with self.clock.phase("traverse"):
            traversed = self._traverse(frozen, named, walk)
        with self.clock.phase("memory regions"):
            survey = survey_memory(
                walk.reads,
                residency,
                maps,
                layout=target.layout,
                thread_ids=named.thread_ids(),
                libraries=libraries,
            )
        with self.clock.phase("lost objects"):
            walk.discover_lost(*survey.pools.blocks)
        with self.clock.phase("read objects"):
            columns = walk.emit(static_ranges(maps, target.runtime_address, target.runtime_end))
        if not columns.object_count:
            raise _gone(target.pid, "no object could be read")
        with self.clock.phase("code places"):
            read_object_facts(walk.reads, target.layout, columns)
        with self.clock.phase("memory regions"):
            memory_regions = find_regions(survey, columns)
        with self.clock.phase("native memory"):
            native = native_memory(
                walk,
                survey,
                maps,
                columns,
                layout=target.layout,
                libraries=libraries,
                named=named,
                open_file=partial(open_mapped_file, target.pid),
            )
        walk.forget_memory(columns)
        return columns, named, maps, traversed, memory_regions, native, facts

    def _traverse(
        self, frozen: FrozenClone | FrozenCopy, named: RootSet, walk: HeapWalk
    ) -> TraverseAccount:
        if isinstance(frozen, FrozenClone):
            return traverse_clone(frozen, walk, verify=self.verify)
        return traverse_twin(lambda: frozen.make_twin(named), walk, verify=self.verify)


@memory_shortage_named()
def dump(
    pid: int,
    output: str | os.PathLike[str],
    *,
    method: Method = "auto",
    redact: bool = False,
    max_pause_ms: float | None = None,
    force: bool = False,
    verify_with_traverse: bool = False,
    progress: Progress | None = None,
) -> DumpResult:
    """Take a snapshot of a live process.

    No code runs in the target; the traverse functions of C types run in its clone, or in a twin.
    Whether and how long it stands is the method's, see `freeze.freeze`; whatever fails, it goes on,
    and no file has the final name unless it is whole.

    Args:
        pid: the target.
        output: the snapshot file to write.
        method: one of `freeze.METHODS`, or "auto": the first of them that works.
        redact: keep no values of strings and numbers, and hash dict keys that are no identifiers.
        max_pause_ms: refuse, or give up, when the target would stand longer; one second when None.
        force: overwrite an existing file.
        verify_with_traverse: compare every object with what its type's traverse function visits in
            the clone; the result is `quality["traverse"]`.
        progress: called with phase, done, total (0 = unknown).

    Raises:
        UsageError: `max_pause_ms` is no limit.
        TargetError: the target cannot be dumped; the subclass says why.
        SnapshotWriteFailed: the output exists (without force) or cannot be written.

    Cost: about 1 s per million objects and as much memory as the target's heap, here.
    """
    from heapgraph.snapshot.writer import check_output  # noqa: PLC0415 - a census writes nothing

    check_output(output, force)
    with first_to_go(pid):
        taken = capture_heap(
            pid,
            method=method,
            max_pause_ms=max_pause_ms,
            verify_with_traverse=verify_with_traverse,
            progress=progress,
        )
        capture = taken.captured
        notes = [*taken.notes]
        notes += explain(capture.traversed, verify=verify_with_traverse) + capture.named.notes
        return write_captured(
            output,
            taken.target,
            capture,
            taken.clock,
            pause_s=taken.pause_s,
            attempts=taken.attempts,
            notes=notes,
            redact=redact,
            force=force,
            progress=progress,
        )


@dataclass(frozen=True)
class TakenHeap:
    """A heap in our memory, and what it took to get it.

    Attributes:
        target: facts about the process.
        captured: its heap.
        clock: seconds by phase.
        pause_s: seconds the process stood still, all attempts together.
        attempts: how often it was frozen.
        notes: sentences for the user.
    """

    target: Target
    captured: Captured
    clock: Clock
    pause_s: float
    attempts: int
    notes: list[str]


@memory_shortage_named()
def capture_heap(
    pid: int,
    *,
    method: Method = "auto",
    max_pause_ms: float | None = None,
    verify_with_traverse: bool = False,
    progress: Progress | None = None,
) -> TakenHeap:
    """Take the heap of a live process, as `dump` does, and write nothing.

    Raises:
        UsageError: `max_pause_ms` is no limit.
        TargetError: the target cannot be captured; the subclass says why.
    """
    clock = Clock()
    with clock.phase("inspect"):
        target = inspect_target(pid)
    state = _Dump(
        target,
        clock,
        method,
        max_pause_ms=max_pause_ms,
        progress=progress,
        verify=verify_with_traverse,
    )
    captured = state.best_capture()
    notes = [*dict.fromkeys(state.notes)]
    return TakenHeap(target, captured, clock, state.pause_s, state.attempts, notes)


def _gone(pid: int, detail: str) -> CaptureInterrupted:
    """The memory vanished: the target ended, or something ended the frozen clone."""
    return CaptureInterrupted(
        f"process {pid} could not be read to the end: {detail}",
        "it ended, or its frozen clone was killed (for instance by the out-of-memory killer)",
        "look whether it still runs, then dump again",
    )
