"""Drills: two daemons at once, very many targets, a rule that flaps, a clock that jumps."""

from __future__ import annotations

import time
from itertools import pairwise
from typing import TYPE_CHECKING

from heapgraph.watch.drill.findings import wait_until
from heapgraph.watch.drill.processes import processor_seconds, waiting_seconds
from heapgraph.watch.drill.stage import INTERVAL_S, RULE

if TYPE_CHECKING:
    from heapgraph.watch.drill.findings import Findings
    from heapgraph.watch.drill.stage import Stage

CREW = 499
"""With the one that forks them, 500 targets."""

CREW_LOOKS = 12
MOST_RSS_BYTES = 96 << 20
FLAPS = 6
MOST_MESSAGES = 2
DAY_S = 86400.0


def two_daemons(stage: Stage, findings: Findings) -> None:
    """A second daemon is started with the store of the first."""
    target, hook = stage.target(), stage.receiver()
    config = stage.settings(target.rss_bytes, hook, snapshot=False)
    daemon = stage.steady(findings, target, config, is_recorded=True)
    second = stage.failing_daemon(config)
    code = second.process.wait(30)
    findings.must(code == 1, f"the second ends with exit code {code}")
    second.wait_for(f"process {daemon.pid}")
    refusal = " | ".join(second.said("is in use"))
    findings.must(refusal, f"it says who has the store: {refusal}")
    findings.must(not second.said("Traceback"), "in words")
    daemon.wait_looks(2)
    stage.grow(target)
    findings.wait(lambda: hook.of_status("firing"), "the first goes on, and tells")
    findings.must(daemon.end() == 0, "told to end, it ends with 0")
    findings.must(stage.verified_audit().is_intact, "the audit chain holds")


def many_targets(stage: Stage, findings: Findings) -> None:
    """500 processes are watched at once."""
    target = stage.target()
    target.ask(f"crew {CREW}")
    target.has_crew()
    config = stage.settings(target.rss_bytes, snapshot=False)
    daemon = stage.daemon(config, is_recorded=True)
    target.forget_gaps()
    findings.wait(
        lambda: len(daemon.said(", CPython")) == CREW + 1, f"{CREW + 1} processes are found", 90
    )
    before, since = processor_seconds(daemon.pid), time.monotonic()
    waited = waiting_seconds(daemon.pid)
    beats = int(target.ask("crew-beats"))
    daemon.wait_looks(CREW_LOOKS)
    spent, took = processor_seconds(daemon.pid) - before, time.monotonic() - since
    looks = daemon.looks(since)
    gaps = sorted(later - earlier for earlier, later in pairwise(looks))
    middle = gaps[len(gaps) // 2]
    waits = (waiting_seconds(daemon.pid) - waited) / len(looks)  # other work is not its fault
    findings.must(
        middle - waits < 1.2 * INTERVAL_S,
        f"looks keep their interval of {INTERVAL_S} s where a processor is free: the middle gap is"
        f" {middle:.2f} s, the widest {gaps[-1]:.2f} s; {waits:.2f} s of one is a wait for one",
        gaps,
    )
    findings.must(
        daemon.rss_bytes < MOST_RSS_BYTES,
        f"the daemon has {daemon.rss_bytes >> 20} MiB",
        daemon.rss_bytes,
    )
    findings.saw(f"it takes {100 * spent / took:.1f} % of one processor at that interval")
    wait_until(lambda: int(target.ask("crew-beats")) > beats, "the hearts of all beat")
    findings.saw("the hearts of all 500 beat")
    findings.must(not daemon.said("has ended"), "none of them has ended")
    findings.must(daemon.end() == 0, "told to end, it ends with 0")


def flapping(stage: Stage, findings: Findings) -> None:
    """A target that goes above the limit and below it, again and again."""
    target, hook = stage.target(), stage.receiver()
    config = stage.settings(target.rss_bytes, hook, times=1)
    daemon = stage.steady(findings, target, config)
    for number in range(FLAPS):
        stage.swell(target, is_large=True)
        _said(daemon.said, f"{RULE} is firing", number + 1)
        stage.swell(target, is_large=False)
        _said(daemon.said, f"{RULE} is resolved", number + 1)
    findings.saw(f"the rule fired and was resolved {FLAPS} times")
    findings.wait(lambda: hook.of_status("resolved"), "the world is told of the first time")
    findings.must(daemon.end() == 0, "told to end, it ends with 0")
    findings.must(
        len(hook.messages) <= MOST_MESSAGES,
        f"{len(hook.messages)} messages in all: that it fires, and that it is over",
        [one.data["status"] for one in hook.messages],
    )
    findings.must(len(stage.snapshots()) == 1, "one snapshot in all", stage.snapshots())


def _said(said: object, text: str, count: int) -> None:
    assert callable(said)  # noqa: S101
    wait_until(lambda: len(said(text)) >= count, f"{text!r} for the {count}th time")


def clock_ahead(stage: Stage, findings: Findings) -> None:
    """The time of day is set forward by a day between two daemons."""
    _clock(stage, findings, DAY_S)


def clock_back(stage: Stage, findings: Findings) -> None:
    """The time of day is set back by a day between two daemons."""
    _clock(stage, findings, -DAY_S)


def _clock(stage: Stage, findings: Findings, jump_s: float) -> None:
    """What was written down by the time of day becomes as old as after such a jump."""
    target, hook = stage.target(), stage.receiver()
    config = stage.settings(target.rss_bytes, hook)
    daemon = stage.steady(findings, target, config)
    stage.swell(target, is_large=True)
    findings.wait(lambda: hook.of_status("firing"), "the rule fires, and the world is told")
    findings.must(daemon.end() == 0, "told to end, it ends with 0")
    state = stage.state()
    spent = sum(cost for _, cost in state["spending"]["spent"])
    state["time_of_day"] -= jump_s
    state["rules"]["time_of_day"] -= jump_s
    stage.write_state(state)
    findings.saw(f"the clock is {abs(jump_s):.0f} s {'ahead' if jump_s > 0 else 'behind'}")
    again = stage.daemon(config, is_recorded=True)
    stage.swell(target, is_large=False)
    again.wait_for(f"{RULE} is resolved")
    stage.swell(target, is_large=True)
    again.wait_for(f"{RULE} is firing")
    held = again.said("nothing is done")
    findings.must(held, "it fires again, and the cool-down holds: " + " ".join(held[:1])[26:])
    again.wait_looks(2)
    findings.must(again.end() == 0, "told to end, it ends with 0")
    firing = hook.of_status("firing")
    findings.must(len(firing) == 1, "nobody is told twice", len(firing))
    findings.must(len(stage.snapshots()) == 1, "nothing is dumped twice", stage.snapshots())
    kept = sum(cost for _, cost in stage.state()["spending"]["spent"])
    findings.must(
        kept >= spent > 0, f"the budget remembers: {kept:.2f} of {spent:.2f} s that were spent"
    )
