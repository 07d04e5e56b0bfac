"""Messages on their way out: programs are written down before they run, ends of all are told."""

from __future__ import annotations

from collections import Counter, OrderedDict
from typing import TYPE_CHECKING

from heapgraph.watch.audit.failures import AuditUnavailable
from heapgraph.watch.audit.log import NoLog
from heapgraph.watch.audit.record import Actor, Entry

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from heapgraph.watch.actions.outbox import Delivery, Outbox
    from heapgraph.watch.audit.log import Act, Audit
    from heapgraph.watch.model import Alert
    from heapgraph.watch.settings.model import ActionSpec


MOST_KNOWN = 1000
"""Messages of which the log says what they told; of earlier ones it has the id."""


class Deliveries:
    """Stands between rules and the outbox.

    Args:
        actions: of the settings.
        say: told of each try and each end, one line.

    Attributes:
        audit: what is not written there is not done.
        outbox: takes the messages; None: nothing is told.
        counts: deliveries by action and outcome.
    """

    def __init__(self, actions: Sequence[ActionSpec], say: Callable[[str], None]) -> None:
        """Nothing was told yet."""
        self._commands = {one.name for one in actions if one.kind == "command"}
        self.audit: Audit = NoLog()
        self._say = say
        self.counts: Counter[tuple[str, str]] = Counter()
        self.outbox: Outbox | None = None
        self._begun: dict[tuple[str, str], Act] = {}
        self._about: OrderedDict[str, str] = OrderedDict()

    def add(self, alert: Alert, names: Sequence[str]) -> None:
        """Take a message for some actions."""
        self._about[alert.id] = f"{alert.worker} {alert.rule} {alert.status}"
        while len(self._about) > MOST_KNOWN:
            self._about.popitem(last=False)
        allowed = [name for name in names if self._may(alert, name)]
        if self.outbox is not None:
            self.outbox.add(alert, allowed)

    def report(self, delivery: Delivery) -> None:
        """Write down what became of a message."""
        self.counts[delivery.action, delivery.outcome] += 1
        about = self._about.get(delivery.message_id, f"message {delivery.message_id}")
        again = f" at try {delivery.attempt}" if delivery.attempt > 1 else ""
        self._say(f"{delivery.action}: {delivery.outcome}{again}: {delivery.detail} ({about})")
        detail = {"id": delivery.message_id, "attempt": delivery.attempt}
        act = self._begun.pop((delivery.action, delivery.message_id), None)
        try:
            if act is not None:
                act.end(delivery.outcome, detail)
            else:
                actor = Actor("rule", delivery.action)
                self.audit.write(Entry("message", actor, outcome=delivery.outcome, detail=detail))
        except AuditUnavailable as error:
            self._say(f"{delivery.action}: {delivery.outcome}, not written down: {error}")

    def _may(self, alert: Alert, name: str) -> bool:
        """Whether a program may run: once it is written down that it will."""
        if name not in self._commands:
            return True
        detail = {"id": alert.id, "command": name}
        try:
            act = self.audit.begin(Entry("command", Actor("rule", alert.rule), detail=detail))
        except AuditUnavailable as error:
            self.counts[name, "refused"] += 1
            self._say(f"{name} is not run: it cannot be written down: {error}")
            return False
        self._begun[name, alert.id] = act
        return True
