"""Who is told of what: messages of incidents, to the actions that rules have named."""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from heapgraph.watch.actions.incidents import Incidents
    from heapgraph.watch.model import Alert


class Outbox(Protocol):
    """Where messages go."""

    def add(self, alert: Alert, names: Sequence[str]) -> None:
        """Take a message for some actions, to be sent as soon as it can be."""


class Telling:
    """Tells the world of incidents.

    Args:
        incidents: says whether the world is to be told.
        outbox: where messages go.
        say: told what is done, one line each.
        clock: steady.

    Attributes:
        told: the actions that were told of an incident: they are told of its end, too.
    """

    def __init__(
        self,
        incidents: Incidents,
        outbox: Outbox,
        say: Callable[[str], None],
        clock: Callable[[], float],
    ) -> None:
        """Nobody was told of anything yet."""
        self._incidents = incidents
        self._outbox = outbox
        self._say = say
        self._clock = clock
        self.told: dict[str, list[str]] = {}

    def fire(self, alert: Alert, names: Sequence[str]) -> None:
        """Tell that a rule fires.

        Args:
            alert: of `make_alert`.
            names: actions of the rule.
        """
        if self._incidents.promised(alert):  # what told of it first has had the id
            alert = replace(alert, id=secrets.token_hex(16))
        self._tell(self._incidents.fire(alert, self._clock()), names)
        self._tell_untold(alert, names)

    def resolve(self, alert: Alert) -> None:
        """Tell that a rule does not fire any more, where that ends an incident."""
        self._tell(self._incidents.resolve(alert), ())

    def tell_news(self) -> None:
        """Tell again of incidents that others have joined, where it is time."""
        self._tell(self._incidents.due(self._clock()), ())

    def _tell_untold(self, alert: Alert, names: Sequence[str]) -> None:
        """Tell at once by the actions of a rule that know nothing of the incident it joins."""
        joined = self._incidents.joined(alert)
        if joined is None:
            return
        known = self.told.setdefault(joined.incident, [])
        untold = [name for name in names if name not in known]
        if untold:
            known += untold
            self._outbox.add(replace(joined, id=alert.id), untold)
            self._incidents.promise(alert)
        elif joined.id != alert.id:
            self._say(f"{alert.worker}: joins incident {joined.incident}, of which is known")

    def _tell(self, messages: Sequence[Alert], actions: Sequence[str]) -> None:
        """Send messages to the actions of a rule, and to all that know of the incident."""
        for message in messages:
            known = self.told.setdefault(message.incident, [])
            if message.status == "firing":
                known += [name for name in actions if name not in known]
            self._outbox.add(message, tuple(known))
            if message.status == "resolved":
                del self.told[message.incident]
