"""`heapgraph dump`."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

import click

from heapgraph.cli.commands.suspects import suspect_line
from heapgraph.cli.numbers import Milliseconds, WholeNumber
from heapgraph.cli.options import json_option, opened
from heapgraph.cli.output import note, print_facts, print_json, print_table, say
from heapgraph.cli.progress import TerminalProgress
from heapgraph.errors import UsageError
from heapgraph.units import format_count, format_seconds, format_share, format_size

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from heapgraph.analysis.holders import Holders
    from heapgraph.analysis.object_rows import ObjectRow
    from heapgraph.analysis.resident.verdict import MemoryVerdict
    from heapgraph.analysis.suspects import Suspects
    from heapgraph.capture.captured import DumpResult

_LIVE_OPTIONS = {"method": "--method", "max_pause_ms": "--max-pause"}

_MAX_ARGUMENTS = 1 << 16
"""Bytes of a command line in which a program's name is looked for."""

_SUSPECTS_NAMED = 2
"""Suspects in the summary; the rest, and the reasons, are a command of their own."""


@click.command(name="dump", short_help="Take a snapshot of a running process.")
@click.argument("pid", type=WholeNumber(1), required=False, metavar="[PID]")
@click.option(
    "--core",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Read a core file, or a capture, instead of a running process; - is standard input.",
)
@click.option(
    "--executable",
    type=click.Path(path_type=Path),
    metavar="EXE",
    help="The program the core file is of, where it is not at its own place.",
)
@click.option(
    "--no-run",
    is_flag=True,
    help="Run no code of the core file; scan the objects of types without a table instead.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Snapshot to write. [default: PROGRAM-PID-DATE-TIME.heapgraph, here]",
)
@click.option(
    "--method",
    type=click.Choice(["auto", "idle", "precopy", "clone", "pause"]),
    default="auto",
    show_default=True,
    help="idle, precopy, clone, pause: the gentlest that works, unless one is named.",
)
@click.option(
    "--redact",
    is_flag=True,
    help="Keep no values, no folders of source files; hash keys that are no identifiers.",
)
@click.option(
    "--max-pause",
    type=Milliseconds(),
    metavar="MS",
    help="Give up when the target is expected to stand still for longer. [default: 1000]",
)
@click.option("--force", is_flag=True, help="Overwrite FILE.")
@click.option(
    "--verify-with-traverse",
    is_flag=True,
    help="Compare every object with what its own type says, asked in a copy; report by type.",
)
@json_option
def dump_command(  # noqa: PLR0917 - click passes every parameter by name
    pid: int | None,
    core: Path | None,
    executable: Path | None,
    no_run: bool,
    output: Path | None,
    method: Any,  # noqa: ANN401 - one of the choices above
    redact: bool,
    max_pause: float | None,
    force: bool,
    verify_with_traverse: bool,
    as_json: bool,
) -> None:
    """Take a snapshot of the Python process PID, or of a core file, and say what is big in it.

    No code runs in the target. The snapshot contains data of the target: treat it like a core
    file, or use --redact.
    """
    from heapgraph.capture.live.memory_limits import first_to_go  # noqa: PLC0415

    click.get_current_context().with_resource(first_to_go(pid))
    live = {"method": method, "max_pause_ms": max_pause}
    only_core = {"--executable": executable, "--no-run": no_run}
    with TerminalProgress() as progress:
        common = {
            "redact": redact,
            "force": force,
            "verify_with_traverse": verify_with_traverse,
            "progress": progress,
        }
        if core is None:
            result = _dump_process(pid, only_core, output, {**live, **common})
        else:
            _check_core_options(pid, live)
            common |= {"executable": executable, "run_code": not no_run}
            result = _dump_core(core, output, common)
    for text in result.notes:
        note(text)
    _report_traverse(result.quality["traverse"])
    if as_json:
        print_json(dump_document(result))
        return
    from heapgraph.analysis.holders import find_holders, is_own_table  # noqa: PLC0415 - loads numpy
    from heapgraph.analysis.leaks.dead import garbage_text  # noqa: PLC0415
    from heapgraph.analysis.memory import memory_verdict  # noqa: PLC0415
    from heapgraph.analysis.suspects import find_suspects  # noqa: PLC0415

    with opened(str(result.path)) as (graph, progress):
        holders = find_holders(graph, progress=progress)
        suspects = find_suspects(graph, progress=progress, limit=_SUSPECTS_NAMED)
        first = next((row for row in holders.objects if not is_own_table(graph, row.id)), None)
        size, garbage = graph.reachable_size, garbage_text(graph)
        found = _Found(holders, suspects, size, garbage, first, memory_verdict(graph))
    _print_summary(result, found)


