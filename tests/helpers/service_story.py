"""The services of the story: an upstream, a gunicorn server that asks it, load, a receiver."""

from __future__ import annotations

import http.client
import http.server
import json
import os
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Self

from helpers.ports import free_port
from helpers.processes import children_of, wait_until
from helpers.running_target import start_target

if TYPE_CHECKING:
    from collections.abc import Iterator

SERVICES = Path(__file__).resolve().parents[2] / "fixtures" / "services"
WORKERS = 4


@dataclass
class Received:
    """What a receiver of webhooks has got."""

    headers: dict[str, str]
    body: bytes

    @property
    def document(self) -> dict[str, object]:
        """The body as JSON."""
        document: dict[str, object] = json.loads(self.body)
        return document


@dataclass
class Receiver:
    """A real HTTP server that keeps what it gets."""

    url: str
    messages: list[Received] = field(default_factory=list)

    def of_status(self, status: str) -> list[Received]:
        """Messages of one status."""
        return [one for one in self.messages if one.document["data"]["status"] == status]  # type: ignore[index]


@contextmanager
def receiver(answer: int = 204) -> Iterator[Receiver]:
    """Receive webhooks."""
    found: list[Received] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            found.append(Received({k.lower(): v for k, v in self.headers.items()}, body))
            self.send_response(answer)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield Receiver(f"http://127.0.0.1:{server.server_address[1]}/hook", found)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@dataclass
class Service:
    """A gunicorn server of four workers.

    Attributes:
        port: where it answers.
        workers: their pids.
    """

    port: int
    workers: list[int]


@contextmanager
def gunicorn_service(marker: str, *, leaks: bool) -> Iterator[Service]:
    """Start the gateway with its upstream; both end with the block."""
    with start_target(SERVICES / "upstream.py") as upstream:
        port = free_port()
        environment = {
            **os.environ,
            "GATEWAY_UPSTREAM": f"127.0.0.1:{upstream.ready}",
            "GATEWAY_LEAKS": "1" if leaks else "0",
        }
        command = [sys.executable, "-m", "gunicorn", "--workers", str(WORKERS), "--name", marker]
        command += ["--bind", f"127.0.0.1:{port}", "--no-control-socket", "gateway:application"]
        server = subprocess.Popen(
            command,
            cwd=SERVICES,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            wait_until(lambda: _answers(port), "the service answers")
            wait_until(lambda: len(children_of(server.pid)) >= WORKERS, "all workers run")
            yield Service(port, children_of(server.pid))
        finally:
            with suppress(ProcessLookupError):
                os.killpg(server.pid, signal.SIGKILL)
            server.wait()


class Load:
    """Asks a service again and again from a thread, until the block ends."""

    def __init__(self, port: int, clients: int = 2) -> None:
        """Ask nothing yet."""
        self._port = port
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._ask, daemon=True) for _ in range(clients)]
        self.answers = 0

    def __enter__(self) -> Self:
        """Begin."""
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _ask(self) -> None:
        while not self._stop.is_set():
            with suppress(OSError, http.client.HTTPException):
                connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=10)
                connection.request("GET", "/orders")
                connection.getresponse().read()
                connection.close()
                self.answers += 1


def _answers(port: int) -> bool:
    with suppress(OSError, http.client.HTTPException):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        connection.request("GET", "/ready")
        return connection.getresponse().status == http.HTTPStatus.OK
    return False
