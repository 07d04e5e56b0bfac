"""Sends alerts: keeps them until they have arrived, tries again, gives up, and says so."""

from __future__ import annotations

import asyncio
import os
import random
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from heapgraph.watch.actions.command import Run, run_command
from heapgraph.watch.actions.messages import body_of
from heapgraph.watch.actions.webhook import Answer, Try, send

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from heapgraph.watch.actions.spool import Message, Spool
    from heapgraph.watch.model import Alert
    from heapgraph.watch.settings.model import ActionSpec

FIRST_DELAY_S, DELAY_FACTOR, LONGEST_DELAY_S = 5.0, 6.0, 7200.0
"""Between tries: 5 s, 30 s, 3 min, 18 min, 108 min. Five retries outlast two hours without a
receiver; the first ones are for a restart of it."""

JITTER = 0.25
"""Share by which delays are made longer or shorter: daemons of many hosts must not come at once."""

MAX_COMMANDS, MAX_WAITING_COMMANDS = 4, 100

_LOOK_S = 0.05


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of a message, for metrics, log and audit.

    Attributes:
        action: its name.
        message_id: of the alert.
        outcome: "delivered", "retried", "given_up", "dropped" (for the spool's limits), "stopped"
            (the receiver wants no more), "unsaved" (it waits in memory only).
        detail: why; nothing secret is in it.
        attempt: which try it was; 0 for none.
    """

    action: str
    message_id: str
    outcome: str
    detail: str
    attempt: int = 0


class Outbox:
    """The messages of a daemon that wait, and the tasks that send them.

    One message of an action is sent at a time, and messages of one incident in their order. Methods
    are called in the thread of the event loop.

    Args:
        actions: of the settings.
        spool: where webhooks wait.
        report: told of every try and every end.
        clock: steady.
        chance: a number 0..1.
    """

    def __init__(
        self,
        actions: Sequence[ActionSpec],
        spool: Spool,
        report: Callable[[Delivery], None],
        *,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """Take over what the last daemon has left; nothing is sent before `run`."""
        self._actions = {one.name: one for one in actions}
        self._spool, self._report = spool, report
        self._clock, self._chance = clock, chance
        self._due: dict[int, float] = {}
        self._stopped: dict[str, object] = {}
        self._busy: dict[str, asyncio.Task[None]] = {}
        self._commands: set[asyncio.Task[None]] = set()
        self._free = asyncio.Semaphore(MAX_COMMANDS)
        self._wake = asyncio.Event()
        spool.dropped = self._dropped
        for message in spool.messages:
            if message.action in self._actions:
                self._due[message.number] = clock() + FIRST_DELAY_S * chance()
            else:
                self._end(message, "dropped", "no such action is in the settings any more")

    def add(self, alert: Alert, names: Iterable[str]) -> None:
        """Tell of an alert by some actions; names of heapgraph's own actions are passed over.

        Args:
            alert: what is told.
            names: of the rule.
        """
        for name in names:
            action = self._actions.get(name)
            if action is None:
                continue
            body = body_of(alert, action.format)
            if action.kind == "command":
                self._start_command(action, alert, body)
            elif self._has_stopped(action):
                self._say(name, alert.id, "stopped", "the receiver has answered 410")
            else:
                self._keep(action, alert, body)
        self._wake.set()

    def wake(self) -> None:
        """Look again at what is due."""
        self._wake.set()

    def next_due(self) -> float | None:
        """When the next message is tried, steady clock; None where none waits."""
        return min(self._due.values(), default=None)

    async def settle(self, within_s: float) -> None:
        """Wait until what is due has been tried; what has failed waits for its next try.

        Args:
            within_s: the longest time that this takes.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while tasks := self._unsettled():
                    await asyncio.wait(tasks, timeout=_LOOK_S)

    def _unsettled(self) -> list[asyncio.Future[None]]:
        """What sends now; one that never ends where something is due and not begun."""
        due = self.next_due()
        waits = due is not None and due <= self._clock()
        begins = [asyncio.get_running_loop().create_future()] if waits else []
        return [*self._busy.values(), *self._commands, *begins]

    async def run(self) -> None:
        """Send what is due, until this is cancelled; what waits then is on the disk."""
        try:
            while True:
                self._wake.clear()
                delay = self._start_due()
                try:
                    async with asyncio.timeout(delay):
                        await self._wake.wait()
                except TimeoutError:
                    continue
        finally:
            tasks = [*self._busy.values(), *self._commands]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _keep(self, action: ActionSpec, alert: Alert, body: bytes) -> None:
        waiting = ((one.id, one.action) for one in self._spool.messages)
        if (alert.id, action.name) in waiting:
            return  # a daemon that was killed had put it there
        try:
            message = self._spool.add(alert, action.name, body)
        except OSError as failure:
            message = self._spool.messages[-1]
            self._say(action.name, alert.id, "unsaved", failure.strerror or "unknown")
        self._due[message.number] = self._clock()

    def _start_due(self) -> float | None:
        """Begin to send what is due; seconds until something else is, None for nothing."""
        now = self._clock()
        soonest: float | None = None
        held: set[tuple[str, str]] = set()
        for message in self._spool.messages:
            order = message.action, message.incident
            if order in held:
                continue  # what was said before of the same incident goes first
            held.add(order)
            if message.action in self._busy:
                continue
            due = self._due.setdefault(message.number, now)
            if due <= now:
                task = asyncio.ensure_future(self._try(self._actions[message.action], message))
                self._busy[message.action] = task
            else:
                soonest = due if soonest is None else min(soonest, due)
        return None if soonest is None else soonest - now

    async def _try(self, action: ActionSpec, message: Message) -> None:
        try:
            result = await _sent(action, message)
            attempt = message.attempts + 1
            if result.answer is Answer.DELIVERED:
                self._end(message, "delivered", result.detail, attempt)
            elif result.answer is Answer.GONE:
                self._stopped[action.name] = _file_state(action)
                for other in self._spool.messages:
                    if other.action == action.name:
                        self._end(other, "stopped", result.detail, other.attempts + 1)
            elif attempt > action.retries:
                self._end(message, "given_up", result.detail, attempt)
            else:
                self._again(message, result.detail, result.retry_after_s)
        finally:
            del self._busy[action.name]
            self._wake.set()

    def _again(self, message: Message, detail: str, retry_after_s: float) -> None:
        try:
            again = self._spool.tried(message)
        except OSError as failure:
            detail = f"{detail}; the try could not be written down: {failure.strerror}"
            again = message
        if message.number not in self._due:
            return  # it had to go meanwhile
        delay = min(FIRST_DELAY_S * DELAY_FACTOR**message.attempts, LONGEST_DELAY_S)
        delay *= 1 + JITTER * (2 * self._chance() - 1)
        self._due[message.number] = self._clock() + max(delay, retry_after_s)
        self._say(again.action, again.id, "retried", detail, message.attempts + 1)

    def _end(self, message: Message, outcome: str, detail: str, attempt: int = 0) -> None:
        self._spool.remove(message)
        self._due.pop(message.number, None)
        self._say(message.action, message.id, outcome, detail, attempt)

    def _dropped(self, message: Message) -> None:
        self._due.pop(message.number, None)
        self._say(message.action, message.id, "dropped", "too many messages wait", message.attempts)

    def _has_stopped(self, action: ActionSpec) -> bool:
        """Whether its receiver has answered 410, and the address is the same since then."""
        if action.name not in self._stopped:
            return False
        if self._stopped[action.name] == _file_state(action):
            return True
        del self._stopped[action.name]
        return False

    def _start_command(self, action: ActionSpec, alert: Alert, body: bytes) -> None:
        """Run a program once: after a crash nobody knows what it has done already."""
        if len(self._commands) >= MAX_WAITING_COMMANDS:
            self._say(action.name, alert.id, "dropped", f"{len(self._commands)} wait already")
            return
        task = asyncio.ensure_future(self._command(action, alert, body))
        self._commands.add(task)
        task.add_done_callback(self._commands.discard)

    async def _command(self, action: ActionSpec, alert: Alert, body: bytes) -> None:
        async with self._free:
            try:
                result, is_cancelled = await _ran(action, body)
            except Exception as failure:  # noqa: BLE001 - such as no thread; nobody else would see
                why = f"it was not run, or not waited for: {type(failure).__name__}: {failure}"
                result, is_cancelled = Run(False, why), False
        outcome = "delivered" if result.succeeded else "given_up"
        self._say(action.name, alert.id, outcome, result.detail, 1)
        if is_cancelled:
            raise asyncio.CancelledError

    def _say(
        self, action: str, message_id: str, outcome: str, detail: str, attempt: int = 0
    ) -> None:
        self._report(Delivery(action, message_id, outcome, detail, attempt))


async def _ran(action: ActionSpec, body: bytes) -> tuple[Run, bool]:
    """Run a program beside the event loop; whether it was ended because the daemon ends."""
    stop = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
    try:
        running = asyncio.ensure_future(asyncio.to_thread(run_command, action, body, stop))
        try:
            return await asyncio.shield(running), False
        except asyncio.CancelledError:
            os.eventfd_write(stop, 1)
            return await running, True
    finally:
        os.close(stop)


async def _sent(action: ActionSpec, message: Message) -> Try:
    """One try; a defect of ours is a failed one, so that it is not tried for ever."""
    try:
        return await send(action, message.id, message.body)
    except Exception as failure:  # noqa: BLE001 - nobody else would see it
        return Try(Answer.FAILED, f"a defect in heapgraph: {type(failure).__name__}")


def _file_state(action: ActionSpec) -> object:
    """What changes when the file with the address does."""
    if action.url_file is None:
        return None
    try:
        state = action.url_file.stat()
    except OSError:
        return None
    return state.st_ino, state.st_mtime_ns, state.st_size
