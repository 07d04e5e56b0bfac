"""A snapshot from a core file: the walk of a live target, where no code can run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from heapgraph.capture.captured import Captured, Clock, memory_shortage_named, write_captured
from heapgraph.capture.core_target import inspect_core
from heapgraph.capture.libraries import find_library_data
from heapgraph.capture.maps import printable
from heapgraph.capture.memory import UnreadableMemory
from heapgraph.capture.quality import Account
from heapgraph.capture.regions import find_regions
from heapgraph.capture.roots import find_roots, gc_list_heads, is_collecting
from heapgraph.capture.traverse import TraverseLog
from heapgraph.capture.traverse_account import TraverseAccount, explain
from heapgraph.capture.walk import HeapColumns, HeapWalk, readable_regions, static_ranges
from heapgraph.errors import CaptureInterrupted
from heapgraph.native.heap_walker import NAMELESS
from heapgraph.snapshot.writer import check_output
from heapgraph.units import format_size

if TYPE_CHECKING:
    import os

    from heapgraph.capture.captured import DumpResult, Progress
    from heapgraph.capture.core_target import CoreTarget
    from heapgraph.capture.quality import Verdict
    from heapgraph.capture.roots import RootSet

_MISSING_SHOWN = 3


@memory_shortage_named()
def dump_core(
    core: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    executable: str | os.PathLike[str] | None = None,
    redact: bool = False,
    force: bool = False,
    progress: Progress | None = None,
) -> DumpResult:
    """Take a snapshot from a core file.

    Types without a table of their fields are scanned, since no traverse function can run; they are
    in `quality["scanned_types"]`.

    Args:
        core: the core file, of `heapgraph capture`, the kernel or gcore; also packed with zstd. "-"
            is standard input.
        output: the snapshot file to write.
        executable: the program that ran, where it is not at the place that the core names.
        redact: keep no values of strings and numbers, and hash dict keys that are no identifiers.
        force: overwrite an existing file.
        progress: called with phase, done, total (0 = unknown).

    Raises:
        TargetError: the core cannot be read, or is of no supported Python; the subclass says why.
        SnapshotWriteFailed: the output exists (without force) or cannot be written.

    Cost: about 1 s per million objects and as much memory as the heap in it.
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
        captured = _capture(found, Path(core), clock, progress)
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
        notes=notes + explain(captured.traversed, verify=False) + captured.named.notes,
        redact=redact,
        force=force,
        progress=progress,
    )


def _capture(found: CoreTarget, path: Path, clock: Clock, progress: Progress | None) -> Captured:
    target = found.target
    where = (found.memory, target.layout, target.runtime_address)
    try:
        with clock.phase("roots"):
            named = find_roots(*where)
            heads = gc_list_heads(*where)
            collecting = is_collecting(*where)
            _add_native_ids(named, found)
        regions = readable_regions(target.maps)
        walk = HeapWalk(found.pieces, target.layout, target.version, regions, progress)
        with clock.phase("discover"):
            walk.discover(heads, named.addresses, named.scan_ranges, named.running_frames)
            walk.discover_from(find_library_data(found.memory, target.maps, named.scan_ranges))
        statics = static_ranges(target.maps, target.runtime_address, target.runtime_end)
        with clock.phase("read objects"):
            columns = walk.emit(statics)
        with clock.phase("memory regions"):
            memory_regions = find_regions(
                walk.reads,
                found.residency,
                target.maps,
                version=target.version,
                thread_ids=named.thread_ids(),
                columns=columns,
            )
        walk.forget_memory()
    except UnreadableMemory as error:
        raise _unreadable(path, str(error)) from error
    if not columns.object_count:
        raise _unreadable(path, "no object could be read")
    with clock.phase("judge"):
        verdict = _with_missing(Account(columns, named).judge(), columns, found)
    traversed = TraverseAccount(TraverseLog(), note="no code can run in a core file")
    return Captured(
        columns, named, verdict, target.maps, memory_regions, "core", collecting, traversed
    )


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
    names = [f"{printable(path)} {reason}" for path, reason in found.missing.items()]
    rest = len(names) - _MISSING_SHOWN
    return [*names[:_MISSING_SHOWN], *([f"and {rest} more binaries"] if rest > 0 else [])]


def _unreadable(path: Path, detail: str) -> CaptureInterrupted:
    return CaptureInterrupted(
        f"core file {path} could not be read to the end: {detail}",
        "the core was made without a part of the process's memory, or it is being written",
        "wait until it is whole, or take another: gcore PID",
    )
