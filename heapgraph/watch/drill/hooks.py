"""Drills: whoever should be told is down, slow, or lies."""

from __future__ import annotations

import time
from itertools import pairwise
from typing import TYPE_CHECKING

from heapgraph.watch.drill.receivers import endless, garbage, redirect_to, say_nothing
from heapgraph.watch.drill.stage import INTERVAL_S

if TYPE_CHECKING:
    from heapgraph.watch.drill.findings import Findings
    from heapgraph.watch.drill.stage import Stage

LOOKS = 12
"""At which it is measured whether something keeps the daemon from looking."""

LATE_S = 1.5
"""A look that is later than that is no matter of a busy machine: two of three were left out."""

MOST_GROWTH_BYTES = 32 << 20
"""What the daemon may take for answers that nobody reads; the liar has sent many times as much."""


def down(stage: Stage, findings: Findings) -> None:
    """Nobody listens; the daemon is killed; then the receiver comes up."""
    target, hook = stage.target(), stage.receiver(is_up=False)
    config = stage.settings(target.rss_bytes, hook, snapshot=False)
    daemon = stage.steady(findings, target, config)
    stage.grow(target)
    daemon.wait_for("page-0: retried")
    findings.saw("refused: the daemon says that it will try again")
    waiting = sorted((stage.store / "spool").glob("*.json"))
    findings.must(len(waiting) == 1, "one message waits on the disk", waiting)
    daemon.kill()
    hook.come_up()
    again = stage.daemon(config)
    findings.wait(lambda: hook.messages, "after SIGKILL and restart it is delivered")
    findings.wait(lambda: not any(one.exists() for one in waiting), "and is gone from the disk")
    findings.must(again.end() == 0, "told to end, it ends with 0")
    ids = {one.id for one in hook.messages}
    findings.must(len(ids) == 1, "all tries have one id", ids)
    findings.must(hook.messages[0].data["id"] in ids, "which is that of the alert")


def slow(stage: Stage, findings: Findings) -> None:
    """The receiver never answers."""
    target, hook = stage.target(), stage.receiver(say_nothing)
    config = stage.settings(target.rss_bytes, hook, snapshot=False, timeout="3s")
    daemon = stage.steady(findings, target, config, is_recorded=True)
    stage.grow(target)
    findings.wait(lambda: hook.messages, "the message has reached the receiver")
    since = time.monotonic()
    daemon.wait_for("page-0: retried: no answer within 3 s")
    daemon.wait_looks(LOOKS)
    _kept_looking(findings, daemon.looks(since))
    findings.must(daemon.end() == 0, "told to end, it ends with 0")


def lying(stage: Stage, findings: Findings) -> None:
    """One answers 200 and garbage, one sends elsewhere, one never ends its answer."""
    target, elsewhere = stage.target(), stage.receiver()
    hooks = (
        stage.receiver(garbage),
        stage.receiver(redirect_to(elsewhere.url)),
        stage.receiver(endless),
    )
    config = stage.settings(target.rss_bytes, *hooks, snapshot=False)
    daemon = stage.steady(findings, target, config, is_recorded=True)
    before = daemon.rss_bytes
    stage.grow(target)
    findings.wait(lambda: all(one.messages for one in hooks), "all three have got the message")
    since = time.monotonic()
    daemon.wait_for("page-1: retried: answered 307, a redirect: it is not followed")
    findings.must(not elsewhere.messages, "the redirect is not followed")
    findings.wait(
        lambda: len(list((stage.store / "spool").glob("*.json"))) == 1,
        "200 counts as delivered, whatever comes with it; what was redirected waits",
    )
    daemon.wait_looks(LOOKS)
    _kept_looking(findings, daemon.looks(since))
    sent, grown = hooks[2].sent_bytes, daemon.rss_bytes - before
    findings.must(
        grown < MOST_GROWTH_BYTES,
        f"the daemon grew by {max(0, grown) >> 20} MiB; the endless answer had {sent >> 10} KiB",
        grown,
    )
    findings.must(daemon.end() == 0, "told to end, it ends with 0")


def _kept_looking(findings: Findings, looks: list[float]) -> None:
    gaps = sorted(later - earlier for earlier, later in pairwise(looks))
    middle, widest = gaps[len(gaps) // 2], gaps[-1]
    findings.must(
        widest < LATE_S and middle < 1.2 * INTERVAL_S,
        f"looks every {INTERVAL_S} s meanwhile: {len(gaps)} gaps, the middle {middle:.2f} s, the"
        f" widest {widest:.2f} s",
        gaps[-3:],
    )
