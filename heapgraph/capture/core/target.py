"""The process a core file was made of: its mappings, its memory, which CPython it ran."""

from __future__ import annotations

from bisect import bisect_right
from contextlib import ExitStack
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Self

from heapgraph.capture.core.binaries import Binaries
from heapgraph.capture.core.file import read_core
from heapgraph.capture.core.packed import open_any_core
from heapgraph.capture.cpython.runtime import (
    UNLIKELY,
    find_runtimes,
    find_version,
    read_build,
    read_command_line,
    runtime_rank,
)
from heapgraph.capture.cpython.target import Target, choose_runtime, program_of, version_text
from heapgraph.capture.process.maps import Mapping
from heapgraph.capture.process.memory import UnreadableMemory
from heapgraph.capture.process.page_ranges import without
from heapgraph.capture.process.pieces import CoreMemory
from heapgraph.capture.process.residency import stored_residency
from heapgraph.errors import CoreFileUnusable, NotAPythonProcess, UnsupportedPython
from heapgraph.native.file_pieces import FilePiece
from heapgraph.safe_text import storable

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import TracebackType

    from heapgraph.capture.core.file import CoreFile, CoreThread
    from heapgraph.capture.core.record import CaptureRecord
    from heapgraph.capture.cpython.layouts import Layout
    from heapgraph.capture.cpython.runtime import Runtime
    from heapgraph.capture.process.residency import Residency

    Progress = Callable[[str, int, int], None]

_PAGE = 4096


