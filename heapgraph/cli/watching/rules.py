"""`heapgraph rules check` and `heapgraph rules test`: the daemon's settings, before it runs."""

from __future__ import annotations

from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from heapgraph.cli.numbers import WholeNumber
from heapgraph.cli.options import json_option
from heapgraph.cli.output import (
    count_left_out,
    note,
    print_facts,
    print_help,
    print_json,
    print_table,
    say,
)
from heapgraph.errors import SettingsUnusable
from heapgraph.safe_text import storable
from heapgraph.units import format_count, format_duration, format_share, format_size

if TYPE_CHECKING:
    from collections.abc import Iterable

    from heapgraph.watch.model import Transition
    from heapgraph.watch.rules.replay import Replay
    from heapgraph.watch.settings.model import ActionSpec, HttpSpec, WatchSettings

_DEFAULT_LIMIT = 100

_LITTLE_ROOM = 0.05
"""Of the limit: memory that rises fast passes so little between two looks."""


@click.group(
    name="rules", short_help="Check the daemon's settings, try rules.", invoke_without_command=True
)
@click.pass_context
def rules_command(context: click.Context) -> None:
    """Check a settings file of the daemon, and try its rules on what was recorded."""
    if context.invoked_subcommand is None:
        print_help(context.get_help())
        context.exit(2)


@rules_command.command(name="check", short_help="Say in words what a settings file means.")
@click.argument("file", metavar="FILE")
@json_option
def check_command(file: str, as_json: bool) -> None:
    """Check FILE, and say in words what it means, with all defaults.

    All that is wrong in it is told at once; the exit code is 2 then. Files that it names and that
    this user cannot use here are noted.
    """
    from heapgraph.watch.needed_files import problems_of_files  # noqa: PLC0415 - as below
    from heapgraph.watch.rules.compiled import compile_rules  # noqa: PLC0415 - keeps --help quick
    from heapgraph.watch.rules.wording import rule_in_words  # noqa: PLC0415
    from heapgraph.watch.settings.load import load_settings  # noqa: PLC0415

    try:
        settings = load_settings(file)
    except SettingsUnusable as error:
        _tell_problems(error, as_json=as_json)
        raise
    files = ["; ".join(error.parts()) for error in problems_of_files(settings)]
    words = [(rule.spec.name, rule_in_words(rule)) for rule in compile_rules(settings)]
    if as_json:
        rules = [{"name": name, "words": text} for name, text in words]
        document = {
            "valid": True,
            "problems": [],
            "notes": list(_notes(settings)),
            "files": files,
            "rules": rules,
            "settings": _plain(settings),
        }
        print_json(document)
        return
    print_facts(_facts(settings))
    say()
    print_table((("rule", "left"), ("", "left")), words)
    for text in (*_notes(settings), *files):
        note(text)


@rules_command.command(name="test", short_help="Replay recorded samples through the rules.")
@click.argument("file", metavar="FILE")
@click.option("--replay", "recording", metavar="SAMPLES", required=True, help="What was recorded.")
@click.option(
    "--limit",
    type=WholeNumber(1),
    metavar="N",
    help=f"Transitions to list.  [default: {_DEFAULT_LIMIT}, or all with --json]",
)
@json_option
def test_command(file: str, recording: str, limit: int | None, as_json: bool) -> None:
    """Show what was recorded (`heapgraph watch --record`) to the rules of FILE.

    Prints each change of state, and what would have been done. Nothing is done, and no time passes:
    the clock is that of the recording.
    """
    from heapgraph.watch.rules.replay import Recording, Replay  # noqa: PLC0415 - as above
    from heapgraph.watch.settings.load import load_settings  # noqa: PLC0415

    replay = Replay(load_settings(file))
    source = Recording(Path(recording))
    found = replay.transitions(source.records())
    if as_json:
        rows = [_row(one) for one in (found if limit is None else islice(found, limit))]
        left_out = sum(1 for _ in found)
        print_json({**_totals(replay), "transitions": rows, "left_out": left_out})
    else:
        shown = list(islice(found, limit or _DEFAULT_LIMIT))
        left_out = sum(1 for _ in found)
        _print_transitions(shown, replay)
        count_left_out(left_out, "transitions")
    if source.is_cut:
        note("the last line has no end, and was left out")
    if replay.unknown_targets:
        note(f"not in the settings: target {', '.join(sorted(replay.unknown_targets))}")


def _tell_problems(error: SettingsUnusable, *, as_json: bool) -> None:
    if as_json:
        print_json({"valid": False, "problems": list(error.problems or error.parts())})
    elif error.problems:
        for problem in error.problems:
            note(problem)
        raise SettingsUnusable(
            error.what, "each is named above", "correct them, and check again"
        ) from error


