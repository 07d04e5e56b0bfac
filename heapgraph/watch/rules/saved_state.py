"""The engine's memory as a document of JSON, and back: a restart of the daemon changes nothing.

Moments are those of the steady clock, which goes on while the machine runs; what it was at the time
of saving is kept beside the time of day and the boot id. In the same boot they are taken as they
are, whatever the time of day does. After another boot all processes are new, so that only the
limits are kept: as much time has passed for them as the time of day says, and none where it goes
backwards. So a clock that was set back grants nothing; one that was set forward over a reboot ends
cool-downs too early, which nothing here could notice.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from heapgraph.errors import HeapgraphError
from heapgraph.safe_text import begun, printable
from heapgraph.watch.model import (
    Observation,
    ProcessKey,
    RuleState,
    Transition,
    WorkerName,
)
from heapgraph.watch.rules.documents import (
    as_list,
    as_number,
    as_table,
    as_text,
    as_whole,
)
from heapgraph.watch.rules.engine import RuleEngine
from heapgraph.watch.rules.growth import GrowthRecord
from heapgraph.watch.rules.limits import ActionTimes
from heapgraph.watch.rules.standing import Standing
from heapgraph.watch.rules.state import EngineState, WorkerRecord
from heapgraph.watch.rules.windows import Window
from heapgraph.watch.rules.wording import subject_text

if TYPE_CHECKING:
    from heapgraph.watch.settings.model import RuleSpec, WatchSettings

FORMAT = "heapgraph.rules"
VERSION = 1

_OPEN = (RuleState.PENDING, RuleState.FIRING)


@dataclass(frozen=True, slots=True)
class Moment:
    """Now, by both clocks.

    Attributes:
        steady: seconds of `time.monotonic`.
        time_of_day: seconds of `time.time`.
        boot_id: of the kernel.
    """

    steady: float
    time_of_day: float
    boot_id: str


def save_engine(engine: RuleEngine, now: Moment) -> dict[str, Any]:
    """All that an engine remembers, as dicts, lists, texts and numbers.

    Args:
        engine: between two calls.
        now: when.

    Cost: 2 kB of JSON for each window, 100 bytes for each followed name and standing.
    """
    state = engine.state
    return {
        "format": FORMAT,
        "version": VERSION,
        "steady": now.steady,
        "time_of_day": now.time_of_day,
        "boot_id": now.boot_id,
        "rules": {rule.spec.name: _fingerprint(rule.spec) for rule in engine.rules},
        "workers": [_saved_worker(*item) for item in state.workers.items()],
        "standings": [
            [rule, worker.target, worker.slot, *_saved_standing(standing)]
            for (rule, worker), standing in state.standings.items()
        ],
        "limits": [[*key, times.moments] for key, times in state.limits.items()],
    }


def restore_engine(
    settings: WatchSettings, document: object, now: Moment
) -> tuple[RuleEngine, list[Transition]]:
    """The engine that was saved, with the rules of today.

    Of a rule that was changed (in more than what it does) only its limits are kept. What fired and
    cannot go on, because the rule was changed, renamed or taken out, or the machine was started
    again, is resolved. A rule that has but another name keeps its limits.
    Workers are kept as they were: `begin` and `end` say which of them are still there.

    Args:
        settings: of today.
        document: of `save_engine`; it may come from a file that anybody has changed.
        now: by the same clocks.

    Raises:
        HeapgraphError: it is no saved state, is damaged, or of another version. A new engine may be
            begun then, which knows of no earlier action.
    """
    try:
        return _restored(settings, _checked(document), now)
    except ValueError as error:
        raise HeapgraphError(
            "the saved state of the rules cannot be used",
            begun(printable(str(error)), 300),
            "move it away: rules then begin anew, and may act although they did lately",
        ) from error


def _checked(document: object) -> dict[str, Any]:
    table = as_table(document)
    if table.get("format") != FORMAT:
        raise ValueError(f"its format is not {FORMAT}")
    if (version := as_whole(table.get("version"), 0, 10**6)) != VERSION:
        raise ValueError(f"its version is {version}, and this heapgraph reads {VERSION}")
    return table


def _restored(
    settings: WatchSettings, table: dict[str, Any], now: Moment
) -> tuple[RuleEngine, list[Transition]]:
    saved_at = as_number(table.get("steady"))
    is_same_boot = table.get("boot_id") == now.boot_id and saved_at <= now.steady
    passed = max(0.0, now.time_of_day - as_number(table.get("time_of_day")))
    # What is added to a saved moment to have one of today's clock.
    shift = 0.0 if is_same_boot else now.steady - passed - saved_at
    specs = {rule.name: rule for rule in settings.rules}
    prints = as_table(table.get("rules"))
    kept = {name for name, spec in specs.items() if prints.get(name) == _fingerprint(spec)}
    renamed = _renamed(prints, specs)
    state = EngineState()
    for row in as_list(table.get("limits"), 100_000):
        name, target, moments = _sized(row, 3)
        spec = specs.get(renamed.get(as_text(name), as_text(name)))
        if spec is not None:
            times = [min(now.steady, as_number(one) + shift) for one in as_list(moments, 1000)]
            state.limits[spec.name, as_text(target)] = ActionTimes(spec, times)
    ended: list[Transition] = []
    for row in as_list(table.get("standings"), 1_000_000):
        first, target, slot, *rest = _sized(row, 3 + _STANDING_COLUMNS)
        rule = as_text(first)
        name = WorkerName(as_text(target), as_whole(slot, 0, 10**6))
        standing = _restored_standing(rest, now.steady if is_same_boot else None)
        if is_same_boot and rule in kept:
            state.standings[rule, name] = standing
        elif standing.state in _OPEN:
            today = specs.get(renamed.get(rule, rule))
            why = _why_ended(rule, today) if is_same_boot else "the machine was started again"
            ended.append(_ended(rule, name, standing, now.steady, why=why, today=today))
    if is_same_boot:
        for one in as_list(table.get("workers"), 100_000):
            worker, record = _restored_worker(as_table(one), now.steady)
            state.workers[worker] = record
    return RuleEngine(settings, state), ended


def _renamed(prints: dict[str, Any], specs: dict[str, RuleSpec]) -> dict[str, str]:
    """Rules that see and count what an earlier one did, whose name is gone: new names by old."""
    names: dict[str, str] = {}
    for old in prints.keys() - specs.keys():
        for name, spec in specs.items():
            is_new = name not in prints and name not in names.values()
            if is_new and prints[old] == _fingerprint(replace(spec, name=old)):
                names[old] = name
                break
    return names


def _why_ended(rule: str, today: RuleSpec | None) -> str:
    if today is None:
        return "the rule is not in the settings any more"
    if today.name == rule:
        return "the rule was changed"
    return f"the rule is called {today.name} now, and begins anew under that name"


def _fingerprint(spec: RuleSpec) -> str:
    """The same for rules that see and count the same; what they do may differ."""
    seen = replace(spec, do=(), cool_down_s=0, at_most=0, at_most_window_s=0)
    return hashlib.sha256(repr(seen).encode()).hexdigest()[:16]


def _saved_worker(name: WorkerName, record: WorkerRecord) -> dict[str, Any]:
    key = record.key
    return {
        "target": name.target,
        "slot": name.slot,
        "process": None if key is None else [key.pid, key.started, key.boot_id],
        "warm_until": record.warm_until,
        "windows": [
            [metric, window_s, window.saved()]
            for (metric, window_s), window in record.windows.items()
        ],
        "growth": record.growth.saved(),
    }


def _restored_worker(table: dict[str, Any], now: float) -> tuple[WorkerName, WorkerRecord]:
    name = WorkerName(as_text(table.get("target")), as_whole(table.get("slot"), 0, 10**6))
    key = None
    if table.get("process") is not None:
        pid, started, boot_id = _sized(table["process"], 3)
        key = ProcessKey(as_whole(pid, 0, 2**31), as_whole(started, 0, 2**63), as_text(boot_id))
    growth = GrowthRecord.restored(table.get("growth"))
    record = WorkerRecord(as_number(table.get("warm_until")), growth, key)
    for row in as_list(table.get("windows"), 100):
        metric, window_s, text = _sized(row, 3)
        seconds = as_number(window_s)
        if seconds <= 0:
            raise ValueError("a window of no length")
        record.windows[as_text(metric), seconds] = Window.restored(seconds, as_text(text), now)
    return name, record


_STANDING_COLUMNS = 12


def _saved_standing(one: Standing) -> list[Any]:
    return [
        *(str(one.state), one.since, one.row, one.calm, one.last_at, one.missed, one.is_owed),
        *(one.is_told, one.value, one.limit, one.subject, one.grown),
    ]


def _restored_standing(row: list[Any], latest: float | None) -> Standing:
    state, since, held, calm, last_at, missed, is_owed, is_told, value, limit, subject, grown = row
    if state not in list(RuleState):
        raise ValueError("a state that there is not")
    if not isinstance(is_owed, bool) or not isinstance(is_told, bool):
        raise ValueError("yes or no is expected")  # noqa: TRY004 - of a file, not of a caller
    last = None if last_at is None else as_number(last_at)
    if last is not None and latest is not None and last > latest:
        last = latest
    return Standing(
        state=RuleState(state),
        since=as_number(since),
        row=as_whole(held, 0, 2**53),
        calm=as_whole(calm, 0, 2**53),
        last_at=last,
        missed=as_whole(missed, 0, 2**53),
        is_owed=is_owed,
        is_told=is_told,
        value=as_number(value),
        limit=as_number(limit),
        subject=as_text(subject),
        grown=as_whole(grown, 0, 2**53),
    )


def _ended(
    rule: str, worker: WorkerName, one: Standing, at: float, *, why: str, today: RuleSpec | None
) -> Transition:
    """A standing that cannot go on; what it was about is known where the rule is, in some form."""
    new = RuleState.RESOLVED if one.state is RuleState.FIRING else RuleState.INACTIVE
    subject = one.subject if today is None else subject_text(today, one.subject)
    return Transition(
        rule, worker, one.state, new, at, Observation(subject, one.value, one.limit, 0, why)
    )


def _sized(row: object, length: int) -> list[Any]:
    result = as_list(row, length)
    if len(result) != length:
        raise ValueError(f"{length} parts are expected")
    return result
