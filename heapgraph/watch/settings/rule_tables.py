"""Reads `[[rule]]`: one subject, what is too much of it, how often, and what is done then."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from heapgraph.units import Unit, format_duration
from heapgraph.watch.model import EVENTS, METRICS
from heapgraph.watch.settings import quantities, readers
from heapgraph.watch.settings.metric_units import (
    CENSUS_METRICS,
    METRIC_UNITS,
    UNRISING,
    read_amount,
)
from heapgraph.watch.settings.model import Growth, Rise, RuleSpec, Slope
from heapgraph.watch.settings.quantities import BadValue
from heapgraph.watch.settings.tables import did_you_mean, shown

if TYPE_CHECKING:
    from collections.abc import Callable

    from heapgraph.watch.settings.tables import Table

BUILT_IN_ACTIONS = ("snapshot", "census", "report")
"""What rules may `do` without an `[[action]]`."""

SUBJECTS = ("metric", "event", "holder", "type")
_CONDITIONS = {
    "metric": ("above", "below", "rise", "slope"),
    "event": (),
    "holder": ("grows", "bytes_above"),
    "type": ("grows", "count_above", "bytes_above"),
}
_ALL_CONDITIONS = ("above", "below", "rise", "slope", "grows", "count_above", "bytes_above")

LEAST_LOOKS = 4
"""Looks in the window of a rise or slope: a line through fewer says nothing."""

LONGEST_WINDOW_S = 86400.0
MOST_TIMES = 1000
MOST_CENSUSES = 100
MOST_AT_MOST = 1000
_MOST_COUNT = 2**53


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a rule may refer to.

    Attributes:
        targets, actions: names there are.
        interval_s, census_s: seconds between two looks and between two censuses.
    """

    targets: tuple[str, ...]
    actions: tuple[str, ...]
    interval_s: float
    census_s: float


def read_rule(table: Table, around: Surroundings) -> RuleSpec:
    """One rule; what is wrong with it is noted in the table."""
    subject, wanted = _read_subject(table)
    # Of a metric that there is not, nobody knows the unit: one mistake is one message.
    unit = None if "metric" in table and not wanted else METRIC_UNITS.get(wanted, Unit.COUNT)
    amount = partial(_read_amount, unit)
    look_s = around.census_s if wanted in CENSUS_METRICS else around.interval_s
    at_most, at_most_window = table.get("at_most", _read_at_most, (0, 86400.0))
    rule = RuleSpec(
        name=table.require("name", readers.name, ""),
        metric=wanted if subject == "metric" else "",
        event=wanted if subject == "event" else "",
        holder=wanted if subject == "holder" else "",
        type=wanted if subject == "type" else "",
        above=table.get("above", amount, None),
        below=table.get("below", amount, None),
        rise=table.get("rise", _rise_reader(unit, look_s), None),
        slope=table.get("slope", _slope_reader(unit, look_s), None),
        grows=_read_growth(table),
        count_above=table.get("count_above", readers.whole(0, _MOST_COUNT), None),
        bytes_above=table.get("bytes_above", readers.size(0, _MOST_COUNT), None),
        times=table.get("times", readers.whole(1, MOST_TIMES), 1),
        within_s=table.get("within", readers.duration(1, 86400), 600.0),
        cool_down_s=table.get("cool_down", readers.duration(1, 30 * 86400), 1800.0),
        at_most=at_most,
        at_most_window_s=at_most_window,
        targets=table.get("targets", readers.many(_known(around.targets, "target"), 1000), ()),
        do=table.get("do", readers.many(_known(_all_actions(around), "action"), 20), ()),
    )
    _check_conditions(table, subject, wanted)
    _check_event(table, rule)
    table.finish()
    return rule


def _all_actions(around: Surroundings) -> tuple[str, ...]:
    return (*BUILT_IN_ACTIONS, *around.actions)