def _facts(settings: WatchSettings) -> Iterable[tuple[str, str]]:
    from heapgraph.watch.rules.wording import target_in_words  # noqa: PLC0415 - as above

    budget, store, audit = settings.budget, settings.store, settings.audit
    for target in settings.targets:
        yield f"target {target.name}", target_in_words(target)
    yield "looks", f"every {format_duration(settings.interval_s)}"
    yield "censuses", f"every {format_duration(settings.census_s)}, and while a rule is pending"
    yield "warm-up", f"{format_duration(settings.warm_up_s)} from the start of each process"
    within = format_duration(settings.tell_within_s)
    yield "alerts", f"within {within}, whatever is still being taken then"
    costs = [
        f"pauses that are expected to be {format_duration(budget.max_pause_ms / 1000)} at most",
        f"{format_share(budget.cpu)} of one processor",
        f"{format_share(budget.headroom)} of the target's limit left free",
        f"{budget.at_once} at once",
    ]
    yield "budget", ", ".join(costs)
    limits = [
        f"at most {store.files} files",
        format_size(store.bytes),
        f"{store.per_rampup} of one process",
        f"{format_share(store.keep_free)} of the disk left free",
        f"{'without' if store.redact else 'with'} values",
    ]
    yield "store", f"{store.path}: {', '.join(limits)}"
    for action in settings.actions:
        yield f"action {action.name}", _action_text(action)
    yield "endpoint", _http_text(settings.http)
    required = "nothing is done without it" if audit.required else "not required"
    log = audit.path or store.path / "audit"
    yield "audit log", f"{log}, kept {format_duration(audit.keep_s)}; {required}"


def _notes(settings: WatchSettings) -> Iterable[str]:
    """What is allowed, and hardly meant: a rule that fires where its dump is refused."""
    headroom = settings.budget.headroom
    for rule in settings.rules:
        dumps = [one for one in rule.do if one in ("snapshot", "census")]
        if rule.metric != "cgroup_ratio" or rule.above is None or not dumps:
            continue
        room = round(1 - headroom - rule.above, 9)
        if room > _LITTLE_ROOM:
            continue
        left = f"only {format_share(room)} of the limit is" if room > 0 else "nothing is"
        yield (
            f"{rule.name}: {left} between above = {format_share(rule.above)} and the headroom of"
            f" {format_share(headroom)}, within which no {dumps[0]} is taken"
        )


def _action_text(action: ActionSpec) -> str:
    timeout = f"{format_duration(action.timeout_s)} a try"
    if action.kind == "command":
        user = f" as {action.user}" if action.user else ""
        return f"command {action.argv[0]}{user}, {timeout}"
    signed = "signed" if action.secret_file else "not signed"
    address = f"to the address in {action.url_file}"
    return f"webhook {address}, as {action.format}, {signed}, {timeout}, {action.retries} retries"


def _http_text(http: HttpSpec) -> str:
    if not http.listen:
        return "none: nothing listens"
    ways = [
        ("tokens", http.tokens_file),
        ("client certificates", http.tls and http.tls.client_ca),
        ("JWT", http.jwt),
    ]
    peers = [name for name, there in ways if there]
    whom = f"; peers have {' or '.join(peers)}" if peers else ""
    return f"{http.listen}: {', '.join(http.expose) or 'nothing exposed'}{whom}"


def _plain(settings: WatchSettings) -> dict[str, Any]:
    def text(value: Any) -> Any:  # noqa: ANN401 - any part of the settings
        if isinstance(value, Path):
            return storable(str(value))
        if isinstance(value, dict):
            return {key: text(one) for key, one in value.items()}
        return [text(one) for one in value] if isinstance(value, list | tuple) else value

    plain: dict[str, Any] = text(asdict(settings))
    return plain


def _totals(replay: Replay) -> dict[str, Any]:
    first, last = replay.first_at, replay.last_at
    return {
        "seconds": 0.0 if first is None or last is None else last - first,
        "samples": replay.samples,
        "events": replay.events,
        "censuses": replay.censuses,
        "processes": replay.processes,
    }


def _row(one: Transition) -> dict[str, Any]:
    seen = one.observation
    return {
        "at": one.at,
        "rule": one.rule,
        "target": one.worker.target,
        "slot": one.worker.slot,
        "old": str(one.old),
        "new": str(one.new),
        "metric": seen.metric,
        "value": seen.value,
        "limit": seen.limit,
        "times": seen.times,
        "text": seen.text,
        "actions": list(one.actions),
        "withheld": one.withheld,
    }


def _print_transitions(found: list[Transition], replay: Replay) -> None:
    totals = _totals(replay)
    start = replay.first_at or 0.0
    print_table(
        (("after", "right"), ("rule", "left"), ("worker", "left"), ("state", "left"), ("", "left")),
        (
            (
                format_duration(max(0.0, one.at - start)),
                one.rule,
                str(one.worker),
                f"{one.old} -> {one.new}",
                "; ".join(part for part in (one.observation.text, _done(one)) if part),
            )
            for one in found
        ),
    )
    say()
    counts = ", ".join(
        f"{format_count(totals[name])} {name}" for name in ("samples", "events", "censuses")
    )
    say(f"{format_duration(totals['seconds'])}: {counts}; a replay: nothing of it was done")


def _done(one: Transition) -> str:
    if one.actions:
        return f"would do {', '.join(one.actions)}"
    return f"nothing done: {one.withheld}" if one.withheld else ""
