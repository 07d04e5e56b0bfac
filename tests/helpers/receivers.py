"""HTTP servers that receive webhooks: a good one, and some that nobody should meet."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Awaitable, Callable


@dataclass(frozen=True)
class Received:
    """One request: headers with names in lower case."""

    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """A server with what it got; `statuses` are given one after the other, the last for ever.

    Attributes:
        url: of its hook.
        requests: received so far.
        statuses: to answer.
        headers: of its answers.
        changed: set at every request.
    """

    url: str = ""
    requests: list[Received] = field(default_factory=list)
    statuses: list[int] = field(default_factory=lambda: [200])
    headers: dict[str, str] = field(default_factory=dict)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def until(self, count: int) -> None:
        """Wait for so many requests."""
        while len(self.requests) < count:
            self.changed.clear()
            async with asyncio.timeout(20):
                await self.changed.wait()

    async def handle(self, request: web.Request) -> web.Response:
        """Note a request."""
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.requests.append(Received(headers, await request.read()))
        self.changed.set()
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        return web.Response(status=status, headers=self.headers, text="whatever")


@asynccontextmanager
async def receiver(
    *statuses: int, port: int = 0, tls: ssl.SSLContext | None = None, **headers: str
) -> AsyncIterator[Receiver]:
    """A server on loopback."""
    found = Receiver(statuses=list(statuses) or [200], headers=headers)
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", found.handle)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", port, ssl_context=tls)
        await site.start()
        port = runner.addresses[0][1]
        scheme, host = ("https", "localhost") if tls else ("http", "127.0.0.1")
        found.url = f"{scheme}://{host}:{port}/hook"
        yield found
    finally:
        await runner.cleanup()


@asynccontextmanager
async def raw_server(
    answer: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> AsyncIterator[str]:
    """A server that reads the head of a request and then answers as it likes; its URL.

    An answer that has not ended when the server does is cancelled, and its connection dropped.
    """
    answering: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        answering.add(task)
        try:
            await reader.readuntil(b"\r\n\r\n")
            await answer(reader, writer)
            writer.close()
            await writer.wait_closed()
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            writer.transport.abort()
        finally:
            answering.discard(task)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook"
    finally:
        server.close()
        for task in answering:
            task.cancel()
        await asyncio.gather(*answering)
        await asyncio.sleep(0)  # a connection that was dropped is closed in the next turn