def _dump_process(
    pid: int | None, only_core: dict[str, Any], output: Path | None, options: dict[str, Any]
) -> DumpResult:
    from heapgraph.capture.live.memory_limits import plan_memory  # noqa: PLC0415
    from heapgraph.capture.process.permissions import check_target  # noqa: PLC0415

    if pid is None:
        raise UsageError(
            "nothing to dump is named",
            "neither a PID nor --core FILE was given",
            "heapgraph dump PID, or heapgraph dump --core FILE",
        )
    for option, value in only_core.items():
        if value:
            given = option if value is True else f"{option} {value}"
            raise UsageError(
                f"{given} has no meaning for process {pid}",
                "a running process knows its program, and code runs in a clone of it",
                f"heapgraph dump {pid}",
            )
    plan_memory(pid, check_target(pid))  # before the libraries of a dump take some of it
    from heapgraph.capture.dump import dump  # noqa: PLC0415 - loads numpy

    return dump(pid, output or default_output(pid), **options)


def _dump_core(core: Path, output: Path | None, options: dict[str, Any]) -> DumpResult:
    from heapgraph.capture.dump_core import dump_core  # noqa: PLC0415 - loads numpy

    name = core.name if str(core) != "-" else "core"
    path = output or Path(f"{_plain(name)}-{_now()}.heapgraph")
    return dump_core(core, path, **options)


def _check_core_options(pid: int | None, live: dict[str, Any]) -> None:
    """Refuse what only makes sense for a process."""
    if pid is not None:
        raise UsageError(
            f"PID {pid} and --core FILE were both given",
            "a snapshot is of a running process or of a core file",
            f"leave one away: heapgraph dump {pid}",
        )
    given = [name for name, value in live.items() if value not in (None, False, "auto")]
    if given:
        option = _LIVE_OPTIONS[given[0]]
        raise UsageError(
            f"{option} has no meaning for a core file",
            "nothing stands still for one",
            f"leave {option} away",
        )


def _report_traverse(traverse: dict[str, Any]) -> None:
    """The instrument's answer on standard error, so that --json stays one document."""
    if not traverse:
        return
    objects, identical = traverse["objects"], traverse["identical"]
    share = identical / objects if objects else 1.0
    note(
        f"traverse: {format_count(identical)} of {format_count(objects)} objects identical "
        f"({share:.4%}), {traverse['faults']} faults, {traverse['skipped']} skipped"
    )
    for name, count in traverse["disagreements"].items():
        note(f"traverse: {format_count(count)} objects of type {name} refer to something else")


def dump_document(result: DumpResult) -> dict[str, Any]:
    """The JSON document of a dump."""
    return {
        "snapshot": str(result.path),
        "pause_ms": result.pause_s * 1000,
        "method": result.method,
        "passed_over": result.passed_over,
        "objects": result.objects,
        "references": result.references,
        "seconds": result.seconds,
        "phases": result.phases,
        "resident_size": result.resident_size,
        "objects_size": result.objects_size,
        "garbage_objects": result.garbage_objects,
        "garbage_size": result.garbage_size,
        "quality": result.quality,
    }


def default_output(pid: int) -> Path:
    """`<program>-<pid>-<yyyymmdd-hhmmss>.heapgraph` in the current folder."""
    return Path(f"{_program_name(pid)}-{pid}-{_now()}.heapgraph")


def _now() -> str:
    return datetime.now().astimezone().strftime("%Y%m%d-%H%M%S")


def _plain(name: str) -> str:
    """A name with nothing in it that a shell or a file system minds, neither option nor hidden."""
    return re.sub(r"[^\w.-]+", "_", name).lstrip("-.")[:60] or "python"


