"""The endpoint: one way through which every request goes, and its start and end."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import re
import time
from collections import Counter
from typing import TYPE_CHECKING

from heapgraph.watch.http import pprof_routes, question_routes, snapshot_routes, state_routes
from heapgraph.watch.http.answers import Answers
from heapgraph.watch.http.callers import NOBODY, Caller, Callers, Peer
from heapgraph.watch.http.connections import Connection, ConnectionServer
from heapgraph.watch.http.context import Context
from heapgraph.watch.http.limits import Limits
from heapgraph.watch.http.listening import address_of, believed, open_socket, place_of
from heapgraph.watch.http.problems import Problem
from heapgraph.watch.http.refusals import Refusals
from heapgraph.watch.http.routes import Ask, Router
from heapgraph.watch.settings.addresses import SocketAddress

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from pathlib import Path

    from aiohttp import web

    from heapgraph.watch.audit.log import Audit
    from heapgraph.watch.http.routes import Route
    from heapgraph.watch.http.served import Served
    from heapgraph.watch.settings.model import HttpSpec

ROUTES = (
    *state_routes.ROUTES,
    *snapshot_routes.ROUTES,
    *question_routes.ROUTES,
    *pprof_routes.ROUTES,
)

_END_S = 5.0


class Endpoint:
    """Answers over HTTP for as long as it is started.

    Args:
        spec: where, to whom, and which parts.
        served: the daemon.
        audit: its log.
        folder: for answers about snapshots; of the daemon's own, emptied at the start.
        limits: of peers.
        clock: the daemon's steady clock.
    """

    def __init__(
        self,
        spec: HttpSpec,
        served: Served,
        audit: Audit,
        folder: Path,
        *,
        limits: Limits | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Listen nowhere yet."""
        self._spec, self._served, self._audit, self._folder = spec, served, audit, folder
        self._limits, self._clock = limits or Limits(), clock
        self._router = Router(ROUTES)
        self._busy: Counter[str] = Counter()
        self._server: asyncio.Server | None = None
        self._hosts: _Hosts | None = None
        self._path: Path | None = None
        self._place: tuple[int, int] | None = None

    async def start(self) -> str:
        """Listen.

        Returns:
            Where: "unix:/run/heapgraph.sock", "127.0.0.1:9000".

        Raises:
            UsageError: the address is taken, or strangers could use it.
            FolderRefused, OSError: a file or the folder cannot be used.
        """
        address = address_of(self._spec)
        self._refusals = Refusals(self._audit)
        tokens, jwt, tls = believed(self._spec, address, self._note_tls)
        self._callers = Callers(self._spec, tokens, jwt)
        self._answers = Answers(self._folder, self._limits)
        self._context = Context(
            self._served,
            self._audit,
            self._answers,
            frozenset(self._spec.expose),
            self._limits,
            self._clock,
        )
        self._listener = open_socket(self._spec, address)
        self._connections = ConnectionServer(self._handle, self._limits, self._refusals)
        loop = asyncio.get_running_loop()
        timeout = self._limits.request_s if tls is not None else None
        if isinstance(address, SocketAddress):
            self._path, self._place = address.path, place_of(address.path)
            self._server = await loop.create_unix_server(self._connections, sock=self._listener)
        else:
            self._hosts = _Hosts(self._spec.hosts)
            self._server = await loop.create_server(
                self._connections, sock=self._listener, ssl=tls, ssl_handshake_timeout=timeout
            )
        self._refusals.start()
        return _shown(self._listener)

    async def stop(self) -> None:
        """Listen no more, end what is running, write down what was refused."""
        if self._server is None:
            return
        # A server that is closed drops what it has accepted and not yet made; so first nothing more
        # is accepted, then all connections end, and the server is closed last.
        asyncio.get_running_loop().remove_reader(self._listener)
        if self._path is not None and place_of(self._path) == self._place:
            self._path.unlink(missing_ok=True)  # another one's, which took the path, stays
        await self._answers.close()
        await self._connections.end(_END_S)
        self._server.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_END_S):
                await self._server.wait_closed()
        await self._refusals.stop()
        self._server = None

    @property
    def refused(self) -> int:
        """How many requests and connections were refused since the start."""
        return self._refusals.total

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer a request, whatever happens."""
        connection = request.protocol
        if not isinstance(connection, Connection):
            raise TypeError(type(connection).__name__)
        connection.has_request()
        caller = Caller(NOBODY, "")
        try:
            try:
                _check_form(request)
                self._check_host(request)
                path = request.rel_url.raw_path
                caller = self._identify(request, connection.peer, path)
                return await self._answer(request, caller, connection.peer, path)
            except ConnectionError:
                raise
            except Problem as failure:
                problem = failure
            except Exception as failure:  # noqa: BLE001 - a defect is not told to the peer
                problem = Problem(
                    500, "failed", "the endpoint failed", f"a defect: {type(failure).__name__}"
                )
            return self._refuse(request, caller, connection.peer, problem)
        finally:
            connection.has_answered()

    def _identify(self, request: web.BaseRequest, peer: Peer, path: str) -> Caller:
        """Who asks. Whether the daemon is well is said to everybody who gets so far."""
        try:
            return self._callers.identify(request, peer)
        except Problem:
            if path in ("/healthz", "/readyz") and "Authorization" not in request.headers:
                return Caller(NOBODY, "")
            raise

    async def _answer(
        self, request: web.BaseRequest, caller: Caller, peer: Peer, path: str
    ) -> web.StreamResponse:
        route, values = self._router.find(request.method, path)
        self._check_access(route, caller)
        key = f"{caller.actor.kind} {caller.actor.id or peer.key}"
        if self._busy[key] >= self._limits.requests_of_caller:
            raise Problem(
                429, "too-many", "too many requests at once", headers={"Retry-After": "1"}
            )
        self._busy[key] += 1
        try:
            return await route.handler(Ask(request, caller, peer, values, self._context))
        finally:
            self._busy[key] -= 1
            if not self._busy[key]:
                del self._busy[key]

    def _check_access(self, route: Route, caller: Caller) -> None:
        """Is this part switched on, and may the caller have it?"""
        if not route.scope:
            return
        if route.part and route.part not in self._spec.expose:
            raise Problem(
                404,
                "not-exposed",
                f"{route.part} is not switched on",
                hint=f'expose = [..., "{route.part}"] in [http]',
            )
        if not caller.scope or not caller.may(route.scope):
            raise Problem(
                403, "scope", f"this needs the scope {route.scope}", f"yours is {caller.scope}"
            )

    def _check_host(self, request: web.BaseRequest) -> None:
        """A page of a foreign name that was made to point here is not answered."""
        if self._hosts is None:
            return
        sent = request.headers.getall("Host", [])
        transport = request.transport
        name = None if transport is None else transport.get_extra_info("sockname")
        names = [*sent, *_authority(request.raw_path)]
        if len(sent) != 1 or not all(self._hosts.has(one, name) for one in names):
            raise Problem(
                421,
                "other-host",
                "this endpoint has another name",
                "the Host header or the address names neither its address nor one of hosts",
                'hosts = ["NAME"] in [http]',
            )

    def _refuse(
        self, request: web.BaseRequest, caller: Caller, peer: Peer, problem: Problem
    ) -> web.StreamResponse:
        if problem.is_refusal:
            path = request.rel_url.raw_path
            origin, actor = peer.origin, caller.actor
            self._refusals.note(problem.name, problem.status, origin, actor, request.method, path)
        if request.writer.output_size > 0:
            raise ConnectionError("an answer was begun")
        response = problem.response()
        if request.body_exists:  # nobody reads it
            response.force_close()
        return response

    def _note_tls(self, reason: str) -> None:
        """A handshake failed: no certificate, or one that is not believed."""
        self._refusals.note(f"tls: {reason[:80]}", 0, "", NOBODY)


def _authority(target: str) -> list[str]:
    """The name in a target like `http://NAME/path`, which counts for more than a Host header."""
    scheme, separator, rest = target.partition("://")
    if target.startswith("/") or not separator or not scheme:
        return []
    return [re.split(r"[/?#\\]", rest, maxsplit=1)[0]]


class _Hosts:
    """Names that this endpoint has."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self._names = {name.lower() for name in names}

    def has(self, host: str, own: tuple[str, int] | None) -> bool:
        """Whether a Host header names it: by one of its names, or the address of its socket."""
        if own is None:
            return False
        wanted = host.lower()
        name, port = _split(wanted)
        if wanted in self._names or name in self._names:
            return True
        if port not in ("", str(own[1])):
            return False
        address = str(own[0])
        is_loopback = ipaddress.ip_address(address.partition("%")[0]).is_loopback
        return name.strip("[]") == address or (is_loopback and name == "localhost")


def _split(host: str) -> tuple[str, str]:
    """A host and its port, "" where there is none; an address of IPv6 keeps its brackets."""
    if host.endswith("]") or ":" not in host:
        return host, ""
    name, _, port = host.rpartition(":")
    return name, port


def _check_form(request: web.BaseRequest) -> None:
    """What no client of ours sends: a body, or a request that a page of a browser makes."""
    is_typed = request.headers.get("Sec-Fetch-Site", "none") in ("none", "same-origin")
    if "Origin" in request.headers or not is_typed:
        raise Problem(403, "other-origin", "pages of a browser are not answered")
    if "Transfer-Encoding" in request.headers or (request.content_length or 0) > 0:
        raise Problem(413, "body", "no request here has a body")


def _shown(listener: socket.socket) -> str:
    name = listener.getsockname()
    if isinstance(name, str):
        return f"unix:{name}"
    host = f"[{name[0]}]" if ":" in name[0] else name[0]
    return f"{host}:{name[1]}"
