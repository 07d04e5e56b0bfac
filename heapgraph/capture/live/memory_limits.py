"""May this dump take the memory that it needs, of the machine and of the groups of the target?

Two things cost memory. A clone: its page tables, and a copy of each page that the target rewrites
while the clone lives; both are charged to the target's groups. And heapgraph itself, in groups that
it is in. Whoever is in a group that runs out of memory may be ended by the kernel: that must not be
the target.
"""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from heapgraph.capture.process.maps import HEAP_NAME
from heapgraph.errors import CaptureInterrupted, MemoryRanShort
from heapgraph.machine_memory import (
    MOUNTS,
    GroupMemory,
    group_is_out_of_sight,
    group_memory,
    groups_that_end_as_one,
    machine_memory,
)
from heapgraph.units import format_size

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from collections.abc import Mapping as Fields

    from heapgraph.capture.process.maps import Mapping

_KIB = 1024
_MIB = 2**20

OWN_BASE = 150 * _MIB
"""What heapgraph takes with its libraries, before the first object."""

OWN_BYTES_PER_OBJECT = 120
"""Its peak for each object of the target."""

SMALLEST_OBJECT = 60
"""Resident bytes of a target for each object it may have: no heap was seen with smaller ones."""

PAGE_TABLE_SHARE = 1 / 256
"""Page tables need 8 bytes for 4 KiB of memory; twice that, as neighbours are not always full."""

CLONE_BUFFERS = 10 * _MIB
"""What the traverse functions of types write in the clone (`traverse`)."""

MAX_WRITERS = 4
"""Threads that copy pages at the same time without waiting for each other or for the memory."""

BURST = 10 * _MIB
"""What one thread can rewrite between two looks of the helper, the second one late: copies on write
were seen at 0.4 to 2 bytes a nanosecond, and a look comes every 1 to 5 ms (group_watch.c)."""

ENDING_SHARE = 1 / 32
"""The share of the target's memory that one thread rewrites while the clone is being ended: its
memory is taken back at 10 to 27 bytes a nanosecond, so this is about 1/25 to 1/60."""

WAIT = 5 * _MIB
"""What one thread can rewrite between the moment of the clone and the first look at it, for each
process that waits for a processor: up to 50 MiB were seen where eight did."""

LARGE_HEAPS = 128 * _MIB
"""Heaps of malloc from here on are not copied where a clone costs less: with `OWN_BASE` and a sixth
of them for tables of their owners, a dump of an idle target of few objects stays below 300 MiB."""

_ARENA_HEAP = 64 * _MIB
"""What heaps of further arenas are aligned to, and their largest size (HEAP_MAX_SIZE of malloc)."""

_PROC = Path("/proc")
_OWN = "self"
_FIRST, _AS_OTHERS = "1000", "0"
"""The highest oom_score_adj there is, and the usual one."""


@dataclass(frozen=True)
class MemoryPlan:
    """What the memory of the target's groups and of the machine allows.

    Attributes:
        clone_refusal: why the target must not be cloned; "" when it may be.
        places: what the helper has to watch while it holds a clone, as it wants them.
        groups: those of `places` that are groups, in their order; the machine comes behind them.
        reserve: bytes that must stay free in each while a clone lives.
        clone_cost: bytes that a clone may take at most.
    """

    clone_refusal: str
    places: list[str]
    groups: list[GroupMemory]
    reserve: int
    clone_cost: int = 0

    def explain_shortage(self, place: int, left: int) -> MemoryRanShort:
        """Why the helper ended the clone.

        Args:
            place: row of `places`.
            left: bytes that it had left then.
        """
        name = _name(self.groups[place]) if place < len(self.groups) else "the machine"
        return MemoryRanShort(
            f"the clone was ended: {name} had {format_size(left)} left, "
            f"of which {format_size(self.reserve)} are kept for the target",
            "the target, or another process there, took more memory while its clone was read",
            "raise its limit, try when it is quieter, or let it stand meanwhile: --method pause",
        )


