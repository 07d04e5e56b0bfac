"""`heapgraph tui FILE --serve`, running; and a page of it without a web browser."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import subprocess
import sys
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp

from helpers.app_heap import app_heap
from helpers.ports import free_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence

ANSWER_LIMIT_S = 30.0
_STEERING = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@dataclass
class Served:
    """A server, and where it is."""

    process: subprocess.Popen[str]
    port: int
    address: str

    @property
    def token(self) -> str:
        """The secret part of the address."""
        return self.address.split("/")[3]

    def windows(self) -> list[int]:
        """The programs of its windows."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(pid) for pid in children.read_text().split()]

    def raw(self, request: bytes) -> bytes:
        """What it answers to these very bytes, until it closes or has sent a whole answer."""
        with socket.create_connection(("127.0.0.1", self.port), ANSWER_LIMIT_S) as one:
            one.sendall(request)
            answer = b""
            while b"\r\n\r\n" not in answer and (data := one.recv(1 << 16)):
                answer += data
            return answer


@contextmanager
def served(
    folder: Path,
    words: Sequence[str] = (sys.executable, "-m", "heapgraph"),
    environment: dict[str, str] | None = None,
) -> Iterator[Served]:
    """The snapshot of a small heap, served from its folder."""
    snapshot = app_heap().write(folder / "app.heapgraph")
    port = free_port()
    with (
        (folder / "stderr").open("w") as errors,
        subprocess.Popen(
            [*words, "tui", str(snapshot), "--serve", "--port", str(port)],
            stdout=subprocess.PIPE,
            stderr=errors,
            stdin=subprocess.DEVNULL,
            cwd=folder,
            env=environment,
            text=True,
        ) as process,
    ):
        try:
            address = process.stdout.readline().strip() if process.stdout else ""
            assert address.startswith(f"http://127.0.0.1:{port}/"), (folder / "stderr").read_text()
            yield Served(process, port, address)
        finally:
            process.terminate()
            process.wait(20)


@dataclass
class Page:
    """What a page does, and what it is shown."""

    socket: aiohttp.ClientWebSocketResponse
    drawn: bytes = b""

    @property
    def text(self) -> str:
        """All that was drawn since the last keys; a message may end inside a control sequence."""
        return _STEERING.sub("", self.drawn.decode(errors="replace"))

    async def until(self, wanted: str) -> None:
        """Read until this is shown, as far as one line of it is drawn at once."""
        try:
            async with asyncio.timeout(ANSWER_LIMIT_S):
                while wanted not in self.text:
                    message = await self.socket.receive()
                    assert message.type is aiohttp.WSMsgType.BINARY, (message, self.text)
                    self.drawn += message.data
        except TimeoutError:
            raise AssertionError(f"{wanted!r} is never shown: {self.text}") from None

    async def type(self, text: str) -> None:
        """Press keys, and forget what was shown before."""
        self.drawn = b""
        await self.send("stdin", text)

    async def send(self, kind: str, data: object) -> None:
        """Send a message as the page does."""
        await self.socket.send_str(json.dumps([kind, data]))

    async def until_closed(self) -> int | None:
        """Read until the server closes; the code it gives."""
        while True:
            message = await self.socket.receive(timeout=ANSWER_LIMIT_S)
            if message.type is aiohttp.WSMsgType.BINARY:
                self.drawn += message.data
            elif message.type is not aiohttp.WSMsgType.TEXT:
                return self.socket.close_code


@asynccontextmanager
async def open_window(
    address: str, query: str = "width=120&height=40", **headers: str
) -> AsyncIterator[Page]:
    """A window of a served browser."""
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(f"{address}ws?{query}", headers=headers, max_msg_size=0) as one,
    ):
        yield Page(one)