@dataclass
class CoreTarget:
    """An open core file of a Python process.

    Attributes:
        target: what is known of the process; host name and start time only of a capture.
        memory: what the core and the binaries have of its memory.
        pieces: the same as the walker takes it; the files are open until this is closed.
        threads: as the kernel saw them.
        missing: why a binary cannot be read, by path.
        residency: what of its private anonymous memory was in memory.
        record: what `heapgraph capture` wrote into it; None of any other core.
    """

    target: Target
    memory: CoreMemory
    pieces: list[FilePiece]
    threads: tuple[CoreThread, ...]
    missing: dict[str, str]
    residency: Residency
    record: CaptureRecord | None
    _files: ExitStack

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the files."""
        self._files.close()


def inspect_core(
    path: Path, executable: Path | None, folder: Path, progress: Progress | None = None
) -> CoreTarget:
    """Open a core file and find the Python in it.

    Args:
        path: the core file.
        executable: the program that ran, where it is not at the place that the core names.
        folder: where there is room for a large one that is packed.
        progress: called with phase, done, total.

    Raises:
        CoreFileUnusable: no core file, one cut short, or the program with the runtime is not here.
        NotAPythonProcess: there is no CPython runtime in it.
        UnsupportedPython: a version or a build that heapgraph cannot read.

    Cost: 10-50 ms, and 50 us per mapping; of a packed core that of `unpack_core` too.
    """
    with ExitStack() as files:
        stream = files.enter_context(open_any_core(path, folder, progress))
        core = read_core(stream, path)
        stored = _stored_pieces(core, stream)
        program = _main_program(core)
        with CoreMemory(stored) as memory:
            binaries = Binaries(core, memory, program, executable)
        files.callback(binaries.close)
        pieces = _add_binaries(core, stored, binaries)
        memory = files.enter_context(CoreMemory(pieces))
        _forget_missing(core, stored, binaries)
        residency = core.record.residency(core.segments) if core.record else None
        maps = (
            core.record.sized_mappings(residency) if core.record else core_mappings(core, binaries)
        )

        target = _inspect(core, memory, maps, program, binaries)
        return CoreTarget(
            target,
            memory,
            pieces,
            core.threads,
            binaries.missing,
            residency or stored_residency(maps),
            core.record,
            files.pop_all(),
        )


def core_mappings(core: CoreFile, binaries: Binaries) -> list[Mapping]:
    """The mappings of the process in address order; what the core has of them is their rss."""
    starts = {part.start: part for part in core.files}
    stacks = {thread.stack_pointer for thread in core.threads if thread.native_id == core.pid}
    maps = []
    for segment in core.segments:
        part = starts.get(segment.start)
        name, offset = (part.path, part.offset) if part else ("", 0)
        if not name and any(segment.start <= stack < segment.end for stack in stacks):
            name = "[stack]"
        size = segment.stored
        place = (segment.start, segment.end, segment.permissions, offset, name)
        maps.append(Mapping(*place, rss=size, pss=size, private_dirty=size))
    taken = [(segment.start, segment.end) for segment in core.segments]
    for part in core.files:
        for start, end in without(part.start, part.end, taken):
            offset = part.offset + start - part.start
            maps.append(Mapping(start, end, binaries.permissions(part), offset, part.path))
    return sorted(maps, key=lambda mapping: mapping.start)


def _stored_pieces(core: CoreFile, stream: IO[bytes]) -> list[FilePiece]:
    """What the core has; what a capture leaves out of memory without a file, nobody wrote to."""
    is_complete = core.record is not None
    starts = [part.start for part in core.files]
    pieces = []
    for item in core.segments:
        row = bisect_right(starts, item.start) - 1
        has_file = row >= 0 and item.start < core.files[row].end
        size = item.end - item.start if is_complete and not has_file else item.stored
        if size:
            pieces.append(FilePiece(item.start, size, stream.fileno(), item.offset, item.stored))
    return pieces


def _add_binaries(core: CoreFile, stored: list[FilePiece], binaries: Binaries) -> list[FilePiece]:
    """Fill what the core left out of mapped files with the files' own content."""
    taken = [(piece.start, piece.end) for piece in stored]
    pieces = list(stored)
    for part in core.files:
        binary = binaries.usable.get(part.path)
        if binary is None:
            continue
        for start, end in without(part.start, part.end, taken):
            offset = part.offset + start - part.start
            in_file = min(max(binary.size - offset, 0), end - start)
            size = min(-(-in_file // _PAGE) * _PAGE, end - start)
            if size:
                pieces.append(FilePiece(start, size, binary.descriptor, offset, in_file))
    return sorted(pieces, key=lambda piece: piece.start)


def _forget_missing(core: CoreFile, stored: list[FilePiece], binaries: Binaries) -> None:
    """Binaries that are not here are not missed where a capture has all of them."""
    if core.record is None:
        return
    taken = [(piece.start, piece.end) for piece in stored]
    for path in list(binaries.missing):
        parts = [part for part in core.files if part.path == path]
        if not any(without(part.start, part.end, taken) for part in parts):
            del binaries.missing[path]


def _main_program(core: CoreFile) -> str:
    """Path of the program that ran, as the core has it; "" when it does not say."""
    if core.record and core.record.executable:
        return program_of(core.record.executable, (part.path for part in core.files))
    paths = [part.path for part in core.files]
    entered = (part.path for part in core.files if part.start <= core.entry < part.end)
    program = next(entered, "")
    if not program:
        names = (path for path in paths if path.rpartition("/")[2].startswith("python"))
        program = next(names, paths[0] if paths else "")
    return program_of(program, paths)


def _inspect(
    core: CoreFile,
    memory: CoreMemory,
    maps: list[Mapping],
    program: str,
    binaries: Binaries,
) -> Target:
    def read_version(runtime: Runtime) -> tuple[int, Layout]:
        try:
            return find_version(memory, runtime)
        except UnreadableMemory as error:
            raise _no_objects(core, str(error)) from error

    runtimes = find_runtimes(
        maps, program, lambda mapping: binaries.open(mapping.path), memory if core.record else None
    )
    found = choose_runtime(runtimes, read_version)
    if found is None:
        raise _no_runtime(core, program, binaries.missing)
    runtime, version, layout = found
    record = core.record
    return Target(
        pid=core.pid,
        executable=storable(program),
        command_line=record.command_line
        if record
        # The note of other cores has 80 characters at most, and of gcore the program only.
        else read_command_line(memory, layout, runtime.address) or core.command_line,
        version=(version >> 24, version >> 16 & 0xFF, version >> 8 & 0xFF),
        version_text=version_text(version),
        build=read_build(memory, layout, runtime.address),
        rss=record.rss if record else core.stored,
        hostname=record.hostname if record else "",
        started=record.started if record else "",
        runtime_address=runtime.address,
        runtime_end=runtime.file_end,
        maps=maps,
        layout=layout,
        tracemalloc_config=runtime.tracemalloc_config,
    )


def _no_objects(core: CoreFile, detail: str) -> UnsupportedPython:
    return UnsupportedPython(
        f"the Python objects in core file {core.path} cannot be found: {detail}",
        "its Python had just started or was ending, or is patched, or the core was made without "
        "the process's data (/proc/PID/coredump_filter)",
        "take a core file of a running program with a default build: gcore PID",
    )


def _no_runtime(
    core: CoreFile, program: str, missing: dict[str, str]
) -> CoreFileUnusable | NotAPythonProcess:
    """Either the file with the runtime is not here, or there is none."""
    likely = sorted(missing, key=lambda path: runtime_rank(path, program))
    if likely and runtime_rank(likely[0], program) < UNLIKELY:
        path = likely[0]
        is_program = path == program
        return CoreFileUnusable(
            f"core file {core.path} needs {storable(path)}, which {missing[path]}",
            "the core is from another machine or container, or Python was updated since",
            f"copy the file here and name it: heapgraph dump --core {core.path} --executable FILE"
            if is_program
            else f"copy it to {storable(path)} on this machine",
        )
    name = storable(program) or "of an unknown program"
    cause = "it is of a shell, a supervisor, or another program that starts Python"
    if "pypy" in name.rpartition("/")[2].lower():
        cause = "it is of PyPy; heapgraph reads the heap of CPython only"
    return NotAPythonProcess(
        f"core file {core.path} ({name}) is not of a Python process",
        cause,
        "choose the core file of a Python process",
    )
