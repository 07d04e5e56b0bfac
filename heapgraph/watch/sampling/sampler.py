"""All targets: who is there, who came and went, and the counters of each."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from heapgraph.capture.process.start_time import started_of
from heapgraph.errors import HeapgraphError, NotAPythonProcess, TargetNotFound
from heapgraph.watch.model import Event, Sample, WorkerName
from heapgraph.watch.sampling.discovery import matching, parent_of, processes
from heapgraph.watch.sampling.group_counters import GroupCounters, read_group_counters
from heapgraph.watch.sampling.process_handle import PROC, CannotLook, ProcessHandle
from heapgraph.watch.sampling.slots import Slots
from heapgraph.watch.sampling.watched import WatchedProcess, find_python, watch_process

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from heapgraph.watch.model import ProcessKey
    from heapgraph.watch.settings.model import TargetSpec

MAX_WORKERS = 5000
"""Processes that are watched at most: each needs two descriptors."""

MAX_FOUND_AT_ONCE = 20
"""New processes that are inspected in one look, at 10 to 40 ms each: others wait for the next."""

FIRST_RETRY_S, LAST_RETRY_S = 2.0, 600.0
"""When a process that could not be read is asked again: it may just be starting. Twice as long
after each time; one that is no Python is asked as seldom as possible."""

MAX_REFUSALS_SAID = 5
"""Processes that a daemon at its start names as not watched; the first few tell the cause."""

PRESSURE = 0.10
"""The share of time lost to waiting for memory from which on it is an event (`psi_some`)."""


@dataclass
class _Refused:
    """A process that was found and cannot be read."""

    started: int
    reason: HeapgraphError
    retry_at: float
    wait_s: float


@dataclass(frozen=True)
class Look:
    """What one look at all targets found.

    Attributes:
        samples: of each worker that is alive.
        events: what happened since the last look.
        came, went: workers that are new, and those that have ended.
        replaced: of those that went, the ones that have not ended: each runs another program.
        unknown: who, or what, could not be looked at this time, and why.
    """

    samples: list[Sample] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    came: list[WatchedProcess] = field(default_factory=list)
    went: list[WatchedProcess] = field(default_factory=list)
    replaced: set[ProcessKey] = field(default_factory=set)
    unknown: dict[str, str] = field(default_factory=dict)


def _started(pid: int) -> int | None:
    """When the process with a pid started, in ticks; None for none.

    Raises:
        OSError: that cannot be looked at now.
    """
    try:
        return started_of(pid)
    except (FileNotFoundError, ProcessLookupError):
        return None


class Sampler:
    """Looks at all targets of the settings, again and again.

    Not safe to share between threads.

    Args:
        specs: the targets.
        slots: places by target, as they were before a restart: pids by slot.

    Attributes:
        own: pids that are never watched: what the daemon has started, of which the command line
            may hold the name of a target.
    """

    def __init__(
        self, specs: Sequence[TargetSpec], slots: dict[str, dict[int, int]] | None = None
    ) -> None:
        """Look at nothing yet."""
        self._specs = specs
        self._slots = {spec.name: Slots((slots or {}).get(spec.name)) for spec in specs}
        self._watched: dict[WorkerName, WatchedProcess] = {}
        self._refused: dict[int, _Refused] = {}
        self._kills: dict[Path | None, int] = {}
        self._under_pressure: set[WorkerName] = set()
        self._named: dict[str, int] = {}  # when those started that have a pid in the settings
        self._over: set[str] = set()
        self.own: set[int] = set()
        self._drop_old_slots(slots or {})
        self._note_who_is_over()

    @property
    def watched(self) -> dict[WorkerName, WatchedProcess]:
        """Those that were alive at the last look."""
        return self._watched

    @property
    def refusals(self) -> dict[int, HeapgraphError]:
        """Why a process that a target means is not watched, by pid."""
        return {pid: one.reason for pid, one in self._refused.items()}

    @property
    def is_over(self) -> bool:
        """Whether each target is a process that was named by its pid, and has ended."""
        return all(spec.name in self._over for spec in self._specs)

    def refused_in_words(self) -> list[str]:
        """Why processes that targets mean are not watched, a line each; of the first few.

        A text that is looked for stands in the command lines of programs that are no Python, too:
        these are passed over, but for a target that names one process.
        """
        pids = {spec.pid for spec in self._specs}
        lines = [
            f"not watched: process {pid}: {': '.join(error.parts()[:2])}"
            for pid, error in sorted(self.refusals.items())
            if pid in pids or not isinstance(error, NotAPythonProcess)
        ]
        return lines[:MAX_REFUSALS_SAID]

    def slots(self) -> dict[str, dict[int, int]]:
        """Places by target, to be kept over a restart: pids by slot."""
        found: dict[str, dict[int, int]] = {spec.name: {} for spec in self._specs}
        for name, one in self._watched.items():
            found[name.target][name.slot] = one.handle.pid
        return found

    def look(self, now: float) -> Look:
        """Look at every target.

        Args:
            now: steady clock.

        Cost: 10 us for each process of the machine, 100 us for each worker, 150 us for each
            control group; 10-40 ms for a worker that is new.
        """
        look = Look()
        for name, one in list(self._watched.items()):
            if not one.handle.is_alive():
                self._end(name, one, now, look)
        self._note_who_is_over()
        try:
            self._find(now, look)
        except OSError as error:
            look.unknown["new processes"] = error.strerror or type(error).__name__
        groups: dict[str, GroupCounters] = {}
        for name, one in list(self._watched.items()):
            try:
                sample = one.sample(now)
                counters = self._group_of(one, groups)
            except TargetNotFound:
                self._end(name, one, now, look)
                continue
            except CannotLook as error:
                look.unknown[str(name)] = error.cause
                continue
            if one.is_another_program:  # it is looked for anew; the process has not ended
                self._leave(name, one, look)
                look.replaced.add(one.handle.key)
                continue
            if counters is not None:
                sample = Sample(
                    name, now, {**sample.values, **counters.values()}, sample.generations
                )
                look.events.extend(self._events(name, counters, now))
            look.samples.append(sample)
        self._remember_kills(groups.values())
        return look

    def close(self) -> None:
        """Give all descriptors back."""
        for one in self._watched.values():
            one.close()
        self._watched.clear()

    def _drop_old_slots(self, slots: dict[str, dict[int, int]]) -> None:
        """A place whose process has ended meanwhile is free."""
        alive = set(processes())
        for target, pids in slots.items():
            for slot, pid in pids.items():
                if pid not in alive and target in self._slots:
                    self._slots[target].free(slot)

    def _note_who_is_over(self) -> None:
        """Whoever has the pid of a process that was named, and has ended, was not meant."""
        for spec in self._specs:
            if not spec.pid:
                continue
            with suppress(OSError):
                started = _started(spec.pid)
                if started is None or started != self._named.setdefault(spec.name, started):
                    self._over.add(spec.name)

    def _end(self, name: WorkerName, one: WatchedProcess, now: float, look: Look) -> None:
        self._leave(name, one, look)
        look.events.append(Event("exit", name, now, {"pid": float(one.handle.pid)}))

    def _leave(self, name: WorkerName, one: WatchedProcess, look: Look) -> None:
        """Watch it no more."""
        self._slots[name.target].free(name.slot)
        self._under_pressure.discard(name)
        del self._watched[name]
        one.close()
        look.went.append(one)

    def _find(self, now: float, look: Look) -> None:
        """Begin to watch what is new, the oldest process first."""
        pids = processes()
        alive = set(pids)
        self._refused = {pid: one for pid, one in self._refused.items() if pid in alive}
        known = {one.handle.pid for one in self._watched.values()}
        unknown = [pid for pid in pids if pid not in known and pid not in self.own]
        room = MAX_FOUND_AT_ONCE
        for spec in self._specs:
            if spec.name in self._over:
                continue
            for pid in matching(spec, unknown):
                if room == 0 or len(self._watched) >= MAX_WORKERS:
                    return
                if parent_of(pid) in self.own:  # a census that has just begun
                    continue
                refused = self._refused.get(pid)
                if refused is not None and now < refused.retry_at:
                    continue
                room -= 1
                self._begin(spec, pid, now, look)

    def _begin(self, spec: TargetSpec, pid: int, now: float, look: Look) -> None:
        handle = None
        try:
            handle = ProcessHandle(pid)
            facts = find_python(pid)
            if not handle.is_alive():  # else the facts may be those of another process
                raise TargetNotFound(f"process {pid} has ended")
        except HeapgraphError as error:
            if handle is not None:
                self._refuse(handle, error, now)
                handle.close()
            return
        self._end_those_gone(spec.name, now, look)  # its place may be that of one of them
        name = WorkerName(spec.name, self._slots[spec.name].take(pid))
        self._refused.pop(pid, None)
        one = watch_process(handle, name, facts, now)
        self._watched[name] = one
        look.came.append(one)

    def _end_those_gone(self, target: str, now: float, look: Look) -> None:
        """Note who has ended since the beginning of this look, at 10 us for each worker."""
        for name, one in list(self._watched.items()):
            if name.target == target and not one.handle.is_alive():
                self._end(name, one, now, look)

    def _refuse(self, handle: ProcessHandle, error: HeapgraphError, now: float) -> None:
        before = self._refused.get(handle.pid)
        wait = FIRST_RETRY_S
        if before is not None and before.started == handle.key.started:
            wait = min(LAST_RETRY_S, 2 * before.wait_s)
        if isinstance(error, NotAPythonProcess) and before is not None:
            wait = LAST_RETRY_S
        self._refused[handle.pid] = _Refused(handle.key.started, error, now + wait, wait)

    def _group_of(
        self, one: WatchedProcess, groups: dict[str, GroupCounters]
    ) -> GroupCounters | None:
        """The counters of its group, read once for all that are in it."""
        try:
            membership = one.handle.read("cgroup")
        except PermissionError:
            return None
        if membership not in groups:
            groups[membership] = read_group_counters(PROC / str(one.handle.pid) / "cgroup")
        return groups[membership]

    def _events(self, name: WorkerName, counters: GroupCounters, now: float) -> Iterable[Event]:
        before = self._kills.get(counters.folder)
        if counters.oom_kills is not None and before is not None and counters.oom_kills > before:
            detail = {"kills": float(counters.oom_kills - before)}
            yield Event("cgroup.oom_kill", name, now, detail)
        is_pressed = counters.pressure is not None and counters.pressure >= PRESSURE
        if is_pressed and name not in self._under_pressure:
            yield Event("psi", name, now, {"psi_some": counters.pressure or 0.0})
        (self._under_pressure.add if is_pressed else self._under_pressure.discard)(name)

    def _remember_kills(self, groups: Iterable[GroupCounters]) -> None:
        for counters in groups:
            if counters.oom_kills is not None:
                self._kills[counters.folder] = counters.oom_kills
