"""What rules asked for and was not done yet, as the state keeps it: the next daemon owes it."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from heapgraph.watch.actions.stored_alert import worker_from_dict
from heapgraph.watch.model import Observation, RuleState, Transition

if TYPE_CHECKING:
    from collections.abc import Mapping

MOST = 1000


def saved_transitions(owed: Mapping[str, Transition]) -> dict[str, Any]:
    """Transitions as JSON has them.

    Args:
        owed: by the id of the message that will tell of each.
    """
    return {message_id: asdict(one) for message_id, one in owed.items()}


def restored_transitions(
    state: Mapping[str, Any], now: float, shift_s: float
) -> dict[str, Transition]:
    """The inverse; what is damaged is left out.

    Args:
        state: of `saved_transitions`.
        now: steady clock; nothing was taken up later.
        shift_s: of the steady clock since it was saved: 0 in the same boot.
    """
    found = {}
    for message_id, row in list(state.items())[:MOST]:
        try:
            found[str(message_id)] = _transition(row, now, shift_s)
        except (KeyError, TypeError, ValueError, OverflowError):
            continue
    return found


def _transition(row: Mapping[str, Any], now: float, shift_s: float) -> Transition:
    seen, at = row["observation"], float(row["at"]) + shift_s
    if not math.isfinite(at):
        raise ValueError(at)
    return Transition(
        rule=str(row["rule"]),
        worker=worker_from_dict(row["worker"]),
        old=RuleState(row["old"]),
        new=RuleState(row["new"]),
        at=min(now, at),
        observation=Observation(
            metric=str(seen["metric"]),
            value=float(seen["value"]),
            limit=float(seen["limit"]),
            times=int(seen["times"]),
            text=str(seen["text"]),
        ),
        actions=tuple(map(str, row["actions"])),
        withheld=str(row["withheld"]),
    )
