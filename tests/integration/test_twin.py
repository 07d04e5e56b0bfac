"""A twin has the memory it was given and nothing else, and what runs in it stays in it."""

from __future__ import annotations

import os
import platform
import resource
import select
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Self

import pytest

from heapgraph.capture.heap import traverse
from heapgraph.capture.heap.traverse import CloneTraversal
from heapgraph.capture.heap.traverse_budget import MAX_FAULTS_OF_FUNCTION
from heapgraph.capture.live.freeze_helper import HelperFailure
from heapgraph.capture.live.twin import Twin
from heapgraph.capture.process.maps import Mapping, read_maps
from heapgraph.capture.process.memory import UnreadableMemory
from heapgraph.native.file_pieces import FilePiece
from helpers.machine_code import (
    CODE,
    DATA,
    PAGE,
    RETURN,
    TEXTS,
    VISITS_ITSELF,
    BuiltImage,
    calls,
    calls_as_32_bit,
    jumps_to,
    load,
)
from helpers.processes import read_u64
from helpers.running_target import start_target

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np

pytestmark = pytest.mark.skipif(platform.machine() != "x86_64", reason="machine code of x86_64")

SYS_OPEN, SYS_KILL, SYS_FORK, SYS_UNLINK, SYS_EXIT_GROUP = 2, 62, 57, 87, 231
SYS_MMAP, SYS_MPROTECT, SYS_SECCOMP = 9, 10, 317
KILL_32, EXIT_32, OPEN_32 = 37, 1, 5
VSYSCALL_TIME = 0xFFFFFFFFFF600400
TIMED_OUT_S = 20
MAX_VISITS = 1 << 20
KERNEL = tuple(int(part) for part in platform.release().split(".")[:2])
MAX_MEMORY = 1 << 30


@pytest.fixture
def image_of() -> Iterator[Callable[..., BuiltImage]]:
    """Makes images and closes them."""
    made: list[BuiltImage] = []

    def make(*functions: bytes, text: bytes = b"") -> BuiltImage:
        made.append(BuiltImage(functions, text))
        return made[-1]

    yield make
    for image in made:
        image.close()


def run(twin: Twin, jobs: np.ndarray) -> tuple[list[int], CloneTraversal]:
    """The objects that visited themselves once, and what became of the others."""
    with CloneTraversal(twin, most_visits=MAX_VISITS) as traversal:
        parts = list(traversal.visits(jobs))
    visited = []
    for visits in parts:
        start = 0
        for address, end in zip(visits.objects.tolist(), visits.ends.tolist(), strict=True):
            if visits.targets[start:end].tolist() == [address]:
                visited.append(address)
            start = end
    return visited, traversal


