"""What the rooms of the daemon tell one another: frozen records of plain values.

Two clocks, never mixed. Moments in `at` and `taken_at` are seconds of the daemon's own steady clock
(`time.monotonic`, which no change of the system's time moves); rules, budgets and cool-downs know
no other. `created` and what is written down for people is the time of day, ISO 8601 in UTC.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class ProcessKey:
    """Which process: a pid alone is given to the next one when it ends.

    Attributes:
        pid: as the daemon sees it.
        started: clock ticks from the boot to its start (field 22 of /proc/PID/stat).
        boot_id: of the kernel that counts the ticks.
    """

    pid: int
    started: int
    boot_id: str


@dataclass(frozen=True, slots=True, order=True)
class WorkerName:
    """What stays the same over restarts: a configured target and a place in it.

    Attributes:
        target: the name in the settings.
        slot: counted from 0; a process that follows one that ended takes its slot.
    """

    target: str
    slot: int

    def __str__(self) -> str:
        """As it stands in messages: `web/3`."""
        return f"{self.target}/{self.slot}"


@dataclass(frozen=True, slots=True)
class Worker:
    """A process that is watched.

    Attributes:
        name: its target and slot.
        key: which process it is now.
        python_version: "3.12.1".
        executable: path as the process sees it; the target chose it.
        started_at: steady clock; when it started.
        seen_at: steady clock; when the daemon first saw it. Warm-ups count from the start of the
            process, or from here where its start is unknown.
    """

    name: WorkerName
    key: ProcessKey
    python_version: str
    executable: str
    started_at: float
    seen_at: float


METRICS = (
    "rss_bytes",
    "private_bytes",
    "swap_bytes",
    "cgroup_bytes",
    "cgroup_limit_bytes",
    "cgroup_ratio",
    "psi_some",
    "gc_tracked",
    "gc_enabled",
    "gc_collections",
    "gc_collected",
    "gc_uncollectable",
    "threads",
    "fds",
    "seconds_to_limit",
    "unreachable_bytes",
    "suspects",
)
"""What a rule may ask of a sample. `gc_*` counts are sums over generations since the start of the
process; `psi_some` is the share of time (0..1) over ten seconds in which a task of the group waited
for memory; `unreachable_bytes` and `suspects` come with a census."""

EVENTS = ("cgroup.oom_kill", "psi", "exit")
"""What happens at a moment: the kernel killed in the group, pressure rose, the process ended."""

ENDINGS = frozenset({"cgroup.oom_kill", "exit"})
"""Those of them after which a process is gone."""


@dataclass(frozen=True, slots=True)
class Sample:
    """Counters of one worker at one moment, read without stopping it.

    Attributes:
        worker: whose.
        taken_at: steady clock.
        values: by name of `METRICS`; what could not be read is not there, and never 0.
        generations: collections, collected and uncollectable objects of each generation of the
            collector, the youngest first; empty where they could not be read.
    """

    worker: WorkerName
    taken_at: float
    values: Mapping[str, float]
    generations: tuple[tuple[int, int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a worker or its group; `kind` is one of `EVENTS`."""

    kind: str
    worker: WorkerName
    at: float
    detail: Mapping[str, float | str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TypeBytes:
    """Objects of one type in a census, and their bytes.

    Attributes:
        name: of the type.
        objects, shallow_size: how many, and their bytes.
        grew: bytes since the last census of the process; None where that did not list the type.
    """

    name: str
    objects: int
    shallow_size: int
    grew: int | None = None


@dataclass(frozen=True, slots=True)
class Holder:
    """Who keeps memory alive in a census.

    Attributes:
        expression: with keys and indexes as `[*]`, so that it is the same in every census.
        retained_size: bytes that would go with it.
        count: objects among them that it holds directly; 0 where it is no container.
        growth: "growing", "turning over", "loaded once" or "unknown", from this one census.
        grew: bytes since the last census of the process; None where that did not list the holder.
    """

    expression: str
    retained_size: int
    count: int = 0
    growth: str = "unknown"
    grew: int | None = None


@dataclass(frozen=True, slots=True)
class SuspectLine:
    """A leak suspect of a census or of a snapshot, as far as a message may say it: no values.

    Attributes:
        kind: of `heapgraph suspects`.
        holder: the accumulation point, keys and indexes as `[*]`.
        path: the holder, then what is in it step by step to where the bytes are, each with its
            type: "app.OPEN (list)", "[*] (http.client.HTTPResponse)", ".fp (_io.BufferedReader)".
        code: lines of the application that use the holder, "handle() at app.py:17".
        retained_size: bytes.
        share: of all objects, 0..1.
        growth: as of `Holder`.
        fingerprint: the same for the same cause in other processes, hosts and releases.
    """

    kind: str
    holder: str
    path: tuple[str, ...]
    code: tuple[str, ...]
    retained_size: int
    share: float
    growth: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Census:
    """What the heap of one worker is made of: counts and holders, no file, no values.

    Attributes:
        worker: whose.
        key: which process that was.
        taken_at: steady clock; the moment of the copy.
        created: time of day, ISO 8601 UTC.
        pause_ms: how long the process stood.
        seconds: how long the census took.
        method: how the memory was copied ("idle", "clone", ...).
        why_paused: why it stood still and was not cloned, else "".
        quality: "good" or "poor".
        objects, objects_size, unreachable_size: all objects, their bytes, and the bytes of those
            that nothing reaches.
        memory: resident bytes by part ("python objects", "c heap", ...).
        types: the largest by bytes.
        holders: the largest by retained bytes.
        suspects: as `heapgraph suspects` orders them.
        profile: a gzipped pprof file of the dominator tree, or None.
    """

    worker: WorkerName
    key: ProcessKey
    taken_at: float
    created: str
    pause_ms: float
    seconds: float
    method: str
    quality: str
    objects: int
    objects_size: int
    unreachable_size: int
    memory: Mapping[str, int]
    types: tuple[TypeBytes, ...]
    holders: tuple[Holder, ...]
    suspects: tuple[SuspectLine, ...]
    profile: Path | None = None
    why_paused: str = ""


class RuleState(StrEnum):
    """Where a rule stands for one worker."""

    INACTIVE = "inactive"
    PENDING = "pending"
    FIRING = "firing"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True)
