"""What every refusal of the endpoint has: a status, a problem document, a line in the log."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from helpers.endpoint import Reply, RunningEndpoint

TYPE = "urn:heapgraph:problem:"


def assert_refused(endpoint: RunningEndpoint, reply: Reply, status: int, name: str) -> None:
    """A refusal, as it has to be."""
    assert (reply.status, reply.headers["Content-Type"]) == (status, "application/problem+json"), (
        reply.body
    )
    assert_problem(reply.body, status, name)
    assert reply.headers["Cache-Control"] == "no-store"
    assert reply.headers["X-Content-Type-Options"] == "nosniff"
    assert reply.headers["Set-Cookie"] is None
    assert reply.headers["Access-Control-Allow-Origin"] is None
    assert_recorded(endpoint, status, name)


def assert_raw_refused(endpoint: RunningEndpoint, answer: bytes, status: int, name: str) -> None:
    """The same of an answer in bytes."""
    head, _, body = answer.partition(b"\r\n\r\n")
    # Where no version could be read, aiohttp takes the oldest.
    assert head[:9] in (b"HTTP/1.0 ", b"HTTP/1.1 "), answer
    assert head[9:13] == b"%d " % status, answer
    assert b"Content-Type: application/problem+json" in head
    assert_problem(body, status, name)
    assert_recorded(endpoint, status, name)


def assert_problem(body: bytes, status: int, name: str) -> None:
    """A document of RFC 9457."""
    document = json.loads(body)
    assert (document["type"], document["status"]) == (TYPE + name, status)
    assert document["title"]


def assert_recorded(endpoint: RunningEndpoint, status: int, name: str) -> None:
    """A line of the audit log."""
    record = endpoint.record(name)
    assert record["outcome"] == "refused"
    assert record["detail"]["status"] == status
