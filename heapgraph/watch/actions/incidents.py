"""One fingerprint is one incident, over workers, hosts and releases: what is said, and how often.

Four workers of a service leak by the same line, on three hosts, before and after a deployment:
that is one thing to be repaired. The id of an incident is made from the fingerprint alone, so that
daemons that know nothing of each other give it the same one.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from heapgraph.watch.actions.stored_alert import alert_from_dict, worker_from_dict
from heapgraph.watch.model import ENDINGS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from heapgraph.watch.model import Alert, WorkerName

RESEND_S = 1800.0
"""An incident that others join is told again after so long, not before."""

MAX_INCIDENTS = 500
"""Open at once; of more, the one that was told of longest ago is forgotten."""

MAX_MEMBERS = 1000

_Member = tuple[str, "WorkerName"]
"""A rule that fires, and for whom."""


@dataclass
class _Incident:
    """What is open. `told_at` is steady; `is_news` says that somebody joined since then.

    Of those in `promised` it was told while something was still being taken for them. `told` has
    all workers of messages, also those that have left: the last message ends it for them as well.
    """

    alert: Alert
    told_at: float
    is_news: bool = False
    members: dict[_Member, None] = field(default_factory=dict)
    promised: dict[_Member, None] = field(default_factory=dict)
    told: dict[WorkerName, None] = field(default_factory=dict)

    def tell(self) -> Alert:
        """Its alert is sent."""
        for worker in (self.alert.worker, *self.alert.others):
            if len(self.told) < MAX_MEMBERS:
                self.told[worker] = None
        return self.alert


class Incidents:
    """The open incidents of a daemon. A pure state: every moment is given.

    Args:
        resend_s: time between two messages of one incident while others join it.
        new_id: makes the id of a message.

    Attributes:
        damaged: those that an earlier daemon had and that could not be restored.
    """

    def __init__(
        self,
        resend_s: float = RESEND_S,
        new_id: Callable[[], str] = lambda: secrets.token_hex(16),
    ) -> None:
        """Nothing is open."""
        self._resend_s = resend_s
        self._new_id = new_id
        self._open: dict[str, _Incident] = {}
        self.damaged = 0

    def __len__(self) -> int:
        """How many are open."""
        return len(self._open)

    def joined(self, alert: Alert) -> Alert | None:
        """What is open for the cause of an alert, as it was told last; None where nothing is."""
        incident = self._open.get(incident_key(alert))
        return None if incident is None else incident.alert

    def has(self, rule: str, worker: WorkerName) -> bool:
        """Whether a rule that fires for a worker is in an open incident."""
        return any((rule, worker) in incident.members for incident in self._open.values())

    def promised(self, alert: Alert) -> bool:
        """Whether it was told, of this rule and worker, that more would be."""
        member = alert.rule, alert.worker
        return any(member in incident.promised for incident in self._open.values())

    def promise(self, alert: Alert) -> None:
        """It was told that something is still being taken: what comes of it is told at once."""
        incident = self._open.get(incident_key(alert))
        if alert.awaited and incident is not None:
            incident.promised[alert.rule, alert.worker] = None

    def fire(self, alert: Alert, now: float) -> list[Alert]:
        """A rule fires for a worker.

        Args:
            alert: of `make_alert`.
            now: steady clock.

        Returns:
            What is to be sent: the alert with its incident, or nothing where the incident is known
            and was told of not long ago, and no more was promised. And before it the end of
            another incident, where this worker was the last one of that and the cause is now known
            to be this.
        """
        key = incident_key(alert)
        ended = self._leave(alert, goes_on_as=key)
        incident = self._open.get(key)
        if incident is None:
            incident = self._open[key] = _Incident(alert, now)
            incident.members[alert.rule, alert.worker] = None
            incident.alert = replace(alert, incident=key, opened_by=alert.rule)
            self._forget_oldest()
            self.promise(alert)
            return [*ended, incident.tell()]
        member = alert.rule, alert.worker
        incident.is_news = incident.is_news or member not in incident.members
        if len(incident.members) < MAX_MEMBERS:
            incident.members[member] = None
        first = incident.alert
        incident.alert = replace(
            alert, incident=key, started=first.started, opened_by=first.opened_by
        )
        if member in incident.promised and not alert.awaited:
            del incident.promised[member]
            incident.told_at, incident.is_news = now, False
            incident.alert = replace(incident.alert, others=_others(incident))
            return [*ended, incident.tell()]
        told = self._told(incident, now)
        if told:
            self.promise(alert)
        return [*ended, *told]

    def resolve(self, alert: Alert) -> list[Alert]:
        """A rule does not fire any more for a worker.

        Args:
            alert: of `make_alert`, with status "resolved".

        Returns:
            The alert with its incident where nobody is left in that, else nothing.
        """
        return self._leave(alert)

    def due(self, now: float) -> list[Alert]:
        """Messages of incidents that others have joined since the last one, where it is time.

        Args:
            now: steady clock.
        """
        messages: list[Alert] = []
        for incident in self._open.values():
            if incident.is_news:
                messages += self._told(incident, now)
        return messages

    def to_dict(self, now: float) -> dict[str, Any]:
        """The state as JSON has it; times are ages, since the steady clock begins anew."""
        return {
            "incidents": [
                {
                    "alert": asdict(one.alert),
                    "told_s_ago": now - one.told_at,
                    "is_news": one.is_news,
                    "members": _saved(one.members),
                    "promised": _saved(one.promised),
                    "told": [asdict(worker) for worker in one.told],
                }
                for one in self._open.values()
            ]
        }

    def restore(self, state: Mapping[str, Any], now: float) -> None:
        """Go on where `to_dict` was; what is damaged in it is left out."""
        for row in list(state.get("incidents", ()))[:MAX_INCIDENTS]:
            try:
                alert = alert_from_dict(row["alert"])
                members = _restored(row["members"])
                promised = _restored(row.get("promised", []))
                told = [worker_from_dict(one) for one in row.get("told", [])[:MAX_MEMBERS]]
                told_at = now - max(0.0, float(row["told_s_ago"]))
                self._open[alert.incident] = _Incident(
                    alert, told_at, bool(row["is_news"]), members, promised, dict.fromkeys(told)
                )
            except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
                self.damaged += 1

    def _told(self, incident: _Incident, now: float) -> list[Alert]:
        """The incident's latest alert, if it may be told again."""
        if now - incident.told_at < self._resend_s:
            return []
        incident.told_at, incident.is_news = now, False
        incident.alert = replace(
            incident.alert, id=self._new_id(), others=_others(incident), status="firing"
        )
        return [incident.tell()]

    def _leave(self, alert: Alert, *, goes_on_as: str = "") -> list[Alert]:
        """Take a worker out of the incidents it is in, but this; what of these has ended."""
        ended = []
        for key, incident in list(self._open.items()):
            if key == goes_on_as or (alert.rule, alert.worker) not in incident.members:
                continue
            del incident.members[alert.rule, alert.worker]
            incident.promised.pop((alert.rule, alert.worker), None)
            if not incident.members:
                del self._open[key]
                message = alert if alert.status == "resolved" else incident.alert
                goes_on = f"it goes on as incident {goes_on_as}: {alert.verdict}"
                ended.append(
                    replace(
                        message,
                        id=self._new_id(),
                        incident=key,
                        status="resolved",
                        started=incident.alert.started,
                        created=alert.created,
                        opened_by=incident.alert.opened_by,
                        others=tuple(sorted(set(incident.told) - {message.worker})),
                        suspect=message.suspect or incident.alert.suspect,
                        snapshot=alert.snapshot or incident.alert.snapshot,
                        awaited=(),
                        verdict=goes_on if goes_on_as else message.verdict,
                        merged_into=goes_on_as,
                    )
                )
        return ended

    def _forget_oldest(self) -> None:
        while len(self._open) > MAX_INCIDENTS:
            del self._open[min(self._open, key=lambda key: self._open[key].told_at)]


def _others(incident: _Incident) -> tuple[WorkerName, ...]:
    """Further workers in it."""
    return tuple(sorted({worker for _, worker in incident.members} - {incident.alert.worker}))


def _saved(members: Mapping[_Member, None]) -> list[dict[str, Any]]:
    return [{"rule": rule, "worker": asdict(worker)} for rule, worker in members]


def _restored(rows: list[Mapping[str, Any]]) -> dict[_Member, None]:
    """The inverse.

    Raises:
        KeyError, TypeError, ValueError, AttributeError: they were not written by that.
    """
    return {(str(one["rule"]), worker_from_dict(one["worker"])): None for one in rows[:MAX_MEMBERS]}


def incident_key(alert: Alert) -> str:
    """The fingerprint of the cause; where that is not known, one of the rule and the target.

    That a process has ended is news, also where its leak is told already.
    """
    has_ended = alert.observation.metric in ENDINGS
    if alert.suspect is not None and alert.suspect.fingerprint and not has_ended:
        return alert.suspect.fingerprint
    text = f"{alert.rule}\n{alert.worker.target}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]
