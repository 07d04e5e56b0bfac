"""The short form of `python -m benchmarks.stress`: no target notices that it was frozen."""

from __future__ import annotations

import sys
from itertools import cycle
from typing import TYPE_CHECKING, get_args

import pytest

from benchmarks.stress.checkouts import start_freezer, this_checkout
from benchmarks.stress.endings import Ending, one_ending
from benchmarks.stress.killed import nursery
from benchmarks.stress.kills import STATES, Kills, Stepper, kill_at_steps
from benchmarks.stress.kinds import PROGRAMS
from benchmarks.stress.printing import Printed, dump_while_printing
from heapgraph.capture.live.freeze import Method
from heapgraph.capture.live.freeze_helper import HELPER
from helpers.interpreters import is_exhaustive
from helpers.stress import change_register, compiled, harm_of_freezes, kinds_of, undisturbed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.stress.checkouts import Freezer

METHODS = [method for method in get_args(Method) if method != "auto"]
FREEZES = 4
KILLS = 8
DUMPS = 4

KINDS = [
    "fork",
    "first_of_namespace",
    "storm",
    "alarms",
    "queued",
    "interval_timers",
    "sleeps_with_rest",
    "blocked_read",
    "tcp",
    "descriptors",
    "sigwaitinfo",
    "epoll_endless",
    "poll",
    "threads_200",
    "pi_mutex",
    "robust_mutex",
    "sqlite",
    "locks",
    "undumpable",
    "traced",
    "stopped",
    "all_kill_process",
    "exits",
]

CUT_SHORT = [
    "raw_write",
    "waitall",
    "recv_timeout",
    "connect_timeout",
    "semop",
    "sigtimedwait",
    "epoll_timeout",
    "io_getevents",
    "io_uring",
]
"""Any stop ends these calls."""

KILLED = [
    "one_kill_process",
    "one_kill_thread",
    "late_kill_process",
    "crowd_kill_process",
    "huge_pages",
]
"""A call that is injected here, or a copy that is held, is the end of a thread or of the target."""


METHOD_OF_DUMPS = dict(zip([*KINDS, *CUT_SHORT, *KILLED], cycle(METHODS), strict=False))
"""Each kind is dumped by one method, each method dumps some: ten times as long as a freeze."""


@pytest.fixture(scope="module")
def freezer() -> Iterator[Freezer]:
    """One for all: it loads everything once, and a failure of the tool is an answer."""
    with start_freezer(this_checkout()) as started:
        yield started


@pytest.fixture(scope="module")
def registers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a target that notices every change of its registers."""
    folder = tmp_path_factory.mktemp("registers")
    return {"STRESS_REGISTERS": str(compiled("libregisters", folder))}


@pytest.fixture(scope="module")
def stepped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Freezer, Stepper]]:
    """A freezer whose helper can be stopped at any step, and who says at which."""
    program = compiled("stepper", tmp_path_factory.mktemp("stepper"))
    with start_freezer(this_checkout(), program) as started:
        yield started, Stepper(program, HELPER)


def assert_no_harm(kind: str, method: str, freezer: Freezer) -> None:
    with_dumps = is_exhaustive() or method == METHOD_OF_DUMPS[kind]
    trial = harm_of_freezes(kind, method, FREEZES, freezer, with_dumps=with_dumps)
    assert trial.harm(undisturbed(kind)) == [], trial
    done = trial.freezes + trial.dumps + trial.refused.total()
    assert done == FREEZES


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_kind_of_the_fixtures_is_in_the_table(program: str) -> None:
    assert kinds_of(f"stress_{program}") == set(PROGRAMS[program].split())


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_target_does_not_notice_freezes(kind: str, method: str, freezer: Freezer) -> None:
    assert_no_harm(kind, method, freezer)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", CUT_SHORT)
def test_no_call_is_cut_short_or_interrupted(kind: str, method: str, freezer: Freezer) -> None:
    assert_no_harm(kind, method, freezer)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", KILLED)
def test_no_filter_and_no_full_pool_kills_a_target(
    kind: str, method: str, freezer: Freezer
) -> None:
    assert_no_harm(kind, method, freezer)


def test_the_end_of_a_target_is_seen() -> None:
    with nursery("sleeps", STATES["sleeps"], sys.executable, {}) as targets:
        watched = targets.healthy()
        assert watched.harm() == []
        watched.target.process.kill()
        assert watched.harm() == ["dead (-9)"]


def test_a_changed_register_is_seen(registers: dict[str, str]) -> None:
    """A tracer that changes one register of a running target must be found out."""
    with nursery("registers", STATES["registers"], sys.executable, registers) as targets:
        watched = targets.healthy()
        assert watched.harm() == []
        change_register(watched.pid)
        assert watched.harm() == ["wrong"]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("victim", "action"), [("dump", "kill"), ("helper", "kill"), ("helper", "hang")]
)
def test_a_kill_between_any_two_steps_harms_no_register(
    victim: str,
    action: str,
    method: str,
    stepped: tuple[Freezer, Stepper],
    registers: dict[str, str],
) -> None:
    """Given kill -9 at steps spread over a whole freeze, then the target goes on as before.

    A helper that hangs instead is killed by its own guard, and nobody stands because of it.
    """
    freezer, stepper = stepped
    kills = Kills("registers", method, victim, action)
    with nursery("registers", STATES["registers"], sys.executable, registers) as targets:
        kill_at_steps(kills, freezer, stepper, targets, KILLS)
    assert kills.done >= KILLS // 2
    assert kills.harm == {}


@pytest.mark.parametrize("method", METHODS)
def test_nothing_that_is_printed_is_lost(method: str, freezer: Freezer) -> None:
    printed = dump_while_printing(Printed(method), freezer, sys.executable, DUMPS)
    assert (printed.broken, printed.lost, printed.texts) == (0, 0, [])
    assert printed.dumps + printed.refused == DUMPS
    assert printed.lines > 0


@pytest.mark.parametrize("how", ["killed", "exec"])
@pytest.mark.parametrize("method", METHODS)
def test_what_an_ended_target_had_is_free_at_once(how: str, method: str, freezer: Freezer) -> None:
    if (how, method) == ("exec", "pause"):
        method = "clone"  # a paused target cannot become another program
    ending, control = Ending(how, method), Ending(how, "none")
    one_ending(control, None, sys.executable)
    one_ending(ending, freezer, sys.executable)
    assert ending.rounds + ending.refused == 1
    assert not ending.is_harmed(control), (ending, control)
