"""`heapgraph watch`."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from heapgraph.cli.numbers import WholeNumber
from heapgraph.cli.output import note, print_json, print_table
from heapgraph.errors import UsageError
from heapgraph.units import format_count, format_size

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from heapgraph.errors import HeapgraphError
    from heapgraph.watch.model import Sample, Worker, WorkerName
    from heapgraph.watch.settings.model import TargetSpec, WatchSettings

MOST_NAMED = 5
"""Targets that one error names."""


@click.command(name="watch", short_help="Watch processes, and act when rules say so.")
@click.argument("pid", type=WholeNumber(1), metavar="[PID]", required=False)
@click.option("--match", metavar="TEXT", help="Watch Pythons whose command line contains TEXT.")
@click.option("--unit", metavar="UNIT", help="Watch Pythons of a systemd unit.")
@click.option(
    "--cgroup", metavar="PATH", help="Watch Pythons of a control group: its folder, path or unit."
)
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Settings: targets, rules, actions, store, endpoint. [default: built-in rules]",
)
@click.option(
    "--listen",
    metavar="ADDRESS",
    help="Serve HTTP at unix:PATH or HOST:PORT, as [http] of the settings allows.",
)
@click.option("--once", is_flag=True, help="Look once, say what is there, and end.")
@click.option(
    "--dry-run",
    is_flag=True,
    help="Look and judge: no census, no snapshot, no message, no file.",
)
@click.option(
    "--record",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write what is seen to FILE, for `heapgraph rules test`.",
)
@click.option("--json", "as_json", is_flag=True, help="With --once: print one JSON document.")
def watch_command(  # noqa: PLR0917 - click passes options by position
    pid: int | None,
    match: str | None,
    unit: str | None,
    cgroup: str | None,
    config: Path | None,
    listen: str | None,
    once: bool,
    dry_run: bool,
    record: Path | None,
    as_json: bool,
) -> None:
    """Watch Python processes until SIGTERM or Ctrl-C.

    Counters are read at an interval, which no process notices. When rules say so, a census or a
    snapshot is taken, within a budget, and the world is told who holds the memory. docs/watch.md
    has the story, docs/watch-rules.md all settings.
    """
    from heapgraph.watch.settings.choose import choose_settings  # noqa: PLC0415

    target = _target(pid, match, unit, cgroup)
    settings = choose_settings(config, target, listen)
    if as_json and not once:
        raise UsageError(
            "--json without --once", "the daemon prints lines, not one document", "add --once"
        )
    if pid is not None:
        from heapgraph.watch.sampling.watched import find_python  # noqa: PLC0415

        find_python(pid)  # a pid, unlike a pattern, is never that of a process still to come
    if once:
        _look_once(settings, as_json)
        return
    import asyncio  # noqa: PLC0415 - `heapgraph --help` loads this module for its first line

    from heapgraph.cli.watching.lines import DaemonLines  # noqa: PLC0415
    from heapgraph.watch.daemon.readiness import tell_systemd  # noqa: PLC0415
    from heapgraph.watch.daemon.recording import FileRecorder  # noqa: PLC0415
    from heapgraph.watch.daemon.service import serve  # noqa: PLC0415 - loads asyncio and more
    from heapgraph.watch.settings.first_lines import first_lines  # noqa: PLC0415

    with DaemonLines() as lines:
        recorder = None if record is None else FileRecorder(record, lines.say)
        for line in first_lines(settings, dry_run=dry_run):
            lines.note(line)

        def ready() -> None:
            lines.say("ready")
            tell_systemd("READY=1")

        ended = asyncio.run(
            serve(settings, say=lines.say, dry_run=dry_run, recorder=recorder, ready=ready)
        )
        lines.note(ended)


def _target(
    pid: int | None, match: str | None, unit: str | None, cgroup: str | None
) -> TargetSpec | None:
    """The target of the command line; at most one."""
    from heapgraph.watch.settings.model import TargetSpec  # noqa: PLC0415
    from heapgraph.watch.settings.readers import text  # noqa: PLC0415
    from heapgraph.watch.settings.sections import group_place, unit_name  # noqa: PLC0415

    given = {"PID": pid, "--match": match, "--unit": unit, "--cgroup": cgroup}
    named = [name for name, value in given.items() if value]
    if len(named) > 1:
        raise UsageError(
            f"{' and '.join(named)} were given",
            "the command line names one target; settings name as many as there are",
            "heapgraph watch --config FILE",
        )
    if pid:
        return TargetSpec(f"pid-{pid}", pid=pid)
    if match:
        return TargetSpec("matched", match=_checked("--match", text, match))
    if unit:
        checked = _checked("--unit", unit_name, unit)
        return TargetSpec(_as_name(unit.removesuffix(".service")), unit=checked)
    if cgroup:
        checked = _checked("--cgroup", group_place, cgroup)
        return TargetSpec(_as_name(Path(cgroup).name), cgroup=checked)
    return None


def _checked(option: str, read: Callable[[object], str], value: str) -> str:
    """What an option says, under the conditions of the settings."""
    from heapgraph.watch.settings.quantities import BadValue  # noqa: PLC0415

    try:
        return read(value)
    except BadValue as error:
        raise UsageError(
            f"{option} {value} makes no sense", str(error), "heapgraph watch --help"
        ) from error


def _as_name(text: str) -> str:
    """A name for labels and addresses, of what the user has called it."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", text, flags=re.ASCII).strip("-.")[:64] or "group"


