"""A snapshot from a core file: the walk of a live target, and its code in a twin."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from heapgraph.capture.captured import Captured, Clock, memory_shortage_named, write_captured
from heapgraph.capture.core.target import inspect_core
from heapgraph.capture.cpython.interpreter_facts import read_interpreter_facts
from heapgraph.capture.cpython.roots import find_roots, gc_list_heads, is_collecting
from heapgraph.capture.heap.audit import Account
from heapgraph.capture.heap.object_facts import read_object_facts
from heapgraph.capture.heap.traverse import TraverseLog
from heapgraph.capture.heap.traverse_account import TraverseAccount, explain, traverse_twin
from heapgraph.capture.heap.walk import HeapWalk, static_ranges
from heapgraph.capture.live.twin import Twin, thread_pointer_of
from heapgraph.capture.process.budget import budget_of_pieces
from heapgraph.capture.process.libraries import find_library_data
from heapgraph.capture.process.memory import UnreadableMemory
from heapgraph.capture.regions.native_memory import native_memory
from heapgraph.capture.regions.regions import MemoryRegions, find_regions, survey_memory
from heapgraph.errors import CaptureInterrupted
from heapgraph.native.walked_type import NAMELESS
from heapgraph.safe_text import storable
from heapgraph.snapshot.writer import check_output
from heapgraph.units import format_size

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    from heapgraph.capture.captured import DumpResult, Progress
    from heapgraph.capture.core.target import CoreTarget
    from heapgraph.capture.cpython.collector import ListHeads
    from heapgraph.capture.cpython.roots import RootSet
    from heapgraph.capture.heap.audit import Verdict
    from heapgraph.capture.heap.columns import HeapColumns
    from heapgraph.capture.process.libraries import LibraryData
    from heapgraph.capture.regions.native_owners import NativeOwners

_MISSING_SHOWN = 3


@memory_shortage_named()
def dump_core(
    core: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    executable: str | os.PathLike[str] | None = None,
    redact: bool = False,
    force: bool = False,
    run_code: bool = True,
    verify_with_traverse: bool = False,
    progress: Progress | None = None,
) -> DumpResult:
    """Take a snapshot from a core file.

    The traverse functions of C types run in a process of our own that has the memory of the core
    and nothing else, no system calls among it; the result is that of the process itself.

    Args:
        core: the core file, of `heapgraph capture`, the kernel or gcore; also packed with zstd. "-"
            is standard input.
        output: the snapshot file to write.
        executable: the program that ran, where it is not at the place that the core names.
        redact: keep no values of strings and numbers, and hash dict keys that are no identifiers.
        force: overwrite an existing file.
        run_code: False: nothing runs, and types without a table of their fields are scanned.
        verify_with_traverse: compare every object with what its type's traverse function visits;
            the result is `quality["traverse"]`.
        progress: called with phase, done, total (0 = unknown).

    Raises:
        TargetError: the core cannot be read, or is of no supported Python; the subclass says why.
        SnapshotWriteFailed: the output exists (without force) or cannot be written.

    Cost: about 1 s per million objects and as much memory as the heap in it; twice that where the
        core's segments do not begin at pages of the file (gcore), and code runs.
    """
    check_output(output, force)
    clock = Clock()
    with clock.phase("inspect"):
        found = inspect_core(
            Path(core),
            None if executable is None else Path(executable),
            Path(output).parent,
            progress,
        )
    with found:
        steps = _Steps(found, Path(core), clock, progress)
        captured = steps.capture(run_code=run_code, verify=verify_with_traverse)
    notes = [f"not read: {sentence}" for sentence in _sentences(found)]
    if found.record and found.record.withheld:
        withheld = format_size(found.record.withheld)
        notes.append(f"without {withheld} that the process keeps from clones (MADV_DONTFORK)")
    return write_captured(
        output,
        found.target,
        captured,
        clock,
        pause_s=found.record.pause_s if found.record else 0.0,
        notes=notes
        + explain(captured.traversed, verify=verify_with_traverse)
        + captured.named.notes,
        redact=redact,
        force=force,
        progress=progress,
    )


@dataclass(frozen=True)
class _Steps:
    """What a capture from a core consists of."""

    found: CoreTarget
    path: Path
    clock: Clock
    progress: Progress | None

    def capture(self, *, run_code: bool, verify: bool) -> Captured:
        """Read it to the end."""
        target = self.found.target
        where = (self.found.memory, target.layout, target.runtime_address)
        try:
            with self.clock.phase("roots"):
                named = find_roots(*where)
                heads = gc_list_heads(*where, target.version)
                collecting = is_collecting(*where)
                facts = read_interpreter_facts(where[0], target)
                _add_native_ids(named, self.found)
                libraries = find_library_data(where[0], target.maps, named.scan_ranges)
            walk = self._discover(named, heads, libraries)
            traversed = TraverseAccount(TraverseLog(), note="no code was to run (--no-run)")
            if run_code:
                with self.clock.phase("traverse"):
                    traversed = traverse_twin(lambda: self._twin(named), walk, verify=verify)
            columns, regions, native = self._emit(walk, named, libraries)
        except UnreadableMemory as error:
            raise _unreadable(self.path, str(error)) from error
        if not columns.object_count:
            raise _unreadable(self.path, "no object could be read")
        with self.clock.phase("judge"):
            verdict = _with_missing(Account(columns, named).verdict(), columns, self.found)
        return Captured(
            columns,
            named,
            verdict,
            target.maps,
            regions,
            native,
            "core",
            collecting,
            traversed,
            facts,
        )

    def _discover(
        self, named: RootSet, heads: ListHeads, libraries: Sequence[LibraryData]
    ) -> HeapWalk:
        found, target = self.found, self.found.target
        walk = HeapWalk(
            found.pieces,
            target.layout,
            target.version,
            target.maps,
            self.progress,
            budget=budget_of_pieces(found.pieces),
        )
        with self.clock.phase("discover"):
            walk.discover(heads, named.addresses, named.scan_ranges, named.running_frames)
            walk.discover_from(libraries)
        return walk

    def _twin(self, named: RootSet) -> Twin:
        found = self.found
        ran_last = found.threads[0].thread_pointer if found.threads else 0
        return Twin(found.pieces, found.target.maps, thread_pointer_of(named, ran_last))

    def _emit(
        self, walk: HeapWalk, named: RootSet, libraries: Sequence[LibraryData]
    ) -> tuple[HeapColumns, MemoryRegions, NativeOwners]:
        target = self.found.target
        with self.clock.phase("memory regions"):
            survey = survey_memory(
                walk.reads,
                self.found.residency,
                target.maps,
                layout=target.layout,
                thread_ids=named.thread_ids(),
                libraries=libraries,
            )
        with self.clock.phase("lost objects"):
            walk.discover_lost(*survey.pools.blocks)
        with self.clock.phase("read objects"):
            columns = walk.emit(
                static_ranges(target.maps, target.runtime_address, target.runtime_end)
            )
        with self.clock.phase("code places"):
            read_object_facts(walk.reads, target.layout, columns)
        with self.clock.phase("memory regions"):
            regions = find_regions(survey, columns)
        with self.clock.phase("native memory"):
            native = native_memory(
                walk,
                survey,
                target.maps,
                columns,
                layout=target.layout,
                libraries=libraries,
                named=named,
            )
        walk.forget_memory(columns)
        return columns, regions, native


def _add_native_ids(named: RootSet, found: CoreTarget) -> None:
    """Up to 3.10 only threads of the module threading say their id; the kernel knows all."""
    native_ids = {thread.thread_pointer: thread.native_id for thread in found.threads}
    for row in named.threads:
        row["native_id"] = row["native_id"] or native_ids.get(row["thread_id"], 0)


def _with_missing(verdict: Verdict, columns: HeapColumns, found: CoreTarget) -> Verdict:
    """Binaries that are not here count against the capture where types have no name for it."""
    nameless = sum(walked.tp_name.startswith(NAMELESS) for walked in columns.types)
    if not nameless:
        return verdict
    sentences = _sentences(found) or ["their names are not in the core file"]
    reason = f"{nameless} types have no name: {sentences[0]}"
    record = verdict.record
    reasons = [*record["reasons"], reason]
    return replace(verdict, record={**record, "grade": "poor", "reasons": reasons})


def _sentences(found: CoreTarget) -> list[str]:
    """What is not here, a few files by name."""
    names = [f"{storable(path)} {reason}" for path, reason in found.missing.items()]
    rest = len(names) - _MISSING_SHOWN
    return [*names[:_MISSING_SHOWN], *([f"and {rest} more binaries"] if rest > 0 else [])]


def _unreadable(path: Path, detail: str) -> CaptureInterrupted:
    return CaptureInterrupted(
        f"core file {path} could not be read to the end: {detail}",
        "the core was made without a part of the process's memory, or it is being written",
        "wait until it is whole, or take another: gcore PID",
    )
