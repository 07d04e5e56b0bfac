"""What the daemon knows, kept over a restart: workers, rules, incidents, what was spent."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from heapgraph.errors import HeapgraphError
from heapgraph.watch.daemon.unanswered import restored_transitions, saved_transitions
from heapgraph.watch.rules.saved_state import Moment, restore_engine, save_engine
from heapgraph.watch.sampling.process_handle import boot_id
from heapgraph.watch.store.state_file import load_state, save_state

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from heapgraph.watch.actions.incidents import Incidents
    from heapgraph.watch.daemon.budget import Spending
    from heapgraph.watch.daemon.responder import Responder
    from heapgraph.watch.model import Transition
    from heapgraph.watch.rules.engine import RuleEngine
    from heapgraph.watch.settings.model import WatchSettings


_DAMAGE = (TypeError, ValueError, AttributeError, KeyError, ArithmeticError)
"""What reading a document raises that was not written by `keep_in_mind`."""


@dataclass
class Remembered:
    """What an earlier daemon left.

    Attributes:
        document: its state file; empty where there is none.
        engine: the rules as it left them; None where there are none.
        transitions: of rules that ended meanwhile.
        problems: what could not be used, in words.
    """

    document: dict[str, Any] = field(default_factory=dict)
    engine: RuleEngine | None = None
    transitions: list[Transition] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def slots(self) -> dict[str, dict[int, int]]:
        """Places of workers: pids by target and slot. After another boot there are none."""
        found: dict[str, dict[int, int]] = {}
        if not self._is_of_this_boot():
            return found
        with suppress(*_DAMAGE):
            for target, pids in self.document.get("slots", {}).items():
                found[target] = {int(slot): int(pid) for slot, pid in pids.items()}
        return found

    def owed(self, now: float) -> dict[str, Transition]:
        """What an earlier daemon took up and did not do, by the id of its message.

        When that was is told by the clock of this boot: the time to tell it within goes on.

        Args:
            now: steady clock.
        """
        with suppress(*_DAMAGE):
            saved = float(self.document["steady"])
            shift_s = now - self._away_s(now) - saved
            if self._is_of_this_boot():
                shift_s = 0.0
            return restored_transitions(self.document["unanswered"], now, shift_s)
        return {}

    def restore(
        self, now: float, spending: Spending, incidents: Incidents, responder: Responder
    ) -> None:
        """Give each part its own again.

        Args:
            now: steady clock.
            spending: a new one, as the others.
            incidents: of the daemon.
            responder: of the daemon.
        """
        with suppress(*_DAMAGE):
            spending.restore(self.document["spending"], now, self._away_s(now))
        with suppress(*_DAMAGE):
            incidents.restore(self.document["incidents"], now)
        with suppress(*_DAMAGE):
            for incident, names in self.document["told"].items():
                responder.telling.told[str(incident)] = [str(name) for name in names]

    def _is_of_this_boot(self) -> bool:
        return bool(self.document.get("boot_id") == boot_id())

    def _away_s(self, now: float) -> float:
        """How long no daemon ran: by the steady clock, which no change of the time of day moves.

        After another boot it is by the time of day, which is all there is.
        """
        if self._is_of_this_boot() and "steady" in self.document:
            return max(0.0, now - float(self.document["steady"]))
        return max(0.0, time.time() - float(self.document["time_of_day"]))


def remember(folder: Path, settings: WatchSettings, now: float) -> Remembered:
    """Read what an earlier daemon left; what is damaged is said, and begun anew.

    Args:
        folder: of the store.
        settings: of today.
        now: steady clock.
    """
    document, problem = load_state(folder)
    found = Remembered(document, problems=[problem] if problem else [])
    if "rules" in document:
        try:
            found.engine, found.transitions = restore_engine(
                settings, document["rules"], Moment(now, time.time(), boot_id())
            )
        except HeapgraphError as error:
            found.problems.append(f"{error.what}: {error.cause}")
    return found


def keep_in_mind(
    folder: Path,
    now: float,
    *,
    slots: dict[str, dict[int, int]],
    engine: RuleEngine,
    spending: Spending,
    incidents: Incidents,
    told: dict[str, list[str]],
    unanswered: Mapping[str, Transition],
) -> None:
    """Write the state.

    Args:
        folder: of the store.
        now: steady clock.
        slots: pids by target and slot.
        engine: the rules.
        spending: the account.
        incidents: the open ones.
        told: actions by incident.
        unanswered: what was taken up and is not done, by the id of the message.

    Raises:
        OSError: the disk is full or read-only.

    Cost: some milliseconds, and as much for each hundred workers.
    """
    save_state(
        folder,
        {
            "boot_id": boot_id(),
            "steady": now,
            "time_of_day": time.time(),
            "slots": {
                target: {str(slot): pid for slot, pid in pids.items()}
                for target, pids in slots.items()
            },
            "rules": save_engine(engine, Moment(now, time.time(), boot_id())),
            "spending": spending.to_dict(now),
            "incidents": incidents.to_dict(now),
            "told": told,
            "unanswered": saved_transitions(unanswered),
        },
    )
