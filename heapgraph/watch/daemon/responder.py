"""What is done when a rule fires: it is found out who holds the memory, then the world is told."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from heapgraph.watch.daemon.alerts import make_alert, transition_in_words
from heapgraph.watch.daemon.counts import Counts, add
from heapgraph.watch.daemon.inquiry import CENSUS, REPORT, SNAPSHOT, Found, Inquiry, in_words
from heapgraph.watch.daemon.telling import Telling
from heapgraph.watch.model import RuleState

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from heapgraph.watch.actions.incidents import Incidents
    from heapgraph.watch.daemon.jobs import Asked, Jobs
    from heapgraph.watch.daemon.telling import Outbox
    from heapgraph.watch.daemon.watcher import Watcher
    from heapgraph.watch.model import Census, Transition, Worker, WorkerName


class Responder:
    """Does what transitions of rules ask for.

    Args:
        watcher: knows the workers.
        jobs: takes censuses and snapshots.
        incidents: says whether the world is to be told.
        outbox: where messages go.
        say: told what is done, one line each.
        clock: steady.
        tell_within_s: the world is told so long after a rule began to act, whatever is still being
            taken then, and whichever daemon it began under.

    Attributes:
        counts: what was done.
        telling: who was told of what.
        unanswered: what was taken up and is not done, by the id of the message that will tell.
        observe_census: shown each census, before the rules are.
        remember: called when more is owed, or was told what is not done: it is to be written down.
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
        tell_within_s: float,
    ) -> None:
        """Nothing was done yet."""
        self._watcher = watcher
        self._incidents = incidents
        self._say = say
        self._clock = clock
        self.counts = Counts()
        self._inquiry = Inquiry(
            watcher=watcher, jobs=jobs, counts=self.counts, say=say, clock=clock
        )
        self.telling = Telling(incidents, outbox, say, clock)
        self.unanswered: dict[str, Transition] = {}
        self.observe_census: Callable[[Census], None] = lambda _census: None
        self.remember: Callable[[], None] = lambda: None
        self._tell_within_s = tell_within_s
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

    async def count(self, worker: Worker, asked: Asked) -> Census | str:
        """Take a census and ask the rules about it.

        Returns:
            The census, or why there is none.
        """
        census = await self._inquiry.count(worker, asked)
        if isinstance(census, str):
            return census
        self.observe_census(census)
        transitions = self._watcher.take_census(census)
        work = [self.answer(one) for one in transitions if self.has_to_answer(one)]
        if work:
            self.remember()
        for transition in transitions:
            self._say(transition_in_words(transition))
        try:
            while work:
                await work.pop(0)
        finally:
            for one in work:  # cancelled: they stay owed
                one.close()
        return census

    def refused(self, reason: str) -> None:
        """Something was not begun because of what it would cost."""
        add(self.counts.refusals, reason)

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

    async def _fire(self, transition: Transition, message_id: str, *, is_late: bool) -> None:
        """Tell when all is found out; at the bound what is known by then, the rest as it comes."""
        noted: list[Found] = []
        told: list[Found] = []

        def note(found: Found) -> None:
            noted.append(found)
            if told and found.awaited != told[-1].awaited:
                tell(found)

        def tell(found: Found) -> None:
            told.append(found)
            self._tell(transition, found, message_id)

        work = asyncio.ensure_future(
            self._inquiry.find_out(transition, self.count, note, is_late=is_late)
        )
        try:
            left_s = transition.at + self._tell_within_s - self._clock()
            await asyncio.wait({work}, timeout=max(0.0, left_s))
            if work.done():
                tell(await self._found(work, noted))
                return
            tell(self._inquiry.so_far(transition, noted[-1]))
            self.remember()
            found = await self._found(work, noted)
            if found.awaited != told[-1].awaited:
                tell(found)
        finally:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)

    async def _found(self, work: asyncio.Task[Found], noted: Sequence[Found]) -> Found:
        """What was found out; where that failed, what was known before, and why it is no more."""
        try:
            return await work
        except Exception as error:  # noqa: BLE001 - a page that says "unknown" beats none
            why = in_words(error)
            self._say(f"what holds the memory was not found out: {why}")
            if not noted:
                return Found(None, why)
            last = noted[-1]
            return replace(
                last,
                why_no_census=why if CENSUS in last.awaited else last.why_no_census,
                refused=why if SNAPSHOT in last.awaited else last.refused,
                awaited=(),
            )

    def _tell(self, transition: Transition, found: Found, message_id: str) -> None:
        sample = self._watcher.latest.get(transition.worker)
        alert = make_alert(
            transition,
            found.census,
            message_id=message_id,
            status="firing",
            seconds_to_limit=None if sample is None else sample.values.get("seconds_to_limit"),
            snapshot=found.snapshot,
            snapshot_refused=found.refused,
            awaited=found.awaited,
            why_no_census=found.why_no_census,
            age_s=found.age_s,
            began=self._time_of_day(transition.at),
            pid=found.pid,
        )
        awaited = f" ({' and '.join(found.awaited)}: still being taken)" if found.awaited else ""
        self._say(f"{transition.worker}: {alert.verdict}{awaited}")
        told = [name for name in transition.actions if name not in (SNAPSHOT, CENSUS, REPORT)]
        self.telling.fire(alert, told)

    def _resolve(self, transition: Transition, message_id: str) -> None:
        alert = make_alert(
            transition,
            self._watcher.censuses.get(transition.worker),
            message_id=message_id,
            status="resolved",
            seconds_to_limit=None,
            began=self._time_of_day(transition.at),
        )
        self.telling.resolve(alert)
        self._done(message_id)

    def _done(self, message_id: str) -> None:
        self.unanswered.pop(message_id, None)

    def _time_of_day(self, at: float) -> datetime:
        """A moment of the steady clock for people."""
        return datetime.now(UTC) - timedelta(seconds=max(0.0, self._clock() - at))


def _begins(transition: Transition) -> bool:
    """A rule fires and is to act."""
    return transition.new is RuleState.FIRING and bool(transition.actions)


def _ends(transition: Transition) -> bool:
    """A rule does not fire any more."""
    return transition.old is RuleState.FIRING and transition.new is not RuleState.FIRING
