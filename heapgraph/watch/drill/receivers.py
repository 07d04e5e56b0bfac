"""Receivers of webhooks on loopback: a good one, one that is down, a slow one, and liars."""

from __future__ import annotations

import http.server
import json
import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_ENDLESS = b"x" * 65536


@dataclass(frozen=True)
class Message:
    """One request.

    Attributes:
        id: its header `webhook-id`.
        document: its body.
    """

    id: str
    document: dict[str, Any]

    @property
    def data(self) -> dict[str, Any]:
        """What the message is about."""
        data: dict[str, Any] = self.document["data"]
        return data


class Receiver:
    """A server that notes what it gets, and then does what it is there for.

    Args:
        answer: what it does with a request; see the functions of this module.
        is_up: listen at once; else connections are refused until `come_up`.

    Attributes:
        messages: so far.
        sent_bytes: of bodies of answers.
    """

    def __init__(self, answer: Callable[[Handler], None], *, is_up: bool = True) -> None:
        """Take a port of loopback: what is bound and does not listen refuses."""
        self.messages: list[Message] = []
        self.sent_bytes = 0
        self.closing = threading.Event()
        self._answer = answer
        self._server = _Server(self)
        self._server.server_bind()
        self._thread: threading.Thread | None = None
        if is_up:
            self.come_up()

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/hook"

    def come_up(self) -> None:
        """Begin to listen."""
        self._server.server_activate()
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def of_status(self, status: str) -> list[Message]:
        """Messages that say "firing" or "resolved"."""
        return [one for one in list(self.messages) if one.data["status"] == status]

    def take(self, handler: Handler) -> None:
        """Note a request and answer it."""
        body = handler.rfile.read(int(handler.headers.get("content-length", 0)))
        document = json.loads(body) if body else {}
        self.messages.append(Message(handler.headers.get("webhook-id", ""), document))
        self._answer(handler)

    def close(self) -> None:
        """Give the port back; whoever waits for an answer gets none."""
        self.closing.set()
        if self._thread is not None:
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()


class _Server(http.server.ThreadingHTTPServer):
    """A server that is started in two steps, and knows its receiver."""

    def __init__(self, receiver: Receiver) -> None:
        self.receiver = receiver
        super().__init__(("127.0.0.1", 0), Handler, bind_and_activate=False)


class Handler(http.server.BaseHTTPRequestHandler):
    """One request."""

    @property
    def receiver(self) -> Receiver:
        """Whose it is."""
        assert isinstance(self.server, _Server)  # noqa: S101
        return self.server.receiver

    def do_POST(self) -> None:
        """A message, as it should be."""
        with suppress(OSError):
            self.receiver.take(self)

    do_GET = do_POST  # noqa: N815 - so http.server calls it

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def take(handler: Handler) -> None:
    """Answer as a good receiver does."""
    handler.send_response(204)
    handler.end_headers()


def say_nothing(handler: Handler) -> None:
    """Never answer."""
    handler.receiver.closing.wait()


def garbage(handler: Handler) -> None:
    """Say 200, and what nobody can read."""
    handler.send_response(200)
    handler.send_header("content-type", "application/json")
    handler.send_header("content-encoding", "gzip")
    handler.end_headers()
    handler.wfile.write(b"\x1f\x8b\xff\x00{{{\r\n\x1b[2J" * 100)


def endless(handler: Handler) -> None:
    """Say 200, and never end the answer."""
    handler.send_response(200)
    handler.end_headers()
    while not handler.receiver.closing.is_set():
        handler.wfile.write(_ENDLESS)
        handler.receiver.sent_bytes += len(_ENDLESS)


def redirect_to(url: str) -> Callable[[Handler], None]:
    """Send whoever asks elsewhere."""

    def answer(handler: Handler) -> None:
        handler.send_response(307)
        handler.send_header("location", url)
        handler.end_headers()

    return answer