def _read_subject(table: Table) -> tuple[str, str]:
    """Which of the four subjects it is, and its value; "" where that is not clear."""
    read = {
        "metric": _known(METRICS, "metric"),
        "event": _known(EVENTS, "event"),
        "holder": readers.text,
        "type": readers.text,
    }
    values = {key: table.get(key, read[key], "") for key in SUBJECTS}
    there = [key for key in SUBJECTS if key in table]
    if len(there) == 1:
        return there[0], values[there[0]]
    if there:
        table.wrong(f"{' and '.join(there)}: exactly one of them is what a rule is about")
    else:
        table.wrong("metric, event, holder or type is missing: what the rule is about")
    return "", ""


def _known(names: tuple[str, ...], what: str) -> Callable[[object], str]:
    def read(value: object) -> str:
        if not isinstance(value, str):
            raise BadValue("text in quotes is expected")
        if value not in names:
            there = f"; there are {', '.join(names[:20])}" if names else "; there are none"
            raise BadValue(f"there is no such {what}{did_you_mean(value, names) or there}")
        return value

    return read


def _read_at_most(value: object) -> tuple[int, float]:
    times, window = quantities.times_in(value)
    if not 1 <= times <= MOST_AT_MOST or not 1 <= window <= 30 * LONGEST_WINDOW_S:
        raise BadValue(f"1 to {MOST_AT_MOST} times in 1 s to 30 d are expected")
    return times, window


def _read_amount(unit: Unit | None, value: object) -> float:
    """A number of that unit; of one that nobody knows, any, which is of no use."""
    return 1.0 if unit is None else read_amount(unit, value)


def _rise_reader(unit: Unit | None, look_s: float) -> Callable[[object], Rise]:
    def read(value: object) -> Rise:
        amount, window = quantities.per_window(value)
        _check_window(window, look_s)
        if amount.endswith("%") and unit is not Unit.SHARE:
            return Rise(window, share=_positive(quantities.share(amount)))
        return Rise(window, amount=_positive(_read_amount(unit, amount)))

    return read


def _slope_reader(unit: Unit | None, look_s: float) -> Callable[[object], Slope]:
    def read(value: object) -> Slope:
        amount, per, window = quantities.rate_over(value)
        _check_window(window, look_s)
        return Slope(_positive(_read_amount(unit, amount)), per, window)

    return read


def _positive(amount: float) -> float:
    if amount <= 0:
        raise BadValue("more than 0 is expected")
    return amount


def _check_window(window_s: float, look_s: float) -> None:
    least = LEAST_LOOKS * look_s
    if not least <= window_s <= LONGEST_WINDOW_S:
        raise BadValue(
            f"a window from {format_duration(least)} ({LEAST_LOOKS} looks) to "
            f"{format_duration(LONGEST_WINDOW_S)} is expected"
        )


def _read_growth(table: Table) -> Growth | None:
    below = table.table("grows", f"{table.place} grows")
    grows = Growth(
        censuses=below.get("censuses", readers.whole(1, MOST_CENSUSES), 3),
        bytes=below.get("bytes", readers.size(0, _MOST_COUNT), 0),
        count=below.get("count", readers.whole(0, _MOST_COUNT), 0),
    )
    below.finish()
    return grows if "grows" in table else None


def _check_conditions(table: Table, subject: str, wanted: str) -> None:
    """Exactly one condition, of those that its subject has."""
    if not subject:
        return
    allowed = _CONDITIONS[subject]
    there = [key for key in _ALL_CONDITIONS if key in table]
    for key in there:
        if key not in allowed:
            table.wrong(f"{key} makes no sense with {subject}")
    fitting = [key for key in there if key in allowed]
    if len(fitting) > 1:
        table.wrong(f"{' and '.join(fitting)}: exactly one of them is what is too much")
    elif allowed and not fitting:
        table.wrong(f"{' or '.join(allowed)} is missing: what is too much of {shown(wanted)}")
    if wanted in UNRISING:
        for key in {"rise", "slope"} & set(fitting):
            table.wrong(f"{key} makes no sense with {wanted}")
    if "grows" in fitting and "times" in table:
        table.wrong("times makes no sense with grows, which counts censuses")


def _check_event(table: Table, rule: RuleSpec) -> None:
    if "within" in table and not rule.event:
        table.wrong("within makes sense with event only")
    if rule.event == "exit":
        for action in ("snapshot", "census"):
            if action in rule.do:
                table.wrong(f'do = ["{action}"] makes no sense with "exit": the process is gone')
