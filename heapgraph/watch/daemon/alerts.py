"""From what a rule noticed to what the world is told: one sentence, the holder, the numbers."""

from __future__ import annotations

import socket
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from heapgraph.units import format_duration, format_share, format_size
from heapgraph.watch.model import Alert

if TYPE_CHECKING:
    from heapgraph.watch.model import Census, Observation, SuspectLine, Transition

_DOES = {
    "growing": "still grows",
    "turning over": "is large and turns over",
    "loaded once": "is large, and was loaded once",
}


def transition_in_words(transition: Transition) -> str:
    """A change of a rule as a line of the log."""
    text = f"{transition.worker}: {transition.rule} is {transition.new}"
    if transition.observation.text:
        text += f": {transition.observation.text}"
    if transition.withheld:
        text += f" (nothing is done: {transition.withheld})"
    return text


def make_alert(
    transition: Transition,
    census: Census | None,
    *,
    message_id: str,
    status: str,
    seconds_to_limit: float | None,
    snapshot: str = "",
    snapshot_refused: str = "",
    awaited: tuple[str, ...] = (),
    why_no_census: str = "",
    age_s: float = 0.0,
    began: datetime | None = None,
    pid: int = 0,
    now: datetime | None = None,
) -> Alert:
    """Put together what is known when a rule fires or is resolved.

    Args:
        transition: of the rule.
        census: of the worker, as fresh as there is one; None where none could be taken.
        message_id: of this message.
        status: "firing" or "resolved".
        seconds_to_limit: of the worker's latest sample.
        snapshot: id in the store.
        snapshot_refused: why there is none.
        awaited: what is still being taken.
        why_no_census: why there is none, or none that is fresh.
        age_s: how long before the rule fired the census was taken, where that matters.
        began: time of day at which the rule changed its state.
        pid: of the process; 0 where that is not known any more.
        now: time of day.

    Returns:
        The alert without what only the list of incidents knows: `incident`, `others` and
        `started` are those of an incident of its own.
    """
    created = (now or datetime.now(UTC)).isoformat(timespec="seconds")
    suspect = None if census is None or not census.suspects else census.suspects[0]
    suspect = suspect and _seen_growing(suspect, transition.observation)
    return Alert(
        id=message_id,
        incident=message_id,
        status=status,
        rule=transition.rule,
        worker=transition.worker,
        observation=transition.observation,
        others=(),
        host=socket.gethostname(),
        created=created,
        started=created if began is None else began.isoformat(timespec="seconds"),
        pid=pid,
        verdict=(
            verdict(transition, census, suspect, why_no_census) + _aged(age_s, why_no_census)
            if status == "firing"
            else f"resolved: {transition.observation.text}"
        ),
        suspect=suspect,
        seconds_to_limit=seconds_to_limit,
        snapshot=snapshot,
        snapshot_refused=snapshot_refused,
        awaited=awaited,
    )


def _seen_growing(suspect: SuspectLine, seen: Observation) -> SuspectLine:
    """The same; what grew from census to census grows, also where the ages in one do not tell."""
    is_it = seen.grown > 0 and seen.metric == f"holder {suspect.holder}"
    return replace(suspect, growth="growing") if is_it and suspect.growth not in _DOES else suspect


def _aged(age_s: float, why: str) -> str:
    """That a census is an earlier one, and why there is no other."""
    if not age_s:
        return ""
    return f"; that was {format_duration(age_s)} before" + (f", since then: {why}" if why else "")


def verdict(
    transition: Transition,
    census: Census | None,
    suspect: SuspectLine | None,
    why_no_census: str = "",
) -> str:
    """What is said of the cause, in one sentence; that it is not known, where it is not."""
    if census is None:
        return f"{transition.observation.text}; what holds the memory is unknown: " + (
            why_no_census or "no census was taken"
        )
    if suspect is None:
        objects = format_size(census.objects_size)
        parts = sorted(census.memory.items(), key=lambda part: -part[1])[:2]
        named = " and ".join(f"{format_size(size)} {name}" for name, size in parts)
        return f"no holder stands out among {objects} of objects; the memory is {named}"
    holder = suspect.holder or f"{suspect.kind} objects that no variable holds"
    does = _DOES.get(suspect.growth, "holds more than anything else")
    return (
        f"{holder} {does}: {format_size(suspect.retained_size)}"
        f" ({format_share(suspect.share)} of all objects)"
    )