@contextmanager
def first_to_go(
    pid: int | None = None, proc: Path = _PROC, mounts: Path = MOUNTS
) -> Iterator[None]:
    """Let the kernel end this process before any target, should memory run out.

    Children that are started meanwhile keep it. Needs no right.

    Args:
        pid: the target. Where both are in a group that is ended as one, being the first would
            draw the kernel to that group, so it is as others are.
        proc: where the process file system is mounted.
        mounts: the file that says where the control groups are mounted.
    """
    ends_with_target = pid is not None and not set(
        groups_that_end_as_one(proc / _OWN / "cgroup", mounts)
    ).isdisjoint(groups_that_end_as_one(proc / str(pid) / "cgroup", mounts))
    score = proc / _OWN / "oom_score_adj"
    before = _read(score)
    if ends_with_target or not before:
        if before.strip() == _FIRST:  # as the program begins, whatever it is to do
            _write(score, _AS_OTHERS)
        yield
        return
    _write(score, _FIRST)
    try:
        yield
    finally:
        _write(score, before)


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def _write(path: Path, text: str) -> None:
    with suppress(OSError):
        path.write_text(text)


def plan_memory(
    pid: int,
    status: Fields[str, str],
    *,
    own_need: int | None = None,
    proc: Path = _PROC,
    mounts: Path = MOUNTS,
) -> MemoryPlan:
    """Judge the memory before anything is done to the target.

    Args:
        pid: the target.
        status: its `/proc/PID/status`.
        own_need: bytes that heapgraph needs itself; None for those of a dump.
        proc: where the process file system is mounted.
        mounts: the file that says where the control groups are mounted.

    Raises:
        CaptureInterrupted: heapgraph shares a group with the target, or the machine is so full,
            that it would run out of memory itself.

    Cost: reads some small files; under a millisecond.
    """
    groups = group_memory(proc / str(pid) / "cgroup", mounts)
    own_group = proc / _OWN / "cgroup"
    own_folders = {group.folder for group in group_memory(own_group, mounts)}
    reserve = clone_reserve(status)
    clone_need = clone_cost(status, _waiting(proc))
    least = _own_need(0, proc) if own_need is None else own_need
    own_need = _own_need(_size(status, "VmRSS"), proc) if own_need is None else own_need
    refusal = ""
    for group in groups:
        needed = clone_need
        if group.folder in own_folders:
            _check_shared(pid, group, own_need)
            needed += own_need
        if not refusal and group.left < needed:
            refusal = (
                f"{_name(group)} has {format_size(group.left)} left; a clone may take "
                f"{format_size(needed)}: page tables, and pages that the target rewrites meanwhile"
            )
    available = machine_memory(proc / "meminfo").get("MemAvailable")
    if available is not None:
        _check_machine(available, least)
        if not refusal and available < clone_need + least:
            refusal = f"the machine has {format_size(available)} of memory left"
    if group_is_out_of_sight(proc / str(pid) / "cgroup", mounts):
        refusal = (
            "it is in another container, whose memory limit cannot be seen from this one; "
            "heapgraph on the host can see it"
        )
    if at_once := groups_that_end_as_one(proc / str(pid) / "cgroup", mounts):
        refusal = (
            f"should memory run out, the kernel ends the clone first, and with it all processes of "
            f"{at_once[0]} (memory.oom.group)"
        )
    places = [f"{one.version}:{reserve}:{one.limit}:{one.folder}" for one in groups]
    return MemoryPlan(refusal, [*places, f"0:{reserve}:0:"], groups, reserve, clone_need)


