"""`heapgraph drill`."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import click

from heapgraph.cli.options import json_option
from heapgraph.cli.output import print_json, say
from heapgraph.errors import GateFailed, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from heapgraph.watch.drill.findings import Result
    from heapgraph.watch.drill.registry import Drill

SCHEMA = "heapgraph.drill/1"


@click.command(name="drill", short_help="Try what the daemon does when something breaks.")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--list", "only_list", is_flag=True, help="Say which drills there are, and run none.")
@json_option
def drill_command(names: tuple[str, ...], only_list: bool, as_json: bool) -> None:
    """Run fault drills: all, or those that are named.

    Each starts little targets, a daemon and receivers of its own in a private folder, breaks
    something, and looks whether what must hold does: no process but its own is touched. Exit code 1
    when one fails. What cannot be tried here is skipped and says why; it does not count as passed.
    """
    from heapgraph.watch.drill.registry import DRILLS  # noqa: PLC0415 - keeps --help quick

    chosen = _chosen(names, DRILLS)
    if only_list:
        _list(chosen, as_json)
        return
    from heapgraph.watch.drill.run import run_drill  # noqa: PLC0415 - loads the daemon's rooms

    # As Ctrl-C: what a drill has started and made is put away on the way out.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    results = []
    for drill in chosen:
        results.append(run_drill(drill))
        if not as_json:
            _print(results[-1])
    counts = {
        outcome: sum(result.outcome == outcome for result in results)
        for outcome in ("passed", "failed", "skipped")
    }
    if as_json:
        rows = [result.to_dict() for result in results]
        print_json({"schema": SCHEMA, "counts": counts, "drills": rows})
    else:
        say(", ".join(f"{count} {outcome}" for outcome, count in counts.items() if count))
    if failed := _failed(results):
        raise GateFailed(
            f"{len(failed)} of {len(results)} drills failed: {', '.join(failed)}",
            "what was seen is not what docs/watch-drills.md says",
            f"heapgraph drill {' '.join(failed)}",
        )


def _chosen(names: Sequence[str], drills: Sequence[Drill]) -> list[Drill]:
    known = {drill.name: drill for drill in drills}
    for name in names:
        if name not in known:
            raise UsageError(
                f"there is no drill {name!r}", "the name is misspelled", "heapgraph drill --list"
            )
    return [known[name] for name in names] if names else list(drills)


def _list(drills: Sequence[Drill], as_json: bool) -> None:
    if as_json:
        rows = [
            {
                "name": drill.name,
                "steady": drill.steady,
                "fault": drill.fault,
                "expectation": drill.expectation,
                "needs": drill.needs,
            }
            for drill in drills
        ]
        print_json({"schema": SCHEMA, "drills": rows})
        return
    for drill in drills:
        say(drill.name + (f" (needs {drill.needs})" if drill.needs else ""))
        say(f"    steady:   {drill.steady}")
        say(f"    fault:    {drill.fault}")
        say(f"    expected: {drill.expectation}")


def _print(result: Result) -> None:
    say(f"{result.name}: {result.outcome}, {result.seconds:.1f} s")
    say(f"    expected: {result.expected}")
    for line in result.seen:
        say(f"    {'why' if result.outcome == 'skipped' else 'seen'}: {line}")


def _failed(results: Sequence[Result]) -> list[str]:
    return [result.name for result in results if result.outcome == "failed"]
