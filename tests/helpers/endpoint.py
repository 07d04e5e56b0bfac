"""The daemon's endpoint on real sockets, with a daemon that is only in memory."""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
import threading
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from heapgraph.watch.audit.log import Actor, AuditLog, NoLog
from heapgraph.watch.http.endpoint import Endpoint
from heapgraph.watch.http.served import (
    AlreadyEnded,
    Operation,
    Profile,
    RuleStatus,
    StoredSnapshot,
    TargetStatus,
)
from heapgraph.watch.model import (
    Census,
    Holder,
    Observation,
    ProcessKey,
    RuleState,
    SuspectLine,
    TypeBytes,
    Worker,
    WorkerName,
)
from helpers.processes import wait_until

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator, Sequence

    from heapgraph.watch.http.limits import Limits
    from heapgraph.watch.settings.model import HttpSpec

WEB = WorkerName("web", 0)
DEADLINE_S = 100.0
"""Programs that answer questions start slowly on a machine with other work."""


def census_of(worker: WorkerName, taken_at: float, *, word: str = "app") -> Census:
    """A census in which every text of the target has a word in it."""
    return Census(
        worker=worker,
        key=ProcessKey(4711, 99, "boot"),
        taken_at=taken_at,
        created="2026-02-01T03:00:00+00:00",
        pause_ms=1.5,
        seconds=0.2,
        method="clone",
        quality="good",
        objects=1000,
        objects_size=1 << 20,
        unreachable_size=0,
        memory={"python objects": 1 << 20},
        types=(TypeBytes(f"{word}.Session", 10, 1 << 10),),
        holders=(Holder(f"{word}.SESSIONS[*]", 1 << 19),),
        suspects=(
            SuspectLine(
                "container",
                f"{word}.SESSIONS",
                (f"{word}.SESSIONS (dict)",),
                (f"handle() at {word}.py:17",),
                1 << 19,
                0.5,
                "growing",
                "f1f2",
            ),
        ),
    )


@dataclass
class InMemory:
    """A daemon for tests: what it knows is what a test gives it."""

    word: str = "app"
    reason: str = ""
    stored: dict[str, tuple[StoredSnapshot, Path]] = field(default_factory=dict)
    ended: list[Operation] = field(default_factory=list)
    running: Operation | None = None
    refusal: Exception | None = None
    last_census: Census | None = None
    kept: list[Profile] = field(default_factory=list)
    asked: list[tuple[str, Actor, str]] = field(default_factory=list)
    workers: tuple[WorkerName, ...] = (WEB,)

    def not_ready(self) -> str:
        """As it was given."""
        return self.reason

    def targets(self) -> Sequence[TargetStatus]:
        """One process for each worker."""
        key = ProcessKey(4711, 99, "boot")
        return [
            TargetStatus(
                Worker(name, key, "3.12.1", f"/srv/{self.word}/python", 0.0, 0.0),
                is_up=True,
                values={"rss_bytes": 1e8},
                sample_age_s=1.0,
            )
            for name in self.workers
        ]

    def rules(self) -> Sequence[RuleStatus]:
        """One that fires."""
        metric = f"holder {self.word}.SESSIONS"
        seen = Observation(metric, 2.0, 1.0, 3, f"{metric} was 2, above 1, 3 times in a row")
        return [RuleStatus("kept", WEB, RuleState.FIRING, "2026-02-01T03:00:00+00:00", seen)]

    def metrics_text(self, *, names: bool, accept: str) -> tuple[bytes, str]:
        """One series, and one with a name."""
        text = "heapgraph_target_up 1\n"
        if names:
            text += f'heapgraph_type_bytes{{type="{self.word}.Session"}} 1024\n'
        version = "1.0.0" if "openmetrics" in accept else "0.0.4"
        return text.encode(), f"text/plain; version={version}; charset=utf-8"

    def census(self, worker: WorkerName) -> Census | None:
        """The last one."""
        return self.last_census if worker == WEB else None

    def next_census_s(self, worker: WorkerName) -> float | None:
        """In half a minute."""
        return 30.0 if worker == WEB else None

    def profiles(self, worker: WorkerName) -> Sequence[Profile]:
        """Those that were given."""
        return self.kept if worker == WEB else []

    def snapshots(self) -> Sequence[StoredSnapshot]:
        """The newest first."""
        return [one for one, _ in reversed(self.stored.values())]

    def open_snapshot(self, snapshot_id: str) -> BinaryIO:
        """The file."""
        return self.stored[snapshot_id][1].open("rb")

    async def start_snapshot(self, worker: WorkerName, actor: Actor, origin: str) -> Operation:
        """Run until it is cancelled."""
        self.asked.append(("start", actor, origin))
        if self.refusal is not None:
            raise self.refusal
        self.running = Operation("ab12", worker, "running", "2026-02-01T03:00:00+00:00")
        return self.running

    def operations(self) -> Sequence[Operation]:
        """The one that runs, and those that ended."""
        return [*([self.running] if self.running else []), *self.ended]

    async def cancel(self, operation_id: str, actor: Actor, origin: str) -> Operation:
        """End the one that runs."""
        self.asked.append(("cancel", actor, origin))
        if self.running is not None and self.running.id == operation_id:
            one = Operation(
                operation_id, self.running.worker, "cancelled", self.running.created, "later"
            )
            self.running, self.ended = None, [one]
            return one
        if any(one.id == operation_id for one in self.ended):
            raise AlreadyEnded("it has ended", "it was cancelled", "GET /v1/operations")
        raise KeyError(operation_id)