def status_of(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {line.partition(":")[0]: line.partition(":")[2].strip() for line in lines}


def test_a_twin_has_the_memory_and_nothing_else(image_of: Callable[..., BuiltImage]) -> None:
    """Given an image, its twin maps it, one page for calls, and has no file, right or privilege."""
    image = image_of(RETURN, text=b"constant")
    with image.twin(thread_pointer=DATA + 64) as twin:
        pid = twin.code_pid
        found = [
            (item.start, item.end, item.permissions)
            for item in read_maps(pid)
            if not item.path.startswith("[v")
        ]
        expected = [(item.start, item.end, item.permissions) for item in image.maps]
        extra = [item for item in found if item not in expected]
        assert [item for item in found if item in expected] == expected
        assert [(end - start, how) for start, end, how in extra] == [(PAGE, "r-xp")]
        assert list(Path(f"/proc/{pid}/fd").iterdir()) == []
        status = status_of(pid)
        assert {status[name] for name in ("CapPrm", "CapEff", "CapInh")} == {"0" * 16}
        assert (status["NoNewPrivs"], status["Seccomp"], status["Threads"]) == ("1", "2", "1")
        assert (status["State"][0], status["TracerPid"]) == ("t", str(twin.helper.pid))
        assert Path(f"/proc/{pid}/oom_score_adj").read_text().strip() == "1000"
        limits = [resource.prlimit(pid, kind)[1] for kind in (resource.RLIMIT_CORE, 9)]
        assert limits[0] <= 1
        assert limits[1] < 2 << 30  # RLIMIT_AS
        assert read_u64(pid, TEXTS) == int.from_bytes(b"constant", "little")
    assert not Path(f"/proc/{pid}").exists()


def test_functions_run_in_a_twin(image_of: Callable[..., BuiltImage]) -> None:
    """Given functions that visit and that do not, each object has its own visits."""
    image = image_of(VISITS_ITSELF, RETURN)
    jobs = image.jobs(0, 1, 0, 0, 1)
    with image.twin() as twin:
        visited, traversal = run(twin, jobs)
        again, _ = run(twin, jobs)
    assert visited == again == jobs[[0, 2, 3], 0].tolist()
    assert (traversal.log.objects, traversal.log.faulted) == (5, [])


def test_thread_local_data_is_that_of_the_thread(image_of: Callable[..., BuiltImage]) -> None:
    """Given a thread pointer, code finds by it what is there."""
    finds = b"\x64\x48\x8b\x3c\x25\x10\x00\x00\x00" + VISITS_ITSELF  # mov rdi, fs:[16]
    image = image_of(finds)
    os.pwrite(image.pieces[1].descriptor, (0x1234).to_bytes(8, "little"), 4096 + 16)
    with image.twin(DATA + 4096) as twin, CloneTraversal(twin) as traversal:
        (visits,) = traversal.visits(image.jobs(0))
    assert visits.targets.tolist() == [0x1234]


def test_system_calls_are_not_made(image_of: Callable[..., BuiltImage], tmp_path: Path) -> None:
    """Given functions that open, unlink, kill, fork and end by every way in, nothing happens."""
    path = tmp_path / "kept"
    path.write_text("kept")
    with start_target("idle.py") as victim:
        functions = [
            calls(SYS_UNLINK, TEXTS),
            calls(SYS_OPEN, TEXTS + 256, os.O_CREAT | os.O_RDWR, 0o600),
            calls(SYS_KILL, victim.pid, signal.SIGKILL),
            calls(SYS_FORK),
            calls(SYS_EXIT_GROUP, 0),
            calls(SYS_SECCOMP, 0, 0, 0),
            calls(SYS_MPROTECT, TEXTS, PAGE, 7),
            calls_as_32_bit(KILL_32, victim.pid, signal.SIGKILL),
            calls_as_32_bit(EXIT_32, 0),
            calls_as_32_bit(OPEN_32, 0, os.O_CREAT),
        ]
        text = os.fsencode(path).ljust(256, b"\0") + os.fsencode(tmp_path / "new") + b"\0"
        image = image_of(VISITS_ITSELF, *functions, text=text)
        jobs = image.jobs(0, *range(1, len(functions) + 1), 0)
        with image.twin() as twin:
            visited, traversal = run(twin, jobs)
            assert len(list(Path(f"/proc/{twin.code_pid}/task").iterdir())) == 1
            (texts,) = [item for item in read_maps(twin.code_pid) if item.start == TEXTS]
            assert texts.permissions == "r--p"
        assert victim.process.poll() is None
    assert traversal.log.faulted == jobs[1:-1, 0].tolist()
    assert visited == jobs[[0, -1], 0].tolist()
    assert list(tmp_path.iterdir()) == [path]


def test_the_page_for_calls_makes_none_either(image_of: Callable[..., BuiltImage]) -> None:
    """Given code that jumps to the one instruction from which calls are made, none is made."""
    image = image_of(RETURN)
    with image.twin() as twin:
        (page,) = [
            item.start
            for item in read_maps(twin.code_pid)
            if item.permissions == "r-xp" and not item.path and item.start != CODE
        ]
    with start_target("idle.py") as victim:
        image = image_of(VISITS_ITSELF, jumps_to(page, SYS_EXIT_GROUP), jumps_to(page, SYS_FORK))
        jobs = image.jobs(1, 2, 0)
        with image.twin() as twin:  # the same memory has its page at the same place
            visited, traversal = run(twin, jobs)
        assert victim.process.poll() is None
    assert traversal.log.faulted == jobs[:2, 0].tolist()
    assert visited == [jobs[2, 0]]


def test_calls_of_the_vsyscall_page_are_not_made(image_of: Callable[..., BuiltImage]) -> None:
    """Given a call that the kernel makes in place of old code, it gives no time away."""
    # Visits itself only when time() returned something that is no error.
    takes_time = (
        b"\x57\x56\x52"
        + load("rdi", 0)
        + load("rax", VSYSCALL_TIME)
        + b"\xff\xd0\x5a\x5e\x5f\x48\x85\xc0\x7e\x0b"
        + VISITS_ITSELF
        + RETURN
    )
    image = image_of(takes_time, VISITS_ITSELF)
    jobs = image.jobs(0, 1)
    with image.twin() as twin:
        visited, _ = run(twin, jobs)
    assert visited == [jobs[1, 0]]


def test_traps_and_faults_cost_their_own_objects(image_of: Callable[..., BuiltImage]) -> None:
    """Given functions that fault, trap, hang, switch the mode, and change registers for good."""
    functions = [
        b"\x0f\x0b",  # ud2
        b"\xcc",  # int3
        b"\xcd\x03" + RETURN,  # int 3
        b"\xeb\xfe",  # for ever
        b"\x50\xeb\xfd",  # push for ever: out of the stack
        b"\xf4",  # hlt
        b"\x9c\x81\x0c\x24\x00\x01\x00\x00\x9d" + RETURN,  # sets the trap flag
        b"\x48\x31\xdb\x48\x31\xe4" + RETURN,  # no stack, no control block
        b"\x6a\x23\x68\x00\x00\x00\x00\x48\xcb",  # far return to 32-bit code at 0
        b"\x48\x31\xc0\xf3\x48\x0f\xae\xd0" + RETURN,  # wrfsbase 0
        b"\xfd" + RETURN,  # the direction flag
        load("rax", 1 << 62) + b"\xff\xe0",  # jmp to nowhere
        b"\x48\x89\x12\x48\xc7\x02\xff\xff\xff\xff" + RETURN,  # overwrites the control block
        b"\xff\xe6",  # jmp to the visit function, without its arguments
    ]
    image = image_of(VISITS_ITSELF, *functions)
    order = [0]
    for number in range(1, len(functions) + 1):
        order += [number, 0]
    jobs = image.jobs(*order)
    with image.twin() as twin:
        visited, traversal = run(twin, jobs)
    assert visited == jobs[::2, 0].tolist()
    assert len(traversal.log.faulted) >= len(functions) - 4
    assert set(traversal.log.faulted) <= set(jobs[1::2, 0].tolist())


def test_what_is_written_stays_in_the_twin(image_of: Callable[..., BuiltImage]) -> None:
    """Given a function that writes to all it can reach, the files are as before."""
    scribbles = b"\x48\xc7\x07\x41\x41\x41\x41\x48\x81\xc7\x00\x10\x00\x00\xeb\xf0"
    image = image_of(VISITS_ITSELF, scribbles)
    before = image.content()
    jobs = image.jobs(1, 0)
    with image.twin() as twin:
        visited, traversal = run(twin, jobs)
        assert read_u64(twin.code_pid, DATA + PAGE) == 0x41414141
    assert traversal.log.faulted == [jobs[0, 0]]
    assert visited == [jobs[1, 0]]
    assert image.content() == before


def test_a_function_that_wants_all_memory(
    image_of: Callable[..., BuiltImage], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a huge range of zeros and a function that writes to it, the twin is ended early.

    One that only reads it makes page tables.
    """
    monkeypatch.setattr(traverse, "PATIENCE_S", TIMED_OUT_S)
    fills = (
        load("rdi", 1 << 45) + b"\x48\xc7\x07\x01\x00\x00\x00\x48\x81\xc7\x00\x10\x00\x00\xeb\xf0"
    )
    reads = load("rdi", 1 << 45) + b"\x48\x8b\x07\x48\x81\xc7\x00\x00\x20\x00\xeb\xf4"
    for function in (fills, reads):
        image = image_of(VISITS_ITSELF, function)
        start, size = 1 << 45, 1 << 44  # 16 TiB
        piece = FilePiece(start, size, image.pieces[0].descriptor, 0, 0)
        maps = [Mapping(start, start + size, "rw-p", 0, ""), *image.maps]
        with Twin([piece, *image.pieces], maps, 0) as twin, Peak(twin.code_pid) as peak:
            with pytest.raises(HelperFailure) as caught:
                run(twin, image.jobs(0, 1, 0))
            assert caught.value.code == "memory"
            assert not Path(f"/proc/{twin.code_pid}").exists()
        assert 0 < peak.bytes < MAX_MEMORY


class Peak:
    """The most memory that a process has had, page tables included, from start to end."""

    def __init__(self, pid: int) -> None:
        self.bytes = 0
        self._status = Path(f"/proc/{pid}/status")
        self._is_over = threading.Event()
        self._watch = threading.Thread(target=self._look)

    def _look(self) -> None:
        with suppress(OSError, KeyError):
            while not self._is_over.is_set():
                lines = self._status.read_text().splitlines()
                sizes = dict(line.split(":", 1) for line in lines)
                used = sum(int(sizes[name].split()[0]) for name in ("VmHWM", "VmPTE"))
                self.bytes = max(self.bytes, used * 1024)

    def __enter__(self) -> Self:
        self._watch.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._watch.join()


def test_memory_that_allocators_ask_for_is_granted(image_of: Callable[..., BuiltImage]) -> None:
    """Given a function that maps memory and writes to it, it gets it, from the page alone."""
    allocates = (
        b"\xb8\x09\x00\x00\x00\x57\x56\x52\x31\xff\xbe\x00\x10\x00\x00\xba\x03\x00\x00\x00"
        b"\x41\xba\x22\x00\x00\x00\x49\xc7\xc0\xff\xff\xff\xff\x45\x31\xc9\x0f\x05"
        b"\xc7\x00\x01\x00\x00\x00\x5a\x5e\x5f" + VISITS_ITSELF
    )
    image = image_of(allocates)
    jobs = image.jobs(*[0] * 20)
    with image.twin() as twin:
        visited, traversal = run(twin, jobs)
    assert traversal.log.faulted == []
    assert visited == jobs[:, 0].tolist()


def test_a_function_that_fails_often_is_given_up(image_of: Callable[..., BuiltImage]) -> None:
    """Given many objects of a failing function, a few of them are tried."""
    image = image_of(VISITS_ITSELF, b"\x0f\x0b")
    jobs = image.jobs(*[1] * 200, 0)
    with image.twin() as twin:
        visited, traversal = run(twin, jobs)
    assert visited == [jobs[-1, 0]]
    assert len(traversal.log.faulted) == MAX_FAULTS_OF_FUNCTION


def test_a_twin_ends_with_its_helper(image_of: Callable[..., BuiltImage]) -> None:
    """Given a helper that is killed, the twin is gone, whatever ran in it, and it is told."""
    image = image_of(VISITS_ITSELF)
    twin = image.twin()
    with twin, CloneTraversal(twin) as traversal:
        descriptor = os.pidfd_open(twin.code_pid)
        os.kill(twin.helper.pid, signal.SIGKILL)
        assert_ends(descriptor)
        with pytest.raises(UnreadableMemory):
            list(traversal.visits(image.jobs(0)))


def test_a_twin_that_is_killed_is_told(image_of: Callable[..., BuiltImage]) -> None:
    """Given a twin that the kernel ended, its helper goes on and says so."""
    image = image_of(VISITS_ITSELF)
    with image.twin() as twin, CloneTraversal(twin) as traversal:
        descriptor = os.pidfd_open(twin.code_pid)
        os.kill(twin.code_pid, signal.SIGKILL)
        assert_ends(descriptor)
        with pytest.raises(UnreadableMemory):
            list(traversal.visits(image.jobs(0)))
        assert twin.helper.release()[1] == "clean"


def assert_ends(descriptor: int) -> None:
    """Wait until the process of a pidfd has ended, and close it."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    assert poll.poll(TIMED_OUT_S * 1000)
    os.close(descriptor)


FORBIDS_WRITABLE_CODE = """
import ctypes
assert ctypes.CDLL(None).prctl(65, 1, 0, 0, 0) == 0  # PR_SET_MDWE, MDWE_REFUSE_EXEC_GAIN
from heapgraph.capture.heap.traverse import CloneTraversal
from helpers.machine_code import RETURN, BuiltImage
image = BuiltImage([RETURN], code_permissions="rwxp")
with image.twin() as twin, CloneTraversal(twin) as traversal:
    list(traversal.visits(image.jobs(0)))
print(traversal.log.objects)
"""


@pytest.mark.skipif(KERNEL < (6, 3), reason="the kernel is older than 6.3")
def test_a_host_that_forbids_writable_code() -> None:
    """Given memory that is both writable and code, where that is refused, it can still be run."""
    done = subprocess.run(
        [sys.executable, "-c", FORBIDS_WRITABLE_CODE],
        cwd=Path(__file__).resolve().parents[1],
        capture_output=True,
        text=True,
        timeout=TIMED_OUT_S,
        check=False,
    )
    assert done.stdout == "1\n", done.stderr
    assert done.stderr == ""


def test_a_thread_pointer_of_the_kernel(image_of: Callable[..., BuiltImage]) -> None:
    """Given an address that is not the process's, the twin is refused."""
    image = image_of(RETURN)
    with pytest.raises(HelperFailure):
        image.twin(thread_pointer=1 << 63)
