"""The daemon: looks at its interval, counts when it is time, answers when rules fire."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from heapgraph.errors import HeapgraphError
from heapgraph.watch.audit.record import DAEMON
from heapgraph.watch.daemon.alerts import transition_in_words
from heapgraph.watch.daemon.budget import ROUTINE_SHARE, WINDOW_S
from heapgraph.watch.daemon.jobs import Asked
from heapgraph.watch.daemon.memory import keep_in_mind
from heapgraph.watch.rules.blind import BlindRules
from heapgraph.watch.seldom import Seldom
from heapgraph.watch.settings.first_lines import names_in_line

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from heapgraph.watch.daemon.budget import Refusal
    from heapgraph.watch.daemon.parts import Parts
    from heapgraph.watch.daemon.watcher import Seen
    from heapgraph.watch.model import Transition, WorkerName
    from heapgraph.watch.settings.model import WatchSettings

STATE_EVERY_S = 60.0
"""How often the state is written; what is told or done is written at once."""

_SPENT = {
    "cpu": "the rest is kept for rules: [watch] budget",
    "pause": "it is tried again when that is an hour old, or raise max_pause in [watch] budget",
}
"""Why censuses are left out for long, and what goes on meanwhile."""

MAX_WAITING = 100
"""Answers to rules that wait for their turn: while there are more, no census is begun for its
interval's sake."""