def _look_once(settings: WatchSettings, as_json: bool) -> None:
    from heapgraph.watch.rules.wording import target_in_words  # noqa: PLC0415
    from heapgraph.watch.sampling.sampler import Sampler  # noqa: PLC0415

    sampler = Sampler(settings.targets)
    try:
        look = sampler.look(time.monotonic())
        workers = {name: one.worker for name, one in sampler.watched.items()}
        refusals = sampler.refusals
    finally:
        sampler.close()
    refused = {pid: error.what for pid, error in refusals.items()}
    _print_look(look.samples, workers, refused, as_json=as_json)
    there = {sample.worker.target for sample in look.samples}
    missing = [spec for spec in settings.targets if spec.name not in there]
    for spec in missing if there else ():
        note(f"no worker matched {spec.name}: {target_in_words(spec)}")
    if not there:
        raise _none_there(missing, refusals)


def _none_there(targets: Sequence[TargetSpec], refusals: Mapping[int, HeapgraphError]) -> Exception:
    """What is said when there is no worker at all."""
    from heapgraph.errors import TargetNotFound  # noqa: PLC0415
    from heapgraph.watch.rules.wording import target_in_words  # noqa: PLC0415

    named = "; ".join(f"{one.name}: {target_in_words(one)}" for one in targets[:MOST_NAMED])
    if len(targets) > MOST_NAMED:
        named += f"; and {len(targets) - MOST_NAMED} more"
    cause = "no such process is here now"
    if refusals:
        count = "1 process is" if len(refusals) == 1 else f"{len(refusals)} processes are"
        cause = f"{count} meant and cannot be watched: each is named above"
    return TargetNotFound(
        f"no worker matched {named}", cause, "list the Pythons here: heapgraph ps"
    )


def _print_look(
    samples: Sequence[Sample],
    workers: Mapping[WorkerName, Worker],
    refused: Mapping[int, str],
    *,
    as_json: bool,
) -> None:
    """Those who are there to stdout, those who cannot be watched to stderr."""
    if as_json:
        rows = [
            {
                "target": sample.worker.target,
                "slot": sample.worker.slot,
                "pid": workers[sample.worker].key.pid,
                "python": workers[sample.worker].python_version,
                "values": dict(sample.values),
            }
            for sample in samples
        ]
        print_json({"workers": rows, "refused": {str(pid): text for pid, text in refused.items()}})
    elif samples:
        print_table(
            (
                *(("worker", "left"), ("pid", "right"), ("python", "left"), ("rss", "right")),
                *(("group", "right"), ("tracked", "right"), ("collector", "left")),
            ),
            (
                (
                    str(sample.worker),
                    str(workers[sample.worker].key.pid),
                    workers[sample.worker].python_version,
                    *_cells(sample.values),
                )
                for sample in samples
            ),
        )
    for pid, text in refused.items():
        note(f"not watched: process {pid}: {text}")


def _cells(values: Mapping[str, float]) -> tuple[str, ...]:
    rss, ratio = values.get("rss_bytes"), values.get("cgroup_ratio")
    tracked, enabled = values.get("gc_tracked"), values.get("gc_enabled")
    return (
        "?" if rss is None else format_size(int(rss)),
        "-" if ratio is None else f"{ratio:.0%}",
        "?" if tracked is None else format_count(int(tracked)),
        "?" if enabled is None else ("on" if enabled else "off"),
    )
