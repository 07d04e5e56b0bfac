"""Measurements as the Markdown tables of docs/performance.md."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.peers_inside import QUESTIONS
from heapgraph.units import format_count, format_seconds, format_size

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from benchmarks.heapgraph_runs import DumpRun
    from benchmarks.processes import Outcome

PEERS = ("guppy3", "igraph", "networkx", "objgraph", "Pympler", "rustworkx")


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table, the first column left, the others right."""
    lines = [head, ["---"] + ["--:"] * (len(head) - 1), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines) + "\n"


def publish(text: str, output: Path | None) -> None:
    """Print the result, and write it to a file as well where one is named."""
    print(text)
    if output:
        output.write_text(text)


def describe_machine() -> str:
    """What the figures depend on, in a paragraph."""
    peers = ", ".join(f"{name} {version(name)}" for name in PEERS)
    return (
        f"{describe_host()}, CPython {platform.python_version()} for tool, targets and peers,"
        f" load {os.getloadavg()[0]:.1f} at the start.\n"
        f"heapgraph {version('heapgraph')}; {peers}.\n"
    )


def describe_host() -> str:
    """The day and the machine."""
    processor = next(
        (
            line.split(":", 1)[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, {processor}, {os.cpu_count()} cores,"
        f" {format_size(memory)} of memory, Linux {platform.release()}"
    )


def dump_table(runs: Mapping[str, DumpRun]) -> str:
    """What a dump costs the target, the tool and the disk; a column per heap."""
    columns = [dump_column(run) for run in runs.values()]
    names = dict.fromkeys(name for column in columns for name in column)
    rows = [[name, *(column.get(name, "-") for column in columns)] for name in names]
    return table(["dump of a live process", *runs], rows)


def dump_column(run: DumpRun) -> dict[str, str]:
    """The figures of one dump by their names, in the order of the table."""
    capture, counts = run.manifest["capture"], run.manifest["counts"]
    objects, seconds = counts["objects"], run.outcome.seconds
    before, after = run.target_memory
    return {
        "objects walked": format_count(objects),
        "references": format_count(counts["references"]),
        "resident memory of the target": format_size(before),
        "method": capture["method"],
        "pause, as the tool reports it": format_seconds(capture["pause_ms"] / 1e3),
        "longest gap of the target's 1 ms heartbeat": format_seconds(run.heartbeat_gap_ms / 1e3),
        "the same in a second before the dump": format_seconds(run.quiet_gap_ms / 1e3),
        "resident memory the target gained": format_size(after - before),
        "whole command": format_seconds(seconds),
        "objects per second of the whole command": format_count(round(objects / seconds)),
        "peak memory of the tool": format_size(run.outcome.peak_memory),
        "snapshot file": format_size(run.file_size),
        "bytes per object on disk": f"{run.file_size / objects:.1f}",
        **{
            f"phase: {phase}": format_seconds(elapsed)
            for phase, elapsed in run.outcome.answer["phases"].items()
        },
    }


def seconds_or_dash(seconds: float | None) -> str:
    """A time, or a dash where there was nothing to time."""
    return "-" if seconds is None else format_seconds(seconds)


def open_table(runs: Mapping[str, tuple[Outcome, Outcome]]) -> str:
    """Opening with an empty cache and again; two columns per heap."""
    outcomes = [outcome for pair in runs.values() for outcome in pair]
    head = ["opening a snapshot"]
    for size in runs:
        head += [f"{size}, first time", f"{size}, again"]
    parts = dict.fromkeys(part for outcome in outcomes for part in outcome.answer)
    rows = [
        [part, *(seconds_or_dash(outcome.answer.get(part)) for outcome in outcomes)]
        for part in parts
    ]
    rows.append(
        ["whole process", *(run.failure or format_seconds(run.seconds) for run in outcomes)]
    )
    rows.append(["peak memory", *(format_size(outcome.peak_memory) for outcome in outcomes)])
    return table(head, rows)


def engine_table(size: str, runs: Mapping[str, Outcome]) -> str:
    """Dominators of the same graph by each library; heapgraph's answer is the one compared with."""
    reference = runs["heapgraph"].answer.get("checksum")

    def row(engine: str, run: Outcome) -> list[str]:
        if run.failure:
            return [engine, "-", run.failure, format_size(run.peak_memory), "-"]
        return [
            engine,
            format_seconds(run.answer["build"]),
            format_seconds(run.answer["seconds"]),
            format_size(run.peak_memory),
            "same" if run.answer["checksum"] == reference else "**another**",
        ]

    head = [f"dominators, {size}", "build its graph", "dominators", "peak memory", "answer"]
    return table(head, [row(engine, run) for engine, run in runs.items()])


def question_table(size: str, tools: Mapping[str, Mapping[str, Any] | str]) -> str:
    """What each tool answers to the same questions, and how long it takes.

    Args:
        size: the heap, for the heading.
        tools: per tool its answers as `peers_inside` prints them, or why there are none.
    """

    def cell(answers: Mapping[str, Any] | str, question: str) -> str:
        if isinstance(answers, str):
            return answers
        if question not in answers:
            return "-"
        answer, seconds = answers[question]["answer"], answers[question]["seconds"]
        shown = format_count(answer) if isinstance(answer, int) else f"`{answer}`"
        return f"{shown} in {format_seconds(seconds)}"

    rows = [
        [text, *(cell(answers, question) for answers in tools.values())]
        for question, text in QUESTIONS.items()
    ]
    return table([f"{size}, one heap", *tools], rows)