class Observation:
    """Why a rule changed its state, in numbers and in words.

    Attributes:
        metric: name of `METRICS` or `EVENTS`, or "holder ..." and "type ..." of a census rule.
        value: what was seen; bytes, a count, or a ratio 0..1.
        limit: what it was compared with, in the same unit.
        times: how often in a row.
        text: one sentence: "rss_bytes was 1.2 GiB, above 1.0 GiB, 3 times in a row".
        grown: in how many censuses in a row the holder or type grew; 0 where that was not asked.
    """

    metric: str
    value: float
    limit: float
    times: int
    text: str
    grown: int = 0


@dataclass(frozen=True, slots=True)
class Transition:
    """A rule changed its state for a worker.

    Attributes:
        rule: its name.
        worker: for whom.
        old, new: states. Both are firing where it could not act when it began to fire and acts now.
        at: steady clock.
        observation: why.
        actions: names of what is to be done now, in order; empty unless it fires and may act.
        withheld: why nothing is done although it fires ("cool-down: 12 min to go", "at most 3 in
            24 h"); when it is resolved, that nothing was done while it fired; else "".
    """

    rule: str
    worker: WorkerName
    old: RuleState
    new: RuleState
    at: float
    observation: Observation
    actions: tuple[str, ...] = ()
    withheld: str = ""


@dataclass(frozen=True, slots=True)
class Alert:
    """What the world is told. It holds names that occur in code, numbers and times: no values.

    Attributes:
        id: of this message; the same when it is sent again.
        incident: of all messages with one fingerprint, over workers, hosts and releases.
        status: "firing" or "resolved".
        rule, worker, observation: what was noticed.
        others: further workers for which the same incident is open; of one that is resolved, those
            that it was told of.
        host: name of the daemon's host.
        created: time of day, ISO 8601 UTC; `started`: of the incident's first message.
        verdict: one sentence: "SESSIONS of app.sessions still grows: 1.2 GiB (61 %)".
        suspect: the first suspect, or None when no census could be taken.
        seconds_to_limit: until the group's limit is reached at the present slope; None if unknown.
        snapshot: id in the store, or "".
        snapshot_refused: why there is none, or "".
        pid: of the process, 0 where it is not known any more.
        awaited: what is still being taken, "census" and "snapshot": another message tells of it.
        merged_into: of one that is resolved because its cause is known to be another: that
            incident, which goes on; else "".
        opened_by: the rule that opened the incident.
    """

    id: str
    incident: str
    status: str
    rule: str
    worker: WorkerName
    observation: Observation
    others: tuple[WorkerName, ...]
    host: str
    created: str
    started: str
    verdict: str
    suspect: SuspectLine | None
    seconds_to_limit: float | None
    snapshot: str = ""
    snapshot_refused: str = ""
    pid: int = 0
    awaited: tuple[str, ...] = ()
    merged_into: str = ""
    opened_by: str = ""
