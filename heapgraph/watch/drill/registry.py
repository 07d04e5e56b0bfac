"""The drills: what holds before, what breaks, what must be so then."""

from __future__ import annotations

from dataclasses import dataclass

NAMESPACES = "namespaces"
"""A drill runs in mount and pid namespaces of its own, where it mounts small disks."""


@dataclass(frozen=True, slots=True)
class Drill:
    """One drill.

    Attributes:
        name: as it is called.
        steady: what holds before.
        fault: what is done then.
        expectation: what must be so after it.
        function: "module:function" of this room.
        needs: "" or `NAMESPACES`.
    """

    name: str
    steady: str
    fault: str
    expectation: str
    function: str
    needs: str = ""


_WATCHED = "a daemon watches a target, and no rule fires"

_NO_SNAPSHOT = (
    "the alert has the holder and says why there is no snapshot; the store has no half; the daemon"
    " goes on"
)

DRILLS = (
    Drill(
        "kill-daemon",
        _WATCHED,
        "SIGKILL of the daemon in the middle of a dump; a new daemon",
        "the dump ends with it and leaves no half; the audit chain shows it open; the new daemon"
        " has the state, tells the alert under one id, and does not dump again",
        "killed:daemon_in_dump",
    ),
    Drill(
        "kill-dump",
        _WATCHED,
        "SIGKILL of the child that takes the snapshot",
        "the alert has the holder and says why there is no snapshot; the store has no half",
        "killed:dump_child",
    ),
    Drill(
        "kill-helper",
        _WATCHED,
        "SIGKILL of the freeze helper while it traces the target",
        "the target goes on; the alert has the holder and says why there is no snapshot",
        "killed:freeze_helper",
    ),
    Drill(
        "disk-full",
        _WATCHED,
        "another program takes all that is free on the disk of the store while a dump runs",
        _NO_SNAPSHOT,
        "disks:full",
        NAMESPACES,
    ),
    Drill(
        "disk-nearly-full",
        _WATCHED,
        "a snapshot would leave less free on the disk than the settings keep free",
        _NO_SNAPSHOT + "; it is not even begun",
        "disks:nearly_full",
        NAMESPACES,
    ),
    Drill(
        "file-limit",
        _WATCHED,
        "no file of the daemon or its children may grow beyond 64 KiB (RLIMIT_FSIZE)",
        _NO_SNAPSHOT,
        "disks:file_limit",
    ),
    Drill(
        "store-read-only",
        _WATCHED,
        "the store becomes read-only; later, a daemon is started with it",
        _NO_SNAPSHOT + "; a daemon that is started then says why it does not begin",
        "disks:read_only",
        NAMESPACES,
    ),
    Drill(
        "audit-full",
        _WATCHED,
        "the disk of the audit log is full",
        "nothing is counted or dumped, the alert goes out and says so; the chain holds",
        "disks:audit_full",
        NAMESPACES,
    ),
    Drill(
        "webhook-down",
        _WATCHED,
        "nobody listens where alerts go; SIGKILL of the daemon; the receiver comes up",
        "the message waits on the disk, and the next daemon delivers it, under the same id",
        "hooks:down",
    ),
    Drill(
        "webhook-slow",
        _WATCHED,
        "the receiver takes the message and never answers",
        "the look interval is kept; the message is tried again",
        "hooks:slow",
    ),
    Drill(
        "webhook-lying",
        _WATCHED,
        "three receivers: 200 with garbage, a redirect to elsewhere, an answer without end",
        "no answer is read, no redirect followed; the daemon does not grow; the interval is kept",
        "hooks:lying",
    ),
    Drill(
        "pid-reuse",
        _WATCHED,
        "another process gets the target's pid, once at a look, once while no daemon runs",
        "each is a new process in the same place; a rule that was pending begins anew",
        "fates:pid_reuse",
        NAMESPACES,
    ),
    Drill(
        "clock-ahead",
        "a rule has fired, a snapshot is there, the world was told",
        "the time of day is set forward by a day between two daemons",
        "cool-down, incident and budget hold: they go by the steady clock",
        "crowds:clock_ahead",
    ),
    Drill(
        "clock-back",
        "a rule has fired, a snapshot is there, the world was told",
        "the time of day is set back by a day between two daemons",
        "cool-down, incident and budget hold: they go by the steady clock",
        "crowds:clock_back",
    ),
    Drill(
        "target-gone",
        _WATCHED,
        "SIGKILL of the target while its memory is copied",
        "the alert goes out and is resolved; no copy of the target is left; its place is free",
        "fates:gone",
    ),
    Drill(
        "target-restarting",
        _WATCHED,
        "20 restarts in 10 s, each process too large from its start",
        "nobody is told while they warm up; one message of the last one; one place for all",
        "fates:restarting",
    ),
    Drill(
        "target-stopped",
        _WATCHED,
        "SIGSTOP of the target",
        "the alert goes out with a snapshot or why there is none; the target stays stopped",
        "fates:stopped",
    ),
    Drill(
        "two-daemons",
        _WATCHED,
        "a second daemon is started on the same store",
        "it ends with exit code 1 and says who has the store; the first notices nothing",
        "crowds:two_daemons",
    ),
    Drill(
        "many-targets",
        "500 processes run",
        "a daemon watches all of them",
        "looks keep their interval; the daemon has less than 96 MiB; all targets go on",
        "crowds:many_targets",
    ),
    Drill(
        "flapping-rule",
        _WATCHED,
        "the target goes above the limit and below it, six times",
        "two messages in all, that it fires and that it is over, and one snapshot",
        "crowds:flapping",
    ),
)


def find_drill(name: str) -> Drill | None:
    """A drill by its name."""
    return next((one for one in DRILLS if one.name == name), None)
