"""How `heapgraph summary` prints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from heapgraph.cli.commands.memory import print_account
from heapgraph.cli.output import print_facts, print_table, say
from heapgraph.cli.questions import Layout
from heapgraph.units import format_count, format_seconds, format_share, format_size

if TYPE_CHECKING:
    from heapgraph.analysis.summary import Summary, Totals
    from heapgraph.cli.questions import Asked


def print_summary(result: Summary, asked: Asked) -> None:
    """The parts of a summary, one below the other."""
    del asked
    print_facts(_target_facts(result.target), title="target")
    say()
    print_facts(_total_facts(result.totals), title="totals")
    say()
    print_table(
        (("roots", "right"), ("reached", "right"), ("kind", "left")),
        (
            (format_count(root.count), format_size(root.reached_size), root.kind)
            for root in result.roots
        ),
        title="roots",
    )
    say()
    print_account(result.memory, with_parts=False)
    say()
    print_facts(_quality_facts(result.quality), title="quality")


def _target_facts(target: dict[str, Any]) -> list[tuple[str, str]]:
    capture = target["capture"]
    pause = format_seconds(float(capture.get("pause_ms", 0)) / 1000)
    return [
        ("process", f"{target.get('pid')} on {target.get('hostname') or 'an unknown host'}"),
        ("command", " ".join(target.get("command_line", []))),
        ("python", f"{target.get('python_version')} {target.get('executable')}"),
        ("started", str(target.get("started") or "unknown")),
        ("taken", f"{target.get('created')} by {capture.get('method')}, paused for {pause}"),
        ("values", "redacted" if target.get("redacted") else "the first 80 characters"),
    ]


def _total_facts(totals: Totals) -> list[tuple[str, str]]:
    dead = format_size(totals.unreachable_size)
    if totals.garbage:
        first = totals.garbage[0]
        dead += f", {format_count(first.count)} {first.type}"
        dead += f" (in all {format_count(totals.unreachable_objects)} objects)"
    return [
        ("objects", f"{format_count(totals.objects)} of {format_count(totals.types)} types"),
        ("references", format_count(totals.references)),
        ("reachable", format_size(totals.reachable_size)),
        ("garbage", dead),
    ]


def _quality_facts(quality: dict[str, Any]) -> list[tuple[str, str]]:
    reached = format_share(float(quality.get("reached_from_named_roots", 0)))
    held, garbage = int(quality.get("c_held", 0)), int(quality.get("garbage", 0))
    facts = [
        ("grade", "; ".join([str(quality.get("grade")), *quality.get("reasons", [])])),
        ("explained", f"{reached} of the objects are reached from named roots"),
        ("held by C code", format_count(held)),
        ("garbage", format_count(garbage)),
        ("attempts", format_count(int(quality.get("attempts", 1)))),
    ]
    if quality.get("collecting"):
        facts.append(("collector", "it was running when the target was frozen"))
    return facts


LAYOUT = Layout(print_summary)
