"""A real web browser without a window, driven by its debugging protocol.

    async with open_page(program, folder, "http://127.0.0.1:8000") as page:
        await page.until(lambda text: "overview" in text)
        await page.press("2")

What a terminal in a page shows is drawn on a canvas; the text is seen as it comes to the page, in
the messages of its web sockets.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import itertools
import os
import re
import shutil
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from pathlib import Path

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
ANSWER_LIMIT_S = 60.0
_LISTENING = re.compile(rb"DevTools listening on (ws://\S+)")


def find_chromium() -> str | None:
    """The program, or None."""
    return next(filter(None, map(shutil.which, PROGRAMS)), None)


needs_chromium = pytest.mark.skipif(
    find_chromium() is None and not os.environ.get("CI"),
    reason="no chromium on this machine: apt-get install chromium",
)
"""Skip a test, with the reason, where there is no browser; in CI it runs and fails."""


class BrowserPage:
    """A page that is being shown.

    Attributes:
        text: all that came to it over web sockets.
        addresses: of everything it was answered from.
    """

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        """Talk to the browser over its debugging socket."""
        self.text = ""
        self.addresses: list[str] = []
        self._socket = socket
        self._session: str | None = None
        self._ids = itertools.count(1)

    async def open(self, address: str) -> None:
        """Show a page, and listen to what it receives."""
        target = await self.call("Target.createTarget", url="about:blank")
        attached = await self.call(
            "Target.attachToTarget", targetId=target["targetId"], flatten=True
        )
        self._session = attached["sessionId"]
        await self.call("Network.enable")
        await self.call("Page.enable")
        await self.call("Page.navigate", url=address)

    async def call(self, method: str, **parameters: object) -> dict[str, Any]:
        """Have the browser do something, and return what it answers."""
        number = next(self._ids)
        message: dict[str, object] = {"id": number, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        await self._socket.send_json(message)
        while True:
            answer = await self._receive()
            if answer.get("id") == number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                result: dict[str, Any] = answer["result"]
                return result

    async def value(self, expression: str) -> Any:
        """What JavaScript says in the page; a promise is waited for."""
        answer = await self.call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        if "exceptionDetails" in answer:
            raise RuntimeError(answer["exceptionDetails"])
        return answer["result"].get("value")

    async def until(self, condition: Callable[[str], bool]) -> None:
        """Wait until the text that came fits."""
        while not condition(self.text):
            await self._receive()

    async def click(self, x: int, y: int) -> None:
        """Click at a place; a page has the keys of a window only after that."""
        for kind in ("mousePressed", "mouseReleased"):
            await self.call(
                "Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1
            )

    async def press(self, key: str) -> None:
        """Press the key of a character."""
        self.text = ""
        await self.call("Input.dispatchKeyEvent", type="keyDown", text=key, key=key)
        await self.call("Input.dispatchKeyEvent", type="keyUp", key=key)

    async def picture(self) -> bytes:
        """What it looks like, as PNG."""
        answer = await self.call("Page.captureScreenshot", format="png")
        return base64.b64decode(answer["data"])

    async def _receive(self) -> dict[str, Any]:
        message: dict[str, Any] = await self._socket.receive_json(timeout=ANSWER_LIMIT_S)
        parameters = message.get("params", {})
        if message.get("method") == "Network.webSocketFrameReceived":
            frame = parameters["response"]
            data = frame["payloadData"]
            is_binary = frame["opcode"] == 2  # by RFC 6455
            self.text += base64.b64decode(data).decode(errors="replace") if is_binary else data
        elif message.get("method") == "Network.webSocketCreated":
            self.addresses.append(parameters["url"])
        elif message.get("method") == "Network.responseReceived":
            self.addresses.append(parameters["response"]["url"])
        return message


@contextlib.asynccontextmanager
async def open_page(
    program: str, folder: Path, address: str, environment: Mapping[str, str] | None = None
) -> AsyncIterator[BrowserPage]:
    """Start the browser with a profile of its own, open a page, and end it afterwards.

    Args:
        program: the browser.
        folder: its profile.
        address: of the page.
        environment: variables that it has besides ours.
    """
    process = await asyncio.create_subprocess_exec(
        program,
        "--headless=new",
        "--no-sandbox",  # it refuses to run as root otherwise, and opens our own page only
        "--disable-gpu",
        "--window-size=1200,700",
        "--no-first-run",
        "--remote-debugging-port=0",
        f"--user-data-dir={folder}",
        stderr=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
        env={**os.environ, **(environment or {})},
    )
    try:
        debugging = await asyncio.wait_for(_debugging_address(process), ANSWER_LIMIT_S)
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(debugging, max_msg_size=0) as socket,
        ):
            page = BrowserPage(socket)
            await page.open(address)
            yield page
            page._session = None
            with contextlib.suppress(Exception):
                await page.call("Browser.close")
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def _debugging_address(process: asyncio.subprocess.Process) -> str:
    if process.stderr is None:
        raise RuntimeError("no standard error to read")
    async for line in process.stderr:
        if found := _LISTENING.search(line):
            return found[1].decode()
    raise RuntimeError("the browser has ended")
