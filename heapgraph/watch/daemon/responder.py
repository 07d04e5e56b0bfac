"""What is done when a rule fires: first a census, then a snapshot, then the world is told."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Protocol

from heapgraph.errors import HeapgraphError
from heapgraph.watch.audit.record import Actor, Reason
from heapgraph.watch.daemon.alerts import make_alert, transition_in_words
from heapgraph.watch.daemon.counts import Counts, add
from heapgraph.watch.daemon.jobs import Asked, JobRefused
from heapgraph.watch.model import RuleState

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from heapgraph.watch.actions.incidents import Incidents
    from heapgraph.watch.daemon.jobs import Jobs
    from heapgraph.watch.daemon.watcher import Watcher
    from heapgraph.watch.model import Alert, Census, Transition, Worker, WorkerName

EXIT = "exit"
"""The event after which there is nobody to look at."""

SNAPSHOT, CENSUS, REPORT = "snapshot", "census", "report"
"""What a rule can ask for besides the actions of the settings."""

INTERRUPTED = "the daemon ended before it was whole; it is not tried again by itself"
"""Why there is no snapshot where an earlier daemon was to take it: it may have been its end."""

FRESH_S = 10.0
"""A census that is not older is not taken again: what is told are the numbers of now."""


class Outbox(Protocol):
    """Where messages go."""

    def add(self, alert: Alert, names: Sequence[str]) -> None:
        """Take a message for some actions, to be sent as soon as it can be."""


@dataclass(frozen=True)
class Found:
    """What is known when the world is to be told.

    Attributes:
        census: the latest of the process; None where there is none.
        why_no_census: why there is none, or none that is fresh.
        age_s: how old it was, where it is not fresh.
        pid: of the process, 0 where it has ended.
        snapshot: id in the store.
        refused: why there is none.
    """

    census: Census | None
    why_no_census: str
    age_s: float = 0.0
    pid: int = 0
    snapshot: str = ""
    refused: str = ""


class Responder:
    """Does what transitions of rules ask for.

    Args:
        watcher: knows the workers.
        jobs: takes censuses and snapshots.
        incidents: says whether the world is to be told.
        outbox: where messages go.
        say: told what is done, one line each.
        clock: steady.

    Attributes:
        counts: what was done.
        told: the actions that were told of an incident: they are told of its end, too.
        unanswered: what was taken up and is not done, by the id of the message that will tell.
        observe_census: shown each census, before the rules are.
    """

    def __init__(
        self,
        *,
        watcher: Watcher,
        jobs: Jobs,
        incidents: Incidents,
        outbox: Outbox,
        say: Callable[[str], None],
        clock: Callable[[], float],
    ) -> None:
        """Nothing was done yet."""
        self._watcher = watcher
        self._jobs = jobs
        self._incidents = incidents
        self._outbox = outbox
        self._say = say
        self._clock = clock
        self.counts = Counts()
        self.told: dict[str, list[str]] = {}
        self.unanswered: dict[str, Transition] = {}
        self.observe_census: Callable[[Census], None] = lambda _census: None
        self._firing: dict[tuple[str, WorkerName], list[tuple[Transition, str]]] = {}

    def answer(self, transition: Transition, earlier_id: str = "") -> Coroutine[None, None, None]:
        """Take up what a rule asks for; what is returned does it.

        A failure is said, and never ends the daemon. Until it is done, it is in `unanswered`, and
        stays there when it is cancelled: the next daemon owes it then.

        Args:
            transition: of the rule.
            earlier_id: of the message by which an earlier daemon, which ended meanwhile, was to
                tell of it. It may have done so: with the same id nobody takes it for another one.
        """
        message_id = earlier_id or secrets.token_hex(16)
        self.unanswered[message_id] = transition
        if _begins(transition):
            self._firing.setdefault((transition.rule, transition.worker), [])
        return self._answer(transition, message_id, is_late=bool(earlier_id))

    def has_to_answer(self, transition: Transition) -> bool:
        """Whether a change leads to anything: a rule is to act, or what was told is over."""
        place = transition.rule, transition.worker
        return _begins(transition) or (
            _ends(transition) and (place in self._firing or self._incidents.has(*place))
        )

    async def _answer(self, transition: Transition, message_id: str, *, is_late: bool) -> None:
        place = transition.rule, transition.worker
        if _begins(transition):
            over = self._firing.setdefault(place, [])
            try:
                await self._fire(transition, message_id, is_late=is_late)
            except asyncio.CancelledError:
                raise
            except BaseException:
                self._done(message_id)
                raise
            finally:
                self._firing.pop(place, None)
            self._done(message_id)
            for end, end_id in over:
                self._resolve(end, end_id)
        elif _ends(transition):
            if place in self._firing:  # it is over before the world was told that it began
                self._firing[place].append((transition, message_id))
            else:
                self._resolve(transition, message_id)
        else:
            self._done(message_id)

    async def count(self, worker: Worker, asked: Asked) -> Census | str:
        """Take a census and ask the rules about it.

        Returns:
            The census, or why there is none.
        """
        values = self._values(worker)
        try:
            census = await self._jobs.census(worker, values, asked)
        except JobRefused as error:
            add(self.counts.refusals, error.refusal.reason)
            return error.cause
        except (HeapgraphError, OSError) as error:
            add(self.counts.censuses, "failed")
            return _in_words(error)
        add(self.counts.censuses, "done")
        self.counts.pauses.append(census.pause_ms)
        self.observe_census(census)
        for transition in self._watcher.take_census(census):
            self._say(transition_in_words(transition))
            if self.has_to_answer(transition):
                await self.answer(transition)
        return census

    async def _fire(self, transition: Transition, message_id: str, *, is_late: bool) -> None:
        found = await self._find_out(transition, is_late=is_late)
        sample = self._watcher.latest.get(transition.worker)
        alert = make_alert(
            transition,
            found.census,
            message_id=message_id,
            status="firing",
            seconds_to_limit=None if sample is None else sample.values.get("seconds_to_limit"),
            snapshot=found.snapshot,
            snapshot_refused=found.refused,
            why_no_census=found.why_no_census,
            age_s=found.age_s,
            began=self._time_of_day(transition.at),
            pid=found.pid,
        )
        self._say(f"{transition.worker}: {alert.verdict}")
        told = [name for name in transition.actions if name not in (SNAPSHOT, CENSUS, REPORT)]
        self._tell(self._incidents.fire(alert, self._clock()), told)
        self._tell_untold(alert, message_id, told)

    async def _find_out(self, transition: Transition, *, is_late: bool) -> Found:
        """Take what a rule asks for, the census first: should a snapshot fail, there is an answer.

        Of a process that has ended there is its last census; its place may have another one now.
        """
        worker = self._watcher.workers.get(transition.worker)
        if transition.observation.metric == EXIT or worker is None:
            census = self._watcher.ended.get(transition.worker)
            age = 0.0 if census is None else max(0.0, transition.at - census.taken_at)
            ended = "its process has ended"
            refused = ended if SNAPSHOT in transition.actions else ""
            return Found(census, ended, age, refused=refused)
        reason = Reason.of(transition.observation)
        asked = Asked(Actor("rule", transition.rule), transition.rule, reason=reason)
        census, why_not = await self._census(worker, asked)
        age = 0.0 if census is None or not why_not else self._clock() - census.taken_at
        snapshot, refused = "", ""
        if SNAPSHOT in transition.actions and is_late:
            refused = INTERRUPTED
        elif SNAPSHOT in transition.actions:
            snapshot, refused = await self._snapshot(worker, asked)
        if REPORT in transition.actions and snapshot:
            await self._report(snapshot)
        return Found(census, why_not, age, worker.key.pid, snapshot, refused)

    def _tell_untold(self, alert: Alert, message_id: str, names: Sequence[str]) -> None:
        """Tell at once by the actions of a rule that know nothing of the incident it joins."""
        joined = self._incidents.joined(alert)
        if joined is None:
            return
        known = self.told.setdefault(joined.incident, [])
        untold = [name for name in names if name not in known]
        if untold:
            known += untold
            self._outbox.add(replace(joined, id=message_id), untold)
        elif joined.id != message_id:
            self._say(f"{alert.worker}: joins incident {joined.incident}, of which is known")

    def _time_of_day(self, at: float) -> datetime:
        """A moment of the steady clock for people."""
        return datetime.now(UTC) - timedelta(seconds=max(0.0, self._clock() - at))

    def _resolve(self, transition: Transition, message_id: str) -> None:
        alert = make_alert(
            transition,
            self._watcher.censuses.get(transition.worker),
            message_id=message_id,
            status="resolved",
            seconds_to_limit=None,
            began=self._time_of_day(transition.at),
        )
        self._tell(self._incidents.resolve(alert), ())
        self._done(message_id)

    def _done(self, message_id: str) -> None:
        self.unanswered.pop(message_id, None)

    def refused(self, reason: str) -> None:
        """Something was not begun because of what it would cost."""
        add(self.counts.refusals, reason)

    def tell_news(self) -> None:
        """Tell again of incidents that others have joined, where it is time."""
        self._tell(self._incidents.due(self._clock()), ())

    def _tell(self, messages: Sequence[Alert], actions: Sequence[str]) -> None:
        """Send messages to the actions of a rule, and to all that know of the incident."""
        for message in messages:
            known = self.told.setdefault(message.incident, [])
            if message.status == "firing":
                known += [name for name in actions if name not in known]
            self._outbox.add(message, tuple(known))
            if message.status == "resolved":
                del self.told[message.incident]

    async def _census(self, worker: Worker, asked: Asked) -> tuple[Census | None, str]:
        """A census that is fresh, or why there is none, with an earlier one of the process."""
        known = self._watcher.censuses.get(worker.name)
        if known is not None and self._clock() - known.taken_at <= FRESH_S:
            return known, ""
        found = await self.count(worker, asked)
        if not isinstance(found, str):
            return found, ""
        is_same = known is not None and known.key == worker.key
        return (known if is_same else None), found

    async def _snapshot(self, worker: Worker, asked: Asked) -> tuple[str, str]:
        """The id of a snapshot in the store, or why there is none."""
        try:
            stored = await self._jobs.snapshot(worker, self._values(worker), asked)
        except JobRefused as error:
            add(self.counts.refusals, error.refusal.reason)
            add(self.counts.snapshots, "refused")
            return "", error.cause
        except (HeapgraphError, OSError) as error:
            add(self.counts.snapshots, "failed")
            return "", _in_words(error)
        add(self.counts.snapshots, "done")
        self.counts.pauses.append(stored.pause_ms)
        self._say(f"{worker.name}: snapshot {stored.id}")
        return stored.id, ""

    async def _report(self, snapshot: str) -> None:
        try:
            await self._jobs.report(snapshot)
        except (HeapgraphError, OSError, TimeoutError) as error:
            self._say(f"no report of {snapshot}: {error}")

    def _values(self, worker: Worker) -> dict[str, float]:
        sample = self._watcher.latest.get(worker.name)
        return {} if sample is None else dict(sample.values)


def _begins(transition: Transition) -> bool:
    """A rule fires and is to act."""
    return transition.new is RuleState.FIRING and bool(transition.actions)


def _ends(transition: Transition) -> bool:
    """A rule does not fire any more."""
    return transition.old is RuleState.FIRING and transition.new is not RuleState.FIRING


def _in_words(error: HeapgraphError | OSError) -> str:
    if isinstance(error, HeapgraphError):
        return ": ".join(filter(None, (error.what, error.cause)))
    return str(error.strerror or error)
