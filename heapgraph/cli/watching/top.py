"""`heapgraph top`."""

from __future__ import annotations

import json
import os
import select
import time
from typing import TYPE_CHECKING

import click

from heapgraph.cli.numbers import Seconds, WholeNumber
from heapgraph.cli.output import note, say
from heapgraph.units import format_count, format_size

if TYPE_CHECKING:
    from collections.abc import Callable

    from heapgraph.watch.model import Sample
    from heapgraph.watch.sampling.sampler import Look, Sampler

_SIZE, _NUMBER = 11, 12
"""Columns of a size and of a count."""

_TITLES = ("rss", "private", "swap", "group", "tracked", "collections", "collected", "threads")
_WIDTHS = (_SIZE, _SIZE, _SIZE, 7, _NUMBER, 21, _NUMBER, 8)


@click.command(name="top", short_help="Show a process's memory and collector, again and again.")
@click.argument("pid", type=WholeNumber(1), metavar="PID")
@click.option(
    "--interval",
    type=Seconds(0.1, 3600),
    default=2.0,
    show_default=True,
    metavar="SECONDS",
    help="Time between two lines.",
)
@click.option("--count", type=WholeNumber(1), metavar="N", help="End after N lines.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document a line.")
def top_command(pid: int, interval: float, count: int | None, as_json: bool) -> None:
    """Print the counters of the Python process PID until it ends; it is never stopped.

    Collections and collected objects are those since the line before; tracked objects are those
    of the last full collection up to 3.13, later those of now. `group` is the share of its memory
    limit that its control group uses.
    """
    from heapgraph.errors import TargetNotFound  # noqa: PLC0415
    from heapgraph.watch.sampling.sampler import Sampler  # noqa: PLC0415
    from heapgraph.watch.sampling.watched import find_python  # noqa: PLC0415
    from heapgraph.watch.settings.model import TargetSpec  # noqa: PLC0415

    facts = find_python(pid)
    sampler = Sampler([TargetSpec(str(pid), pid=pid)])
    has_ended = _end_of(pid)
    if not as_json:
        say(f"process {pid}, CPython {facts.version}, {facts.executable}")
        say("".join(title.rjust(width) for title, width in zip(_TITLES, _WIDTHS, strict=True)))
    before: Sample | None = None
    shown = 0
    noted = ""
    while count is None or shown < count:
        if shown and has_ended(interval):
            return
        look = sampler.look(time.monotonic())
        if not look.samples:
            _check_not_unknown(pid, sampler, look)
            if shown:
                return  # it has ended, as every process does
            raise TargetNotFound(f"process {pid} has ended", "", "heapgraph ps lists those here")
        sample = look.samples[0]
        if as_json:
            say(json.dumps({"pid": pid, **sample.values}))
        else:
            say(_line(sample, before))
            why = _why_not_tracked(sample)
            if why != noted:
                note(why or "tracked: known from here on")
            noted = why
        before = sample
        shown += 1


def _check_not_unknown(pid: int, sampler: Sampler, look: Look) -> None:
    """Refuse to take a process for ended that is only not seen.

    Raises:
        HeapgraphError: it runs another program, or cannot be looked at now.
    """
    from heapgraph.errors import TargetError  # noqa: PLC0415

    if look.replaced:
        raise TargetError(
            f"process {pid} runs another program now",
            "it has started one in its place (exec)",
            f"heapgraph top {pid}",
        )
    if pid in sampler.refusals:
        raise sampler.refusals[pid]
    if look.unknown:
        raise TargetError(
            f"process {pid} cannot be looked at now",
            next(iter(look.unknown.values())),
            f"heapgraph top {pid}",
        )


def _end_of(pid: int) -> Callable[[float], bool]:
    """What waits for the end of a process, so many seconds at most, and tells whether it came."""
    poll = select.poll()
    poll.register(os.pidfd_open(pid), select.POLLIN)
    return lambda limit_s: bool(poll.poll(limit_s * 1000))


def _line(sample: Sample, before: Sample | None) -> str:
    values = sample.values
    cells = [_size(values.get(name)) for name in ("rss_bytes", "private_bytes", "swap_bytes")]
    ratio = values.get("cgroup_ratio")
    cells.append("-" if ratio is None else f"{ratio:.0%}")
    cells.append(_number(values.get("gc_tracked")))
    cells.append(_collections(sample, before))
    collected = values.get("gc_collected")
    if collected is not None and before is not None:
        collected -= before.values.get("gc_collected", collected)
    cells += [_number(collected), _number(values.get("threads"))]
    return "".join(cell.rjust(width) for cell, width in zip(cells, _WIDTHS, strict=True))


def _why_not_tracked(sample: Sample) -> str:
    """The footnote to a `?` of the tracked objects; "" where they are known."""
    if "gc_tracked" in sample.values:
        return ""
    if sample.generations:
        return (
            "tracked ?: counted at a full collection, and there was none yet (gc.collect() is one)"
        )
    return "tracked, collections, collected ?: the counters of its collector could not be read"


def _collections(sample: Sample, before: Sample | None) -> str:
    """Of each generation since the line before, the youngest first; "off" where it is."""
    if sample.values.get("gc_enabled") == 0:
        return "off"
    if not sample.generations:
        return "?"
    earlier = before.generations if before is not None and before.generations else ()
    rows = [row[0] for row in sample.generations]
    if earlier:
        rows = [row - old[0] for row, old in zip(rows, earlier, strict=True)]
    return "/".join(format_count(row) for row in rows)


def _size(value: float | None) -> str:
    return "?" if value is None else format_size(int(value))


def _number(value: float | None) -> str:
    return "?" if value is None else format_count(int(value))
