"""Passes a request on to the daemon's Unix socket, as far as the service allows it.

Only reading is passed on, no download and no snapshot: what the caller may see is told to the
daemon, which refuses the rest. Bodies are bounded, and so are time and requests at once.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import socket
import struct
import threading
import time
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

PREFIX = "/debug/heapgraph"

SCOPES = ("status", "names", "profiles")
"""What a service may allow here, each with those before it."""

_METHODS = ("GET", "HEAD")
_PATH = re.compile(
    r"/(?:healthz|readyz|metrics|v1(?:/[A-Za-z0-9][A-Za-z0-9_.-]*){1,4}|debug/pprof/[a-z]{0,16})",
    re.ASCII,
)
_QUERY = re.compile(r"[!-~]{0,2048}", re.ASCII)
_TO_DAEMON = ("accept", "if-none-match")
_FROM_DAEMON = (
    *("content-type", "content-disposition", "etag", "age", "retry-after", "cache-control"),
    *("x-content-type-options", "content-security-policy", "referrer-policy"),
    "cross-origin-resource-policy",
)
_HEADER_VALUE = re.compile(r"[ -~]{0,1024}", re.ASCII)
_CHUNK_BYTES = 1 << 16
_PEER = struct.Struct("3i")


@dataclass(frozen=True)
class Answer:
    """What is sent to the caller."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def headers_for(self, method: str) -> list[tuple[str, str]]:
        """All headers; the answer to HEAD has no body, and says nothing of its length."""
        length = [] if method == "HEAD" else [("Content-Length", str(len(self.body)))]
        return [*self.headers, *length]

    @property
    def line(self) -> str:
        """Status and its name, as WSGI wants it."""
        return f"{self.status} {http.client.responses.get(self.status, 'Unknown')}"


class Proxy:
    """Asks the daemon.

    Args:
        path: of the daemon's socket.
        daemon_uid: user that the daemon runs as; None: root, or the user of this process.
        timeout_s: for one answer, from the first to the last byte.
        max_bytes: of one answer.
        at_once: requests at the same time; more are refused.
    """

    def __init__(
        self,
        path: str,
        *,
        daemon_uid: int | None = None,
        timeout_s: float = 30.0,
        max_bytes: int = 32 << 20,
        at_once: int = 4,
    ) -> None:
        """Connect to nothing yet."""
        self._path = os.fspath(path)
        self._uids = {0, os.geteuid()} if daemon_uid is None else {daemon_uid}
        self._timeout_s, self._max_bytes = timeout_s, max_bytes
        self._free = threading.BoundedSemaphore(at_once)

    def ask(
        self,
        method: str,
        path: str,
        query: str,
        headers: Iterable[tuple[str, str]],
        granted: object,
    ) -> Answer:
        """The daemon's answer, or why there is none.

        Args:
            method: of the request.
            path: behind the prefix.
            query: without the question mark.
            headers: of the request; most are not passed on.
            granted: what the service's hook returned: one of `SCOPES`, True for "status"; anything
                else is a refusal.
        """
        scope = "status" if granted is True else granted
        if scope not in SCOPES:
            return problem(403, "the service does not allow it")
        if method not in _METHODS:
            return problem(405, "only GET and HEAD are passed on", ("Allow", "GET, HEAD"))
        if not _PATH.fullmatch(path) or ".." in path or not _QUERY.fullmatch(query):
            return problem(404, "there is nothing at this address")
        if not self._free.acquire(blocking=False):
            return problem(503, "too many requests at once", ("Retry-After", "1"))
        try:
            return self._fetch(method, f"{path}?{query}" if query else path, headers, str(scope))
        except (OSError, http.client.HTTPException, ValueError):
            return problem(502, "the daemon of heapgraph does not answer")
        finally:
            self._free.release()

    def _fetch(
        self, method: str, target: str, headers: Iterable[tuple[str, str]], scope: str
    ) -> Answer:
        until = time.monotonic() + self._timeout_s
        connection = http.client.HTTPConnection("heapgraph", timeout=self._timeout_s)
        with closing(connection):
            connection.sock = self._connected()
            connection.putrequest(method, target, skip_accept_encoding=True)
            for name, value in headers:
                if name.lower() in _TO_DAEMON and _HEADER_VALUE.fullmatch(value):
                    connection.putheader(name, value)
            connection.putheader("Heapgraph-Scope", scope)
            connection.putheader("Connection", "close")
            connection.endheaders()
            with closing(connection.getresponse()) as response:
                body = self._body(response, until)
                kept = tuple(
                    (name, value)
                    for name, value in response.getheaders()
                    if name.lower() in _FROM_DAEMON and _HEADER_VALUE.fullmatch(value)
                )
                return Answer(response.status, kept, body)

    def _connected(self) -> socket.socket:
        """A connection to the daemon; nobody else is asked, who might have made such a socket."""
        one = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            one.settimeout(self._timeout_s)
            one.connect(self._path)
            about = one.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size)
        except BaseException:
            one.close()
            raise
        if _PEER.unpack(about)[1] not in self._uids:
            one.close()
            raise PermissionError("the socket is another user's")
        return one

    def _body(self, response: http.client.HTTPResponse, until: float) -> bytes:
        parts: list[bytes] = []
        size = 0
        while chunk := response.read1(_CHUNK_BYTES):
            size += len(chunk)
            if size > self._max_bytes:
                raise ValueError("the answer is too large")
            if time.monotonic() > until:
                raise TimeoutError
            parts.append(chunk)
        return b"".join(parts)


def problem(status: int, title: str, *headers: tuple[str, str]) -> Answer:
    """A refusal as a problem document (RFC 9457)."""
    document = {"type": "urn:heapgraph:problem:mount", "title": title, "status": status}
    kept = (("Content-Type", "application/problem+json"), ("Cache-Control", "no-store"), *headers)
    return Answer(status, kept, json.dumps(document).encode())


def path_behind(prefix: str, path: str) -> str | None:
    """What of a path stands behind the prefix; None: it does not begin with it."""
    if path == prefix:
        return "/"
    return path.removeprefix(prefix) if path.startswith(f"{prefix}/") else None


def checked_hook(allow: object) -> None:
    """Refuse to be mounted without an answer to the question who may see this.

    Raises:
        TypeError: `allow` is not callable.
    """
    if not callable(allow):
        raise TypeError(
            "allow has to be a function that takes the request and returns who may see what: "
            '"status", "names", "profiles", or None'
        )