@dataclass(frozen=True)
class Reply:
    """What was answered."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def document(self) -> Any:
        """The JSON in it."""
        return json.loads(self.body)


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: Path) -> None:
        """Keep the path."""
        super().__init__("localhost", timeout=DEADLINE_S)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(DEADLINE_S)
        self.sock.connect(str(self._path))


@dataclass
class RunningEndpoint:
    """An endpoint that listens."""

    where: str
    served: InMemory
    log: Path | None
    endpoint: Endpoint
    client_tls: ssl.SSLContext | None = None

    @property
    def socket_path(self) -> Path:
        """Of a Unix socket."""
        return Path(self.where.removeprefix("unix:"))

    @property
    def port(self) -> int:
        """Of a TCP socket."""
        return int(self.where.rpartition(":")[2])

    def connect(self) -> socket.socket:
        """A connection of bytes."""
        if self.where.startswith("unix:"):
            one = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            one.settimeout(DEADLINE_S)
            one.connect(str(self.socket_path))
            return one
        return socket.create_connection(("127.0.0.1", self.port), DEADLINE_S)

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Reply:
        """Send one request; `_` in names of headers stands for `-`."""
        connection: http.client.HTTPConnection
        if self.where.startswith("unix:"):
            connection = UnixConnection(self.socket_path)
        elif self.client_tls is not None:
            connection = http.client.HTTPSConnection(
                "localhost", self.port, timeout=DEADLINE_S, context=self.client_tls
            )
        else:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE_S)
        with closing(connection):
            sent = {name.replace("_", "-"): text for name, text in headers.items()}
            with suppress(BrokenPipeError):  # refused, and closed, before it was sent whole
                connection.request(method, path, body, sent)
            answer = connection.getresponse()
            return Reply(answer.status, answer.headers, answer.read())

    def get(self, path: str, **headers: str) -> Reply:
        """GET."""
        return self.ask("GET", path, None, **headers)

    def raw(self, request: bytes) -> bytes:
        """What is answered to these very bytes until the other end closes."""
        with closing(self.connect()) as one:
            one.sendall(request)
            return read_all(one)

    def records(self) -> list[dict[str, Any]]:
        """The lines of the audit log."""
        if self.log is None:
            return []
        lines = [line for one in sorted(self.log.iterdir()) for line in one.read_text().split("\n")]
        return [json.loads(line) for line in lines if line]

    def record(self, name: str, event: str = "http.refused") -> dict[str, Any]:
        """The first refusal of a kind in the audit log, as soon as it is there."""
        found: list[dict[str, Any]] = []

        def is_there() -> bool:
            found[:] = [
                one
                for one in self.records()
                if one["event"] == event and str(one["detail"].get("problem", "")).startswith(name)
            ]
            return bool(found)

        wait_until(is_there, f"the log says {name}")
        return found[0]


def read_all(one: socket.socket) -> bytes:
    """All bytes until the other end closes."""
    answer = b""
    try:
        while data := one.recv(1 << 16):
            answer += data
    except ConnectionResetError:
        pass
    return answer


@contextmanager
def running(
    spec: HttpSpec,
    folder: Path,
    served: InMemory | None = None,
    *,
    limits: Limits | None = None,
    client_tls: ssl.SSLContext | None = None,
    has_log: bool = True,
) -> Iterator[RunningEndpoint]:
    """An endpoint in a thread of its own.

    Raises:
        HeapgraphError: it will not listen like this.
    """
    served = served or InMemory()
    log = AuditLog(folder / "audit") if has_log else NoLog()
    endpoint = Endpoint(spec, served, log, folder / "answers", limits=limits)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        where = asyncio.run_coroutine_threadsafe(endpoint.start(), loop).result(DEADLINE_S)
        path = folder / "audit" if has_log else None
        yield RunningEndpoint(where, served, path, endpoint, client_tls)
    finally:
        asyncio.run_coroutine_threadsafe(endpoint.stop(), loop).result(DEADLINE_S)
        asyncio.run_coroutine_threadsafe(loop.shutdown_default_executor(), loop).result(DEADLINE_S)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(DEADLINE_S)
        loop.close()
        log.close()
