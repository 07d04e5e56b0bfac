"""Connections: how many, and how long one may take to send a request.

aiohttp reads requests, and has limits on their sizes. It waits for the end of a request as long as
the peer likes, so that a few hundred peers that send a byte a minute would have all connections. So
every connection has a time by which a whole request has to be there, and one in which an answer has
to be read and may be followed by another request.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter
from typing import TYPE_CHECKING, Any

from aiohttp import web
from aiohttp.http_exceptions import LineTooLong

from heapgraph.watch.http.callers import NOBODY, Peer
from heapgraph.watch.http.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from heapgraph.watch.http.limits import Limits
    from heapgraph.watch.http.refusals import Refusals


_TURNS_TO_ACCEPT = 5
"""Of the event loop: after so many, a connection that was accepted has been made (it takes 3)."""


class Connection(web.RequestHandler):
    """One connection: aiohttp's, with a clock, and problems in place of its own pages."""

    __slots__ = ("_clock", "_has_begun", "_limits", "_server", "peer")

    def __init__(self, server: ConnectionServer, limits: Limits, **settings: Any) -> None:  # noqa: ANN401 - aiohttp's
        """Wait for a peer."""
        super().__init__(server, **settings)
        self._server = server
        self._limits = limits
        self._clock: asyncio.TimerHandle | None = None
        self._has_begun = False
        self.peer = Peer("")

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection, or refuse it if there are too many."""
        super().connection_made(transport)
        if not isinstance(transport, asyncio.Transport):
            return
        self.peer = Peer.of(transport)
        if not self._server.take(self, transport):
            transport.abort()  # the endpoint ends
            return
        if not self._server.admit(self.peer):
            problem = Problem(503, "busy", "too many connections", "all are in use, or this peer's")
            self._server.refuse(problem, self.peer)
            self._end(problem)
            return
        self._start_clock(self._limits.request_s)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Forget it."""
        self._stop_clock()
        self._server.release(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Note that something came: a peer that began is told why it is refused."""
        if not self._has_begun and self._clock is not None:
            self._has_begun = True
            self._start_clock(self._limits.request_s)
        super().data_received(data)

    def has_answered(self) -> None:
        """From now on, the answer has to be read in time, and another request may come."""
        self._has_begun = False
        self._start_clock(self._limits.write_s)

    def has_request(self) -> None:
        """A request is here, and is being answered."""
        self._stop_clock()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """What aiohttp could not read, as a problem; of the message nothing, it quotes the peer."""
        del message
        self.has_request()
        if request.writer.output_size > 0:
            raise ConnectionError("an answer was begun")
        if isinstance(exc, LineTooLong):
            problem = Problem(431, "too-long", "the request line or a header is too long")
        elif status < 500:  # noqa: PLR2004 - numbers of HTTP
            problem = Problem(400, "bad-request", "this is no request of HTTP/1.1")
        else:
            problem = Problem(500, "failed", "the endpoint failed", "a defect in heapgraph")
        if problem.is_refusal:
            self._server.refuse(problem, self.peer)
        response = problem.response()
        response.force_close()
        return response

    def _too_late(self) -> None:
        """No whole request came in time."""
        if self._has_begun:
            problem = Problem(408, "slow", "no whole request came in time")
            self._server.refuse(problem, self.peer)
            self._end(problem)
        else:
            self._end(None)

    def _end(self, problem: Problem | None) -> None:
        transport = self.transport
        if not isinstance(transport, asyncio.Transport):
            return
        if problem is not None:
            transport.write(problem.raw())
        self.force_close()
        if problem is None:
            transport.abort()
        else:  # closing waits until the peer has read it, and this one may never do so
            asyncio.get_running_loop().call_later(self._limits.request_s, transport.abort)

    def _start_clock(self, seconds: float) -> None:
        self._stop_clock()
        self._clock = asyncio.get_running_loop().call_later(seconds, self._too_late)

    def _stop_clock(self) -> None:
        if self._clock is not None:
            self._clock.cancel()
            self._clock = None


class ConnectionServer(web.Server):
    """Makes connections, and counts them.

    Args:
        handler: answers a request.
        limits: of each.
        refusals: where refusals are noted.
    """

    def __init__(
        self,
        handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]],
        limits: Limits,
        refusals: Refusals,
    ) -> None:
        """Serve nobody yet."""
        super().__init__(handler)
        self._limits, self._refusals = limits, refusals
        self._admitted: Counter[str] = Counter()
        self._transports: dict[Connection, asyncio.Transport] = {}
        self._is_ending = False
        self._none_left = asyncio.Event()

    def __call__(self) -> web.RequestHandler:
        """The protocol of a new connection."""
        limits = self._limits
        return Connection(
            self,
            limits,
            loop=asyncio.get_running_loop(),
            keepalive_timeout=2 * (limits.request_s + limits.write_s),  # our clock is earlier
            lingering_time=limits.linger_s,
            access_log=None,  # it would keep what peers send
            logger=_quiet_log(),
            max_line_size=limits.line_bytes,
            max_field_size=limits.field_bytes,
            max_headers=limits.fields,
            auto_decompress=False,  # a small body may not become a large one
            read_bufsize=1 << 14,
        )

    def take(self, connection: Connection, transport: asyncio.Transport) -> bool:
        """Remember a connection; False: none is taken any more."""
        self._transports[connection] = transport
        return not self._is_ending

    async def end(self, limit_s: float) -> None:
        """End all connections: answers that are being sent have a time to arrive."""
        self._is_ending = True
        for _ in range(_TURNS_TO_ACCEPT):
            await asyncio.sleep(0)
        await self.shutdown(limit_s)
        for is_last in (False, True):
            self._none_left.clear()
            if self._transports:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(limit_s):
                        await self._none_left.wait()
            if not is_last:
                for transport in self._transports.values():
                    transport.abort()

    def admit(self, peer: Peer) -> bool:
        """Count a connection; False: it is one too many."""
        limits = self._limits
        self._admitted[peer.key] += 1
        return (
            self._admitted.total() <= limits.connections
            and self._admitted[peer.key] <= limits.connections_of_peer
        )

    def release(self, connection: Connection) -> None:
        """A connection is gone."""
        self._transports.pop(connection, None)
        if not self._transports:
            self._none_left.set()
        key = connection.peer.key
        self._admitted[key] -= 1
        if self._admitted[key] <= 0:
            del self._admitted[key]

    def refuse(self, problem: Problem, peer: Peer) -> None:
        """Note a refusal of a connection of which nobody knows who it is."""
        self._refusals.note(problem.name, problem.status, peer.origin, NOBODY)


def _quiet_log() -> logging.Logger:
    """A log that nobody keeps: what strangers send is not worth a line, and may hold a token."""
    log = logging.getLogger("heapgraph.watch.http")
    if not log.handlers:
        log.addHandler(logging.NullHandler())
    log.propagate = False
    return log