def copy_saving(maps: Sequence[Mapping], plan: MemoryPlan) -> str:
    """Why a clone takes less memory than a copy: a sentence, "" where it does not.

    What a walk reads of a clone it keeps, and of a copy it keeps nothing beside: for a heap of
    objects they cost the same. But heaps of malloc are mostly memory of C code, which is looked
    through once and not kept, unless it was copied.

    Args:
        maps: of the target, with sizes.
        plan: for it.
    """
    heaps = sum(mapping.rss for mapping in maps if _is_malloc_heap(mapping))
    if heaps < max(LARGE_HEAPS, plan.clone_cost):
        return ""
    return (
        f"a copy would take {format_size(heaps)} for its heaps of malloc, a clone takes "
        f"{format_size(plan.clone_cost)} at most"
    )


def _is_malloc_heap(mapping: Mapping) -> bool:
    """Whether it is surely one: that of a program, or of an arena for threads, by its place."""
    if mapping.path == HEAP_NAME:
        return True
    return (
        mapping.is_own
        and not mapping.path
        and mapping.start % _ARENA_HEAP == 0
        and mapping.end - mapping.start <= _ARENA_HEAP
    )


def clone_reserve(status: Fields[str, str]) -> int:
    """Bytes that must stay free while a clone lives: what the target can rewrite until it is gone.

    Args:
        status: `/proc/PID/status` of the target.
    """
    return _rewritten(status, BURST + _private(status) * ENDING_SHARE)


def clone_cost(status: Fields[str, str], waiting: float) -> int:
    """Bytes that must be free for a clone: less, and it would be ended before it is of use.

    Args:
        status: `/proc/PID/status` of the target.
        waiting: processes that wait for a processor, for each processor.
    """
    tables = round(_size(status, "VmRSS") * PAGE_TABLE_SHARE)
    each = BURST + _private(status) * ENDING_SHARE + WAIT * waiting
    return tables + CLONE_BUFFERS + _rewritten(status, each)


def _rewritten(status: Fields[str, str], by_one_thread: float) -> int:
    writers = min(int(status.get("Threads", "1")), os.cpu_count() or 1, MAX_WRITERS)
    return min(_private(status), round(writers * by_one_thread))


def _private(status: Fields[str, str]) -> int:
    return _size(status, "RssAnon") or _size(status, "VmRSS")


def _waiting(proc: Path) -> float:
    """Processes that want a processor beyond those that have one, for each: now or lately."""
    words = _read(proc / "loadavg").split()
    if not words:
        return 0.0
    running = max(float(words[0]), int(words[3].partition("/")[0]))
    return max(0.0, running / (os.cpu_count() or 1) - 1)


def _own_need(resident: int, proc: Path) -> int:
    """What heapgraph will take beyond what it has now, for a target of so many resident bytes."""
    peak = OWN_BASE + resident // SMALLEST_OBJECT * OWN_BYTES_PER_OBJECT
    lines = (line.partition(":") for line in _read(proc / _OWN / "status").splitlines())
    status = {name: value.strip() for name, _, value in lines}
    return max(0, peak - _size(status, "RssAnon"))


def _check_shared(pid: int, group: GroupMemory, needed: int) -> None:
    if group.left >= needed:
        return
    raise CaptureInterrupted(
        f"{_name(group)} has {format_size(group.left)} left, "
        f"a dump of process {pid} may take {format_size(needed)} there",
        f"heapgraph runs in the memory group of its target, and needs {format_size(OWN_BASE)} and "
        f"{OWN_BYTES_PER_OBJECT} bytes for each object",
        f"run it outside of the group (on the host), take the memory out of it first: "
        f"heapgraph capture {pid} -o -, or raise the limit to "
        f"{format_size(group.limit - group.left + needed)}",
    )


def _check_machine(available: int, needed: int) -> None:
    if available >= needed:
        return
    raise CaptureInterrupted(
        f"the machine has {format_size(available)} of memory left, "
        f"a dump takes {format_size(needed)} and more",
        "without it the kernel would end a process",
        "end what is not needed, or wait until there is room",
    )


def _name(group: GroupMemory) -> str:
    return f"the memory group {group.folder} (limit {format_size(group.limit)})"


def _size(status: Fields[str, str], name: str) -> int:
    return int(status.get(name, "0 kB").split()[0]) * _KIB
