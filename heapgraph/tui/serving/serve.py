"""The browser in a web browser: on this machine, for who has the address, within limits.

Anybody on the machine can connect to a port of it, and any page in any web browser can try to. So
every address begins with a random token, and whoever asks without it is told nothing. It is not in
a cookie: those are sent to all ports of a machine, and another user may listen at one.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import secrets
import signal
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from aiohttp import web

from heapgraph.analysis.sql_engine.running import memory_share
from heapgraph.errors import UsageError
from heapgraph.tui.serving import serve_limits
from heapgraph.tui.serving.serve_limits import clamped
from heapgraph.tui.serving.window import Limits, Window

if TYPE_CHECKING:
    from collections.abc import Callable
    from importlib.resources.abc import Traversable

    from aiohttp.typedefs import Handler

HOST = "127.0.0.1"

_TOKEN_BYTES = 32
_MAX_LINE_BYTES = 2048
"""Of the first line of a request, and of each header; an address of ours has 120."""

_TYPES = {".js": "text/javascript", ".css": "text/css", ".ttf": "font/ttf", ".png": "image/png"}
_HEADERS = {
    "Server": "heapgraph",
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_TOO_MANY = (
    f"closed: {serve_limits.MAX_WINDOWS} windows show this snapshot already\n"
    "close one of them, then reload this page"
)
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class BrowserServer:
    """Serves the browser of one snapshot.

    Args:
        file: the snapshot.
        port: where to listen on the loopback interface.
        limits: of each window; None for what the machine has.
    """

    def __init__(self, file: str, port: int, limits: Limits | None = None) -> None:
        """Do not listen yet."""
        self._file = file
        self._port = port
        self._limits = limits or Limits(
            memory=max(serve_limits.MIN_WINDOW_BYTES, memory_share() // 2)
        )
        self._names = {f"{name}:{port}" for name in (HOST, "localhost")}
        self._token = secrets.token_urlsafe(_TOKEN_BYTES)
        self._statics = _read_files(files("textual_serve") / "static")
        self._page = (files("heapgraph.tui.serving") / "window.html").read_text()
        self._windows: dict[Window, web.WebSocketResponse] = {}
        self._sockets: set[asyncio.BaseTransport | None] = set()

    @property
    def address(self) -> str:
        """What to open; it is as secret as the snapshot."""
        return f"http://{HOST}:{self._port}/{self._token}/"

    async def serve(self, announce: Callable[[str], None]) -> None:
        """Listen until a signal says to end, then end every window.

        Args:
            announce: called with the address when it can be opened.

        Raises:
            UsageError: nobody can listen at the port.
        """
        app = web.Application(middlewares=[self._guard])
        for path, handler in (
            ("/{token}", self._show_page),
            ("/{token}/", self._show_page),
            ("/{token}/ws", self._open_window),
            ("/{token}/static/{name:.+}", self._send_file),
        ):
            app.router.add_get(path, handler)
        runner = web.AppRunner(
            app,
            access_log=None,  # it would keep the token
            logger=_quiet_log(),
            max_line_size=_MAX_LINE_BYTES,
            max_field_size=_MAX_LINE_BYTES,
        )
        await runner.setup()
        loop, ended = asyncio.get_running_loop(), asyncio.Event()
        try:
            server = await loop.create_server(
                lambda: self._connection(runner), HOST, self._port, reuse_port=False
            )
        except OSError as failure:
            await runner.cleanup()
            raise UsageError(
                f"cannot listen at port {self._port}: {failure.strerror}",
                "another program has it, perhaps another heapgraph tui --serve",
                f"--port {self._port % 65535 + 1}, or any other that is free",
            ) from failure
        for number in _ENDING:
            loop.add_signal_handler(number, ended.set)
        announce(self.address)
        await ended.wait()
        server.close()
        closing = [window.say(socket, "the server ended") for window, socket in self._open()]
        await asyncio.gather(*closing, *(window.end() for window, _ in self._open()))
        await runner.cleanup()

    def _open(self) -> list[tuple[Window, web.WebSocketResponse]]:
        return list(self._windows.items())

    def _connection(self, runner: web.AppRunner) -> asyncio.Protocol:
        """A new connection. It may be one too many, and has to become a window in time."""
        server, loop = runner.server, asyncio.get_running_loop()
        if server is None:
            return _Refusing()
        connection: Any = server()
        # When it is made, in two turns of the loop; many are accepted in one.
        loop.call_soon(loop.call_soon, self._close_surplus, server, connection)
        loop.call_later(serve_limits.REQUEST_LIMIT_S, self._close_idle, connection)
        return connection  # type: ignore[no-any-return]

    @staticmethod
    def _close_surplus(server: web.Server, connection: web.RequestHandler) -> None:
        oldest = server.connections[: serve_limits.MAX_CONNECTIONS]
        if connection.transport is not None and connection not in oldest:
            connection.transport.abort()

    def _close_idle(self, connection: web.RequestHandler) -> None:
        transport = connection.transport
        if transport is not None and transport not in self._sockets:
            transport.abort()

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Refuse who asks for another machine, from another page, or without the token."""
        origin = request.headers.get("Origin")
        is_ours = origin is None or origin.removeprefix("http://") in self._names
        if request.host not in self._names or not is_ours:
            raise web.HTTPForbidden(text="heapgraph answers its own page only", headers=_HEADERS)
        token = request.path.split("/", 2)[1].encode(errors="replace")
        if not hmac.compare_digest(token, self._token.encode()):
            raise web.HTTPForbidden(
                text="open the whole address that heapgraph has printed", headers=_HEADERS
            )
        return await handler(request)

    async def _show_page(self, request: web.Request) -> web.Response:
        socket = f"ws://{request.host}"
        policy = (
            "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
            f"font-src 'self'; img-src 'self' data:; connect-src {socket}; "
            "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
        )
        page = self._page.replace("{host}", request.host).replace("{token}", self._token)
        headers = {**_HEADERS, "Content-Security-Policy": policy}
        return web.Response(text=page, content_type="text/html", headers=headers)

    async def _send_file(self, request: web.Request) -> web.Response:
        """Send a file of the page: one of those read at the start, by its very name."""
        found = self._statics.get(request.match_info["name"])
        if found is None:
            raise web.HTTPNotFound(headers=_HEADERS)
        content, content_type = found
        return web.Response(body=content, content_type=content_type, headers=_HEADERS)

    async def _open_window(self, request: web.Request) -> web.WebSocketResponse:
        """Run the program of a window for as long as its page is there."""
        try:
            asked = (int(request.query.get("width", "80")), int(request.query.get("height", "24")))
        except ValueError as failure:
            raise web.HTTPBadRequest(headers=_HEADERS) from failure
        socket = web.WebSocketResponse(
            heartbeat=serve_limits.HEARTBEAT_S,
            max_msg_size=serve_limits.MAX_MESSAGE_BYTES,
            compress=False,  # a small message may not become a large one
        )
        window = Window(self._file, self._limits)
        has_room = len(self._windows) < serve_limits.MAX_WINDOWS
        if has_room:  # before anything is awaited: many may come at once
            self._windows[window] = socket
        self._sockets.add(request.transport)
        try:
            await socket.prepare(request)
            if has_room:
                await window.run(socket, *clamped(*asked))
            else:
                await window.say(socket, _TOO_MANY)
        finally:
            self._windows.pop(window, None)
            self._sockets.discard(request.transport)
        return socket


class _Refusing(asyncio.Protocol):
    """Closes a connection that is one too many."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Close it."""
        if isinstance(transport, asyncio.Transport):
            transport.abort()


def _read_files(folder: Traversable, before: str = "") -> dict[str, tuple[bytes, str]]:
    """Content and type of every file below a folder, by its path from there."""
    found: dict[str, tuple[bytes, str]] = {}
    for entry in folder.iterdir():
        path = f"{before}{entry.name}"
        if entry.is_dir():
            found.update(_read_files(entry, f"{path}/"))
        elif content_type := _TYPES.get(path[path.rfind(".") :]):
            found[path] = (entry.read_bytes(), content_type)
    return found


def _quiet_log() -> logging.Logger:
    """A log that nobody keeps: what strangers send is not worth a line, and ours has the token."""
    log = logging.getLogger("heapgraph.serve")
    log.addHandler(logging.NullHandler())
    log.propagate = False
    return log
