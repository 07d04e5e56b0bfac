"""Refusals in the audit log: each kind of each peer once, then how often it came again.

Whoever is refused can ask a thousand times a second. The first is a line of its own; those that
follow are counted, and the count is a line once a minute. Of peers there may be many: beyond a
number of kinds in a minute, they are counted together.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from heapgraph.watch.audit.failures import AuditUnavailable
from heapgraph.watch.audit.record import Actor, Entry

if TYPE_CHECKING:
    from heapgraph.watch.audit.log import Audit

SUM_UP_S = 60.0

MAX_KINDS = 64
"""Lines of their own in a minute."""

_PATH_CHARACTERS = 128


class _Kind(NamedTuple):
    name: str
    status: int
    origin: str
    actor: Actor


@dataclass
class _Count:
    first: dict[str, Any]
    more: int = 0


_OTHERS = _Kind("others", 0, "", Actor("nobody"))


class Refusals:
    """Takes notes, and writes them from a task, so that a peer is not answered later for it.

    Args:
        log: the audit log.

    Attributes:
        total: refusals since the start.
    """

    def __init__(self, log: Audit) -> None:
        """Nothing was refused yet."""
        self._log = log
        self._counts: dict[_Kind, _Count] = {}
        self._pending: list[Entry] = []
        self._wake, self._writing = asyncio.Event(), asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self.total = 0

    def note(  # noqa: PLR0917 - all of it is the record
        self, name: str, status: int, origin: str, actor: Actor, method: str = "", path: str = ""
    ) -> None:
        """Note a refusal.

        Args:
            name: of the problem.
            status: of HTTP; 0 where none was sent.
            origin: from where.
            actor: who, as far as that is known.
            method: of the request.
            path: its beginning, and no query.
        """
        self.total += 1
        kind = _Kind(name, status, origin, actor)
        if kind not in self._counts and len(self._counts) >= MAX_KINDS:
            kind = _OTHERS
        if kind in self._counts:
            self._counts[kind].more += 1
            return
        about = {"method": method[:16], "path": path[:_PATH_CHARACTERS]} if method else {}
        self._counts[kind] = _Count(about)
        self._pending.append(_entry(kind, about))
        self._wake.set()

    def start(self) -> None:
        """Begin to write."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Write what is left, and end."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        self._sum_up()
        await self._write()

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        until = loop.time() + SUM_UP_S
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(until):
                    await self._wake.wait()
            self._wake.clear()
            if loop.time() >= until:
                self._sum_up()
                until = loop.time() + SUM_UP_S
            await asyncio.shield(self._write())

    def _sum_up(self) -> None:
        """Say how often each kind came again, and begin to count anew."""
        for kind, count in self._counts.items():
            if count.more:
                self._pending.append(_entry(kind, {**count.first, "times": count.more}))
        self._counts = {}

    async def _write(self) -> None:
        async with self._writing:  # whoever stops waits for what is being written
            pending, self._pending = self._pending, []
            for entry in pending:
                with contextlib.suppress(AuditUnavailable):  # it was refused all the same
                    await asyncio.to_thread(self._log.write, entry)


def _entry(kind: _Kind, about: dict[str, Any]) -> Entry:
    detail = {"problem": kind.name, "status": kind.status, **about}
    return Entry("http.refused", kind.actor, kind.origin, outcome="refused", detail=detail)