def _program_name(pid: int) -> str:
    """What the target runs: its script, its module, or else the interpreter."""
    try:
        with Path(f"/proc/{pid}/cmdline").open("rb") as stream:
            words = stream.read(_MAX_ARGUMENTS).decode(errors="replace").split("\0")
    except OSError:
        return "python"  # dump will say that there is no such process
    program, *arguments = [word for word in words if word] or ["python"]
    if "-m" in arguments[:-1]:
        program = arguments[arguments.index("-m") + 1]
    elif "-c" not in arguments:
        program = next((word for word in arguments if not word.startswith("-")), program)
    name = PurePath(program).name.removesuffix(".py")
    return _plain(name)


def _how(result: DumpResult) -> list[tuple[str, str]]:
    """How the memory was read, why not more gently, and what it cost the target."""
    if result.method == "core":
        return [("source", "a core file")]
    reasons = "".join(f"; not {name}: {why}" for name, why in result.passed_over.items())
    return [
        ("method", result.method + reasons),
        ("pause", format_seconds(result.pause_s) if result.pause_s else "none"),
    ]


@dataclass(frozen=True)
class _Found:
    """What a first look at the snapshot found.

    Attributes:
        holders, suspects: their first rows.
        reachable_size: bytes of what is alive.
        garbage: what is not, in words; "" where it is not worth a line.
        first: the largest holder that is the program's.
        memory: what most of the resident memory is.
    """

    holders: Holders
    suspects: Suspects
    reachable_size: int
    garbage: str
    first: ObjectRow | None
    memory: MemoryVerdict


def _print_summary(result: DumpResult, found: _Found) -> None:
    file_size = format_size(result.path.stat().st_size)
    counts = f"{format_count(result.objects)}, {format_count(result.references)} references"
    resident = f" of {format_size(result.resident_size)} resident" if result.resident_size else ""
    print_facts(
        (
            ("snapshot", f"{result.path} ({file_size})"),
            *_how(result),
            ("took", format_seconds(result.seconds)),
            ("objects", f"{counts}, {format_size(found.reachable_size)}{resident}"),
            *([("garbage", found.garbage)] if found.garbage else ()),
            ("quality", "; ".join([result.quality["grade"], *result.quality["reasons"]])),
            *_suspect_facts(found.suspects),
        )
    )
    if left_out := found.suspects.left_out:
        note(f"{format_count(left_out)} more suspects: heapgraph suspects lists them")
    if found.holders.objects:
        say()
        _print_holders(found.holders.objects)
    say()
    say(f"next: {shlex.join(['heapgraph', *_next_command(str(result.path), found)])}")


def _suspect_facts(found: Suspects) -> Iterator[tuple[str, str]]:
    """The first suspects; only what grows is said to leak. Without any what is large and does not.

    Size alone is no sign of a leak: a cache that is meant to be large is a suspect as well where
    nothing tells the ages of what is in it.
    """
    for suspect in found.suspects:
        name = "leak suspect" if suspect.growth.is_growing else "suspect"
        trend = "growing" if suspect.growth.is_growing else "growth unknown"
        yield name, f"{suspect_line(suspect)}, {trend}"
    if not found.suspects:
        for steady in found.steady[:1]:
            yield "not growing", f"{suspect_line(steady)}, {steady.growth.sentence}"


def _print_holders(rows: Sequence[ObjectRow]) -> None:
    """They stand in the order of objects and native memory together: so both are shown."""
    has_native = any(row.native_size for row in rows)
    print_table(
        (
            *(("retained", "right"), ("share", "right")),
            *((("native (estimate)", "right"),) if has_native else ()),
            *(("growth", "left"), ("type", "left"), ("held by", "left")),
        ),
        (
            (
                *(format_size(row.retained_size), format_share(row.share)),
                *((format_size(row.native_size),) if has_native else ()),
                *("" if row.growth is None else str(row.growth), row.type, row.expression),
            )
            for row in rows
        ),
        title="biggest holders",
    )


def _next_command(path: str, found: _Found) -> list[str]:
    """The reasons of the suspects, else the way to what is largest, else what the memory is.

    Where most of the memory is no object's, and no suspect explains half of that, only the account
    of the memory does.
    """
    suspects = found.suspects.suspects
    explained = sum(suspect.retained_size + suspect.native_size for suspect in suspects)
    is_elsewhere = not found.memory.is_of_objects and 2 * explained < found.memory.size
    if is_elsewhere or (not suspects and found.first is None):
        return ["memory", path]
    if suspects or found.first is None:
        return ["suspects", path]
    text = found.first.expression
    return ["path", path, f"@{found.first.id}" if "<" in text else text]
