"""A twin of a process that is not touched: the same tables as a clone, and the process unharmed."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from heapgraph.capture.cpython.layouts import layout_for
from heapgraph.capture.cpython.roots import find_roots, gc_list_heads
from heapgraph.capture.heap.traverse_account import traverse_clone, traverse_twin
from heapgraph.capture.heap.traverse_budget import MAX_FAULTS_OF_FUNCTION
from heapgraph.capture.heap.walk import HeapWalk, static_ranges, writable_regions
from heapgraph.capture.live import clean_pages
from heapgraph.capture.live.clean_pages import CleanPages
from heapgraph.capture.live.freeze import freeze
from heapgraph.capture.live.freeze_helper import HelperFailure
from heapgraph.capture.live.memory_copy import MemoryCopy
from heapgraph.capture.live.target import inspect_target
from heapgraph.capture.live.twin import thread_pointer_of, twin_of_process
from heapgraph.capture.process.libraries import find_library_data
from heapgraph.capture.process.maps import read_maps
from heapgraph.capture.process.memory import ProcessMemory
from heapgraph.capture.process.pieces import CoreMemory
from helpers.core_files import stopped
from helpers.interpreters import some_interpreters
from helpers.running_target import start_target

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from heapgraph.capture.cpython.root_set import RootSet
    from heapgraph.capture.cpython.target import Target
    from heapgraph.capture.heap.columns import HeapColumns
    from heapgraph.capture.heap.traverse_account import TraverseAccount
    from heapgraph.capture.process.maps import Mapping
    from heapgraph.native.file_pieces import FilePiece
    from helpers.interpreters import Interpreter


def walk_with(
    source: int | Sequence[FilePiece],
    place: tuple[Target, Sequence[Mapping], RootSet, ProcessMemory],
    traverse: Callable[[HeapWalk], TraverseAccount],
) -> tuple[HeapColumns, TraverseAccount]:
    """The steps of a dump, up to the columns."""
    target, maps, named, memory = place
    heads = gc_list_heads(memory, target.layout, target.runtime_address)
    walk = HeapWalk(source, target.layout, target.version, maps)
    walk.discover(heads, named.addresses, named.scan_ranges, named.running_frames)
    walk.discover_from(find_library_data(memory, maps, named.scan_ranges))
    account = traverse(walk)
    columns = walk.emit(static_ranges(maps, target.runtime_address, target.runtime_end))
    walk.forget_memory(columns)
    return columns, account


@contextmanager
def copied(pid: int) -> Iterator[tuple[MemoryCopy, list[Mapping], int]]:
    """What a process can write to, copied; its mappings, and its memory file for the rest."""
    maps = read_maps(pid)
    ranges = [(item.start, item.end) for item in writable_regions(maps)]
    memory = os.open(f"/proc/{pid}/mem", os.O_RDONLY)
    try:
        with MemoryCopy(ranges) as copy:
            copy.take(memory, ranges)
            yield copy, maps, memory
    finally:
        os.close(memory)


def open_files(pid: int) -> set[str]:
    return {str(entry.readlink()) for entry in Path(f"/proc/{pid}/fd").iterdir()}


@pytest.mark.parametrize("interpreter", some_interpreters())
def test_a_twin_tells_what_the_clone_tells(interpreter: Interpreter) -> None:
    """Given a standing process, a walk by a twin of its copy has the columns of one by a clone."""
    with ExitStack() as cleanup:
        pid = cleanup.enter_context(start_target("kinds.py", python=interpreter.path)).pid
        cleanup.enter_context(stopped(pid))
        target = inspect_target(pid)
        copy, maps, rest = cleanup.enter_context(copied(pid))
        memory = cleanup.enter_context(ProcessMemory(pid))
        named = find_roots(memory, target.layout, target.runtime_address)
        place = (target, maps, named, memory)
        pointer = thread_pointer_of(named)
        found, of_twin = walk_with(
            copy.pieces(rest),
            place,
            lambda walk: traverse_twin(
                lambda: twin_of_process(pid, copy.pieces(), maps, pointer), walk, verify=True
            ),
        )
        frozen = cleanup.enter_context(freeze(pid, "clone"))
        expected, of_clone = walk_with(
            frozen.code_pid, place, lambda walk: traverse_clone(frozen, walk, verify=True)
        )

    assert of_twin.note == ""
    assert of_twin.record(found) == of_clone.record(expected)
    assert of_twin.taken.objects > 200
    assert found.arrays.keys() == expected.arrays.keys()
    different = [
        name for name, array in expected.arrays.items() if not (found.arrays[name] == array).all()
    ]
    assert different == []
    assert found.names == expected.names


def test_the_process_does_not_notice() -> None:
    """Given functions that close files, fault and hang, when run in a twin, the target goes on."""
    offset = layout_for(sys.version_info[:2]).fields["tp.traverse"]
    with ExitStack() as cleanup:
        running = cleanup.enter_context(start_target("odd_traverse.py", offset, "classes"))
        target = inspect_target(running.pid)
        copy, maps, rest = cleanup.enter_context(copied(running.pid))
        memory = cleanup.enter_context(ProcessMemory(running.pid))
        named = find_roots(memory, target.layout, target.runtime_address)
        before = open_files(running.pid)
        columns, account = walk_with(
            copy.pieces(rest),
            (target, maps, named, memory),
            lambda walk: traverse_twin(
                lambda: twin_of_process(running.pid, copy.pieces(), maps, 0), walk, verify=True
            ),
        )
        running.send("are you there")
        assert running.read_line() == "fine"
        assert open_files(running.pid) == before
    faults = account.record(columns)["traverse_faults"]
    assert faults == {"Faults": MAX_FAULTS_OF_FUNCTION, "Closes": 2, "Hangs": 1}


@pytest.fixture(name="pid", scope="module")
def pid_of_target() -> Iterator[int]:
    """A target that stands still."""
    with start_target("idle.py") as target, stopped(target.pid):
        yield target.pid


def test_clean_pages_are_those_of_the_process(pid: int) -> None:
    """Given what the process cannot write to, every piece has the bytes of its memory."""
    maps = read_maps(pid)
    with CleanPages(pid, maps) as clean, ProcessMemory(pid) as memory:
        code = [item for item in maps if item.permissions == "r-xp" and item.is_file]
        with CoreMemory(clean.pieces) as found:
            for item in code:
                assert found.read(item.start, item.end - item.start) == memory.read(
                    item.start, item.end - item.start
                )
            for piece in clean.pieces:
                size = min(piece.in_file, 1 << 16)
                assert found.read(piece.start, size) == memory.read(piece.start, size)
        assert len(code) > 1
        # Most is mapped from the files themselves.
        own = {piece.descriptor for piece in clean.pieces}
        assert len(own) > len({item.path for item in code}) / 2
        assert sum(p.size for p in clean.pieces if p.descriptor == clean._copy._file) < 8 << 20


def test_code_whose_file_is_not_certain_is_copied(
    pid: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given files that cannot be told to be the mapped ones, the same bytes come from memory."""
    maps = read_maps(pid)
    monkeypatch.setattr(clean_pages, "_open_mapped", lambda *_: -1)
    (code, *_) = (item for item in maps if item.permissions == "r-xp" and item.is_file)
    with CleanPages(pid, maps) as clean, CoreMemory(clean.pieces) as found:
        assert len({piece.descriptor for piece in clean.pieces}) == 1
        size = code.end - code.start
        with ProcessMemory(pid) as memory:
            assert found.read(code.start, size) == memory.read(code.start, size)


def test_another_file_at_the_same_place_is_not_taken(pid: int, tmp_path: Path) -> None:
    """Given a path that now names something else, it is not opened for the mapped file."""
    path, pipe, link = tmp_path / "file", tmp_path / "pipe", tmp_path / "link"
    path.write_bytes(b"other")
    os.mkfifo(pipe)
    link.symlink_to(path)

    def opened(place: Path, inode: int) -> int:
        item = clean_pages._MappedRange(0, 4096, "r-xp", 0, path.stat().st_dev, inode, str(place))
        return clean_pages._open_mapped(pid, item)

    inode = path.stat().st_ino
    assert opened(path, inode + 1) == -1
    assert opened(link, inode) == -1
    assert opened(pipe, pipe.stat().st_ino) == -1
    descriptor = opened(path, inode)
    assert os.pread(descriptor, 5, 0) == b"other"
    os.close(descriptor)


def test_a_process_that_has_ended_has_no_twin() -> None:
    """Given the pid of a process that is gone, there is a refusal that says so."""
    with start_target("idle.py") as target:
        pid, maps = target.pid, read_maps(target.pid)
    with pytest.raises(HelperFailure) as caught:
        twin_of_process(pid, [], maps, 0)
    assert caught.value.code == "twin"
