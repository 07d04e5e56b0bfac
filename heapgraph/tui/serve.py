"""The browser in a web browser, on this machine and for its own page only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web
from textual_serve.server import Server

if TYPE_CHECKING:
    from aiohttp.typedefs import Handler

HOST = "127.0.0.1"


class LocalServer(Server):  # type: ignore[misc] # textual-serve publishes no types
    """Serves a command on the loopback interface.

    Any web page the user has open may try to connect here, and a name of anybody's may be made to
    lead here: who does not ask from our page, or for our address, is refused. Our page itself loads
    nothing from elsewhere; textual-serve's asks a font server, which would tell it of every use.

    Args:
        command: the line that starts the terminal program.
        port: where to listen.
    """

    def __init__(self, command: str, port: int) -> None:
        """Do not listen yet."""
        super().__init__(command, host=HOST, port=port, title="heapgraph")
        self._names = {f"{name}:{port}" for name in (HOST, "localhost")}

    async def _make_app(self) -> web.Application:
        app: web.Application = await super()._make_app()
        app.middlewares.append(self._refuse_strangers)
        app.on_response_prepare.append(self._load_nothing_from_elsewhere)
        return app

    @web.middleware
    async def _refuse_strangers(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        origin = request.headers.get("Origin")
        is_ours = origin is None or origin.removeprefix("http://") in self._names
        if request.host not in self._names or not is_ours:
            raise web.HTTPForbidden(text="heapgraph answers its own page only")
        return await handler(request)

    async def _load_nothing_from_elsewhere(
        self, request: web.Request, response: web.StreamResponse
    ) -> None:
        del request
        sockets = " ".join(f"ws://{name}" for name in sorted(self._names))
        response.headers["Content-Security-Policy"] = (
            "default-src 'self' 'unsafe-inline' data: blob:; "
            f"connect-src 'self' {sockets}; frame-ancestors 'none'"
        )
