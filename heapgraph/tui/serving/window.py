"""One window of a served browser: a web socket, and the program behind it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import time
from asyncio.subprocess import PIPE, Process
from typing import TYPE_CHECKING, NamedTuple

from aiohttp import ClientError, WSMessage, WSMsgType

from heapgraph.tui.serving import serve_limits
from heapgraph.tui.serving.serve_limits import clamped

if TYPE_CHECKING:
    from aiohttp import web

_PRELUDE = b"__GANGLION__\n"
"""What Textual's driver for the web says before the first packet."""

_MAX_LINES_BEFORE = 10
_MAX_ERROR_BYTES = 1 << 13
_HEAD_BYTES = 5
"""Of a packet: a letter and the number of bytes that follow it."""

_OUR_OWN = ("PYTHON", "TEXTUAL")
"""Beginnings of the variables that would change how the program of a window runs."""

_CLEAR = "\x1b[?1049l\x1b[2J\x1b[H"
"""Leave the screen of the program, and begin at the top of an empty one."""


class Limits(NamedTuple):
    """What one window may use; see `serve_limits`."""

    idle_s: float = serve_limits.IDLE_LIMIT_S
    memory: int = serve_limits.MIN_WINDOW_BYTES


class BadMessage(Exception):
    """What came over the socket is nothing that our page sends."""


class Window:
    """Runs the program of a window for as long as its page is there.

    Args:
        file: the snapshot.
        limits: of this window.
    """

    def __init__(self, file: str, limits: Limits) -> None:
        """Start nothing yet."""
        self._file = file
        self._limits = limits
        self._process: Process | None = None
        self._errors = b""

    async def run(self, socket: web.WebSocketResponse, columns: int, rows: int) -> None:
        """Start the program and pass on what is typed and drawn, until either side ends.

        The page is told in its terminal why that was.
        """
        words = [sys.executable, "-I", "-m", "heapgraph.tui.serving.served"]
        self._process = process = await asyncio.create_subprocess_exec(
            *words,
            self._file,
            str(self._limits.memory),
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE,
            env=environment(columns, rows),
            start_new_session=True,  # Ctrl-C in the server's terminal is for the server
        )
        tasks = [
            asyncio.create_task(self._pass_input(socket, process)),
            asyncio.create_task(self._pass_output(socket, process)),
        ]
        errors = asyncio.create_task(self._keep_errors(process))
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            reasons = [task.result() for task in done]
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self.end()
            await asyncio.gather(errors, return_exceptions=True)
        await self.say(socket, next(filter(None, [*reasons, self._last_words()]), ""))

    async def end(self) -> None:
        """End the program: it is asked once, and killed when it does not listen."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), serve_limits.END_LIMIT_S)
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    @staticmethod
    async def say(socket: web.WebSocketResponse, text: str) -> None:
        """Leave a text in the terminal of a page, and close its socket."""
        lines = text.replace("\n", "\r\n")
        with contextlib.suppress(ClientError, ConnectionError, TimeoutError):
            async with asyncio.timeout(serve_limits.END_LIMIT_S):
                if lines and not socket.closed:
                    await socket.send_bytes(f"{_CLEAR}{lines}\r\n".encode())
                await socket.close()

    async def _pass_input(self, socket: web.WebSocketResponse, process: Process) -> str:
        """Pass on what the page sends; returns why no more of it is taken."""
        last = time.monotonic()
        while True:
            left = last + self._limits.idle_s - time.monotonic()
            try:
                message = await socket.receive(timeout=max(0.0, left))
            except TimeoutError:
                return (
                    f"closed: no key was pressed for {self._limits.idle_s / 3600:.1f} hours\n"
                    "reload the page to begin again"
                )
            if message.type is not WSMsgType.TEXT:
                return ""  # closed, too large, or nothing that a page sends
            try:
                kind, packet = packet_of(message)
            except BadMessage:
                return "closed: the page sent what it never sends"
            if kind == "ping":
                await socket.send_str(packet.decode())
                continue
            if kind == "stdin":
                last = time.monotonic()
            if process.stdin is None:
                return ""
            try:
                process.stdin.write(packet)
                await process.stdin.drain()
            except (ConnectionError, RuntimeError):
                return ""

    async def _pass_output(self, socket: web.WebSocketResponse, process: Process) -> str:
        """Pass on what the program draws; returns why no more of it is taken."""
        output = process.stdout
        if output is None or not await _begins(output):
            return ""
        try:
            while True:
                head = await output.readexactly(_HEAD_BYTES)
                size = int.from_bytes(head[1:], "big")
                if size > serve_limits.MAX_PACKET_BYTES:
                    return "closed: the program sent more than a window can show"
                payload = await output.readexactly(size)
                if head[:1] == b"D":
                    async with asyncio.timeout(serve_limits.SEND_LIMIT_S):
                        await socket.send_bytes(payload)
                elif head[:1] == b"M" and json.loads(payload).get("type") == "exit":
                    return ""
        except (asyncio.IncompleteReadError, ConnectionError, ClientError):
            return ""
        except TimeoutError:
            return "closed: the page does not read what it is sent"

    async def _keep_errors(self, process: Process) -> None:
        """Read all that the program complains about, and keep the end of it."""
        while process.stderr is not None and (data := await process.stderr.read(1 << 12)):
            self._errors = (self._errors + data)[-_MAX_ERROR_BYTES:]

    def _last_words(self) -> str:
        code = None if self._process is None else self._process.returncode
        if not code:
            return ""
        return self._errors.decode(errors="replace") or f"closed: the program ended with {code}"


async def _begins(output: asyncio.StreamReader) -> bool:
    """Whether the program has begun to draw."""
    try:
        for _ in range(_MAX_LINES_BEFORE):
            line = await output.readline()
            if line == _PRELUDE or not line:
                return bool(line)
    except ValueError:  # a line without an end
        pass
    return False


def environment(columns: int, rows: int) -> dict[str, str]:
    """Variables for the program of a window: ours, without what would change how it runs."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith(_OUR_OWN)}
    return {
        **kept,
        "TEXTUAL_COLOR_SYSTEM": "truecolor",
        "COLUMNS": str(columns),
        "ROWS": str(rows),
        "OPENBLAS_NUM_THREADS": "1",  # each would reserve memory, and there is nothing to do
    }


def packet_of(message: WSMessage) -> tuple[str, bytes]:
    """What a message of the page means.

    Returns:
        Its kind, and the packet for the program, or for a ping the answer.

    Raises:
        BadMessage: no page of ours has sent it.
    """
    try:
        kind, *rest = json.loads(message.data)
        data = rest[0] if rest else None
        if kind == "stdin" and isinstance(data, str):
            return kind, _packet(b"D", data.encode())
        if kind == "resize" and isinstance(data, dict):
            columns, rows = clamped(_whole(data["width"]), _whole(data["height"]))
            return kind, _meta(type="resize", width=columns, height=rows)
        if kind in ("focus", "blur"):
            return kind, _meta(type=kind)
        if kind == "ping" and isinstance(data, str):
            return kind, json.dumps(["pong", data]).encode()
    except (ValueError, TypeError, KeyError, RecursionError) as failure:
        raise BadMessage from failure
    raise BadMessage


def _whole(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError
    return value


def _meta(**values: object) -> bytes:
    return _packet(b"M", json.dumps(values).encode())


def _packet(kind: bytes, payload: bytes) -> bytes:
    return kind + len(payload).to_bytes(4, "big") + payload
