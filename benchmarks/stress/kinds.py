"""The kinds of targets, by program; what each notices is said in fixtures/targets/stress_*.py."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatch

PROGRAMS: dict[str, str] = {
    "processes": "fork spawn vfork waitid subreaper first_of_namespace execs exits",
    "signals": (
        "storm queued alarms blocked_in_threads timers interval_timers sleeps sleeps_with_rest"
        " shared_beats"
    ),
    "pipes": "raw_write print_unbuffered parts blocked_read",
    "sockets": (
        "waitall send send_timeout recv_timeout accept_timeout connect_timeout tcp selectors"
        " asyncio descriptors"
    ),
    "waits": (
        "semop semtimedop sigtimedwait sigwaitinfo epoll_timeout epoll_endless epoll_pwait2 poll"
        " io_getevents io_pgetevents io_uring flock_turns fcntl_turns"
    ),
    "threads": (
        "threads_200 threads_1000 thread_pool process_pool short_threads pi_mutex robust_mutex"
    ),
    "memory": ("churn rewriting huge_pages sqlite locks idle compute undumpable traced stopped"),
    "seccomp": " ".join(
        f"{which}_{action}"
        for which in ("all", "one", "late")
        for action in ("kill_process", "kill_thread", "trap", "errno")
    )
    + " crowd_kill_process",
}

LOSSY = {
    "raw_write",
    "print_unbuffered",
    "waitall",
    "send",
    "send_timeout",
    "recv_timeout",
    "accept_timeout",
    "connect_timeout",
    "semop",
    "semtimedop",
    "sigtimedwait",
    "epoll_timeout",
    "epoll_pwait2",
    "io_getevents",
    "io_pgetevents",
    "io_uring",
}
"""A stop ends these calls; they are tried beside a sleeping and a computing thread as well."""

COMPANIONS = ("sleeper", "worker")


@dataclass(frozen=True)
class Kind:
    """One row of the table.

    Attributes:
        name: as on the command line: "semop", "semop+sleeper".
        program: the fixture that is started with this name as its argument.
    """

    name: str
    program: str

    @property
    def base(self) -> str:
        """The name without its companion."""
        return self.name.partition("+")[0]


def every_kind() -> list[Kind]:
    """All kinds, in the order of the table."""
    kinds = []
    for program, names in PROGRAMS.items():
        for name in names.split():
            companions = COMPANIONS if name in LOSSY else ()
            names_of_kinds = (name, *(f"{name}+{companion}" for companion in companions))
            kinds += [Kind(each, f"stress_{program}.py") for each in names_of_kinds]
    return kinds


def chosen_kinds(patterns: str) -> list[Kind]:
    """Those that a comma-separated list of names, programs or patterns names; all when empty.

    Raises:
        SystemExit: one of them names nothing.
    """
    wanted = [pattern for pattern in patterns.split(",") if pattern]
    kinds = every_kind()

    def is_named(kind: Kind, pattern: str) -> bool:
        return fnmatch(kind.name, pattern) or kind.program == f"stress_{pattern}.py"

    for pattern in wanted:
        if not any(is_named(kind, pattern) for kind in kinds):
            raise SystemExit(f"no kind is called {pattern!r}; --list names them all")
    return [kind for kind in kinds if not wanted or any(is_named(kind, each) for each in wanted)]