class Daemon:
    """Watches until it is told to stop.

    Args:
        settings: checked ones.
        parts: made of these (`parts.make_parts`).
        say: told what happens, one line each.
        clock: steady.
    """

    def __init__(
        self,
        settings: WatchSettings,
        parts: Parts,
        *,
        say: Callable[[str], None],
        clock: Callable[[], float],
    ) -> None:
        """Nothing runs yet."""
        self._settings = settings
        self._parts = parts
        self._say = say
        self._clock = clock
        self._seldom = Seldom(say, clock)
        self._stop = asyncio.Event()
        self._over = False
        self._answers: set[asyncio.Task[None]] = set()
        self._spent_said: dict[str, float] = {}
        self._counted: set[WorkerName] = set()
        self._saved_at = clock()
        self._unwritten = ""
        self._blind = BlindRules(settings.rules)
        parts.responder.remember = lambda: self.save(self._clock())

    def stop(self) -> None:
        """End after what is being done now is ended."""
        self._stop.set()

    async def run(self, ready: Callable[[], None] = lambda: None) -> None:
        """Watch until `stop`, or until every process that targets name by its pid has ended.

        All children have ended then, and the state is written.

        Args:
            ready: called after the first look.
        """
        for message_id, transition in self._parts.owed.items():
            self._start(self._parts.responder.answer(transition, message_id))
        for transition in self._parts.begun_with:
            self._answer(transition)
        try:
            self.look()
            self._say_who_is_missing()
            ready()
            next_look = self._clock()
            while not self._stop.is_set() and not (self._over and not self._answers):
                # At fixed moments; after a stop of the machine, or a look that took long, from now.
                next_look = max(next_look + self._settings.interval_s, self._clock())
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._stop.wait(), next_look - self._clock())
                    break
                self.look()
        finally:
            await self._end()

    def _say_who_is_missing(self) -> None:
        """Say which targets have no process: a text that matches nothing is easily written."""
        there = {name.target for name in self._parts.watcher.workers}
        missing = [one.name for one in self._settings.targets if one.name not in there]
        if missing:
            self._say(f"no process of these targets is there now: {names_in_line(missing)}")
        for text in self._parts.watcher.sampler.refused_in_words():
            self._say(text)

    def look(self) -> Seen:
        """One look at all targets, and what follows from it."""
        now = self._clock()
        seen = self._parts.watcher.look(now)
        for transition in seen.transitions:
            self._answer(transition)
        if any(transition.actions for transition in seen.transitions):
            self.save(now)  # what fired is owed before anything else can fail
        for why in sorted(set(seen.unknown.values())):
            self._seldom(f"what cannot be looked at now is unknown: {why}")
        for worker in seen.went:
            became = "runs another program now" if worker.key in seen.replaced else "has ended"
            self._say(f"{worker.name}: process {worker.key.pid} {became}")
            self._parts.forget(worker.name)
        for worker in seen.came:
            self._say(f"{worker.name}: process {worker.key.pid}, CPython {worker.python_version}")
        if not self._over and self._parts.watcher.sampler.is_over:
            self._over = True
            self._say("nothing is left to watch: every process that was named has ended")
        came = {worker.name for worker in seen.came}
        for line in self._blind.lines(one for one in seen.samples if one.worker in came):
            self._say(line)
        self._parts.record(seen)
        for transition in seen.transitions:
            self._say(transition_in_words(transition))
        self._count_those_due(now)
        self._parts.responder.telling.tell_news()
        if now - self._saved_at >= STATE_EVERY_S:
            self.save(now)
        return seen

    def save(self, now: float) -> None:
        """Write the state; that it cannot be written is said once, and is no reason to end."""
        parts = self._parts
        self._saved_at = now
        if parts.folder is None:
            return
        try:
            parts.check_place()
            keep_in_mind(
                parts.folder,
                now,
                slots=parts.watcher.sampler.slots(),
                engine=parts.watcher.engine,
                spending=parts.jobs.spending,
                incidents=parts.incidents,
                told=parts.responder.telling.told,
                unanswered=parts.responder.unanswered,
            )
            self._unwritten = ""
        except OSError as error:
            if self._unwritten != str(error.strerror):
                self._unwritten = str(error.strerror)
                self._say(f"the state is not kept: {parts.folder}: {error.strerror}")

    def _answer(self, transition: Transition) -> None:
        """Have it answered, beside the looks."""
        if not self._parts.dry_run and self._parts.responder.has_to_answer(transition):
            self._start(self._parts.responder.answer(transition))

    def _count_those_due(self, now: float) -> None:
        if self._parts.dry_run:
            return
        watcher = self._parts.watcher
        pending = watcher.engine.pending_workers()
        due = self._parts.schedule.due(now, watcher.workers, watcher.latest, pending)
        for name in due:
            if name in self._counted or len(self._answers) >= MAX_WAITING:
                continue
            worker = watcher.workers[name]
            values = watcher.latest[name].values
            refusal = self._parts.jobs.refusal("census", worker, values, share=ROUTINE_SHARE)
            if refusal is not None:
                self._parts.schedule.refused(name, now, refusal.retry_after_s)
                self._parts.responder.refused(refusal.reason)
                self._say_spent(name.target, refusal, now)
                continue
            self._parts.schedule.begun(name, now)
            self._counted.add(name)
            self._start(self._count(name))

    def _say_spent(self, target: str, refusal: Refusal, now: float) -> None:
        """Say once an hour that the budget is spent: no line says so of each census left out."""
        if refusal.reason not in _SPENT:
            return
        left_out = f"no census of {target}" if refusal.reason == "pause" else "fewer censuses"
        if now < self._spent_said.get(left_out, now):
            return
        self._spent_said[left_out] = now + WINDOW_S
        self._say(f"{left_out}: {refusal.text}; {_SPENT[refusal.reason]}")

    async def _count(self, name: WorkerName) -> None:
        try:
            worker = self._parts.watcher.workers.get(name)
            if worker is None:
                return
            found = await self._parts.responder.count(worker, Asked(DAEMON, "interval"))
            if isinstance(found, str):
                self._say(f"{name}: no census: {found}")
        finally:
            self._counted.discard(name)

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.ensure_future(work)
        self._answers.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._answers.discard(task)
        if task.cancelled():
            return
        self.save(self._clock())
        error = task.exception()
        if error is None:
            return
        if isinstance(error, HeapgraphError):
            self._say(": ".join(error.parts()[:2]))
        else:  # a defect of ours; the other rules go on
            self._say(f"an answer failed: {type(error).__name__}: {error}")

    async def _end(self) -> None:
        for task in list(self._answers):
            task.cancel()
        await asyncio.gather(*self._answers, return_exceptions=True)
        self.save(self._clock())
