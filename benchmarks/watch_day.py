"""What it costs to watch: looks at 100 targets, 500 targets for an hour, the budget over a day.

    python -m benchmarks.watch_day looks [--targets 100] [--minutes 3] [--interval 5s]
    python -m benchmarks.watch_day growth [--targets 500] [--minutes 60]
    python -m benchmarks.watch_day budget

`looks` measures the daemon's processor time and memory from outside, after it has found all.
`growth` watches the daemon itself: its memory every 15 s, and two snapshots of it, ten seconds
after all targets were found and at the end, with the difference of both. `budget` runs the account
of what censuses and snapshots may cost over a day of a clock that is only counted.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from threading import Event
from typing import TYPE_CHECKING

from benchmarks.report import describe_host, table
from heapgraph.units import format_size
from heapgraph.watch.daemon.budget import Spending
from heapgraph.watch.drill.findings import wait_until
from heapgraph.watch.drill.processes import processor_seconds, status_number
from heapgraph.watch.drill.stage import Stage
from heapgraph.watch.settings.model import Budget

if TYPE_CHECKING:
    from pathlib import Path

    from heapgraph.watch.drill.daemon import DrillDaemon

FOUND_LIMIT_S = 600.0
SETTLE_S = 10.0
LOOK_EVERY_S = 15.0
DAY_S, HOUR_S = 86400, 3600

SETTINGS = """
[watch]
targets = [{{ name = "web", match = "{marker}" }}]
interval = "{interval}"
census = "{census}"
warm_up = "0s"

[store]
path = "{store}"

[[rule]]
name = "near-limit"
metric = "cgroup_ratio"
above = 0.999
times = 3

[[rule]]
name = "sudden"
metric = "rss_bytes"
rise = "200%/5m"
"""


def watched_crowd(stage: Stage, targets: int, interval: str, census: str) -> DrillDaemon:
    """A daemon that has found all of so many processes."""
    target = stage.target()
    target.ask(f"crew {targets - 1}")
    target.has_crew()
    config = stage.folder / "heapgraph.toml"
    config.write_text(
        SETTINGS.format(marker=stage.marker, interval=interval, census=census, store=stage.store)
    )
    config.chmod(0o600)
    daemon = stage.daemon(config)
    wait_until(lambda: len(daemon.said(", CPython")) >= targets, "all are found", FOUND_LIMIT_S)
    return daemon


def measure_looks(targets: int, minutes: float, interval: str) -> None:
    """Processor time and memory of a daemon that only looks."""
    with Stage() as stage:
        daemon = watched_crowd(stage, targets, interval, "24h")
        Event().wait(SETTLE_S)
        before, since = processor_seconds(daemon.pid), time.monotonic()
        Event().wait(minutes * 60)
        spent, took = processor_seconds(daemon.pid) - before, time.monotonic() - since
        rows = [
            [
                str(targets),
                interval,
                f"{took:.0f}",
                f"{spent:.2f}",
                f"{100 * spent / took:.2f} %",
                format_size(daemon.rss_bytes),
                format_size(status_number(daemon.pid, "RssAnon") * 1024),
            ]
        ]
    head = ["targets", "every", "seconds", "processor s", "of one core", "RSS", "of it private"]
    sys.stdout.write(table(head, rows) + "\n")


def snapshot(pid: int, path: Path) -> None:
    """A snapshot of the daemon, by heapgraph itself."""
    heapgraph("dump", pid, "-o", path)


def heapgraph(*words: object) -> str:
    """What a command says."""
    command = [sys.executable, "-P", "-m", "heapgraph", *map(str, words)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def measure_growth(targets: int, minutes: float) -> None:
    """Memory of a daemon over time, and what its heap has gained."""
    with Stage() as stage:
        daemon = watched_crowd(stage, targets, "5s", "15m")
        Event().wait(SETTLE_S)
        first, last = stage.folder / "first.heapgraph", stage.folder / "last.heapgraph"
        snapshot(daemon.pid, first)
        started, sizes = time.monotonic(), list[tuple[float, int]]()
        before = processor_seconds(daemon.pid)
        while (passed := time.monotonic() - started) < minutes * 60:
            sizes.append((passed, daemon.rss_bytes))
            Event().wait(LOOK_EVERY_S)
        spent = processor_seconds(daemon.pid) - before
        snapshot(daemon.pid, last)
        sizes.append((time.monotonic() - started, daemon.rss_bytes))
        diff = json.loads(heapgraph("diff", first, last, "--json"))
        text = heapgraph("diff", first, last)
    every = max(1, len(sizes) // 10)
    rows = [[f"{at / 60:.1f}", format_size(size)] for at, size in sizes[::every]]
    sys.stdout.write(table(["minute", "RSS of the daemon"], rows) + "\n")
    sys.stdout.write(f"processor: {100 * spent / (minutes * 60):.2f} % of one core\n\n{text}\n")
    sys.stdout.write(json.dumps({k: v for k, v in diff.items() if not isinstance(v, list)}) + "\n")


def simulate_budget() -> None:
    """One day in which a census is asked for all the time: what is spent of each hour."""
    rows = []
    for cpu, cost in ((0.02, 1.0), (0.02, 4.0), (0.02, 30.0), (0.02, 100.0), (0.10, 4.0)):
        spending = Spending(Budget(cpu=cpu))
        done, refused, most, at = 0, 0, 0.0, 0.0
        while at < DAY_S:
            refusal = spending.refusal("census", "web", at, {})
            if refusal is None:
                spending.begin()
                spending.end("census", "web", at, cost)
                done += 1
            else:
                refused += 1
            most = max(most, spending.spent(at))
            at += 5.0
        limit = cpu * HOUR_S
        share = f"{100 * done * cost / DAY_S:.2f} %"
        rows.append(
            [
                f"{100 * cpu:.0f} %",
                f"{limit:.0f}",
                f"{cost:.0f}",
                *map(str, (done, refused)),
                f"{most:.1f}",
                share,
            ]
        )
    head = ["budget", "s an hour", "one costs, s", "taken", "refused"]
    sys.stdout.write(table([*head, "most in any hour, s", "share of the day"], rows) + "\n")


def main() -> None:
    """Measure what the arguments name."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.watch_day")
    parser.add_argument("what", choices=("looks", "growth", "budget"))
    parser.add_argument("--targets", type=int)
    parser.add_argument("--minutes", type=float)
    parser.add_argument("--interval", default="5s")
    asked = parser.parse_args()
    sys.stdout.write(f"{describe_host()}\n\n")
    if asked.what == "looks":
        measure_looks(asked.targets or 100, asked.minutes or 3.0, asked.interval)
    elif asked.what == "growth":
        measure_growth(asked.targets or 500, asked.minutes or 60.0)
    else:
        simulate_budget()


if __name__ == "__main__":
    main()
