"""A snapshot over the wire: a part of it, only if it has changed, and written down before."""

from __future__ import annotations

import asyncio
import os
import re
from contextlib import closing, suppress
from typing import TYPE_CHECKING, NamedTuple

from aiohttp import web

from heapgraph.watch.audit.failures import AuditUnavailable
from heapgraph.watch.audit.record import Entry
from heapgraph.watch.http.problems import HEADERS, Problem

if TYPE_CHECKING:
    from typing import BinaryIO

    from heapgraph.watch.http.limits import Limits
    from heapgraph.watch.http.routes import Ask
    from heapgraph.watch.http.served import StoredSnapshot

SNAPSHOT_TYPE = "application/vnd.heapgraph.snapshot"

_CHUNK_BYTES = 1 << 17

_NO_BYTES = re.compile(r"bytes=\s*-0+", re.ASCII)
"""The last 0 bytes: aiohttp takes it for all of them."""


class _Part(NamedTuple):
    """Bytes of a file: from `start` up to `stop`, and whether that is less than all."""

    start: int
    stop: int
    is_part: bool


async def send_file(ask: Ask, snapshot: StoredSnapshot) -> web.StreamResponse:
    """Send a snapshot, or the part of it that was asked for.

    Raises:
        Problem: 404: it is gone; 416: no such part; 503: it cannot be written down.
    """
    tag = f'"{snapshot.sha256}"'
    headers = {"ETag": tag, "Accept-Ranges": "bytes"}
    if is_known(ask.request, tag):
        return web.Response(status=304, headers={**HEADERS, **headers})
    part = _part(ask.request, snapshot.size, tag)
    headers |= {
        "Content-Type": SNAPSHOT_TYPE,
        "Content-Length": str(part.stop - part.start),
        "Content-Disposition": f'attachment; filename="{snapshot.id}.heapgraph"',
    }
    if part.is_part:
        headers["Content-Range"] = f"bytes {part.start}-{part.stop - 1}/{snapshot.size}"
    status = 206 if part.is_part else 200
    if ask.request.method == "HEAD":
        return web.StreamResponse(status=status, headers={**HEADERS, **headers})
    try:
        file = ask.context.served.open_snapshot(snapshot.id)
    except KeyError as failure:
        raise Problem(404, "no-snapshot", "the snapshot is gone") from failure
    with closing(file):
        return await _send_recorded(ask, snapshot, file, part, status, headers)


def is_known(request: web.BaseRequest, tag: str) -> bool:
    """Whether the peer has this very content already (If-None-Match)."""
    sent = ",".join(request.headers.getall("If-None-Match", []))
    known = [one.strip().removeprefix("W/") for one in sent.split(",")]
    return tag in known or "*" in known


async def _send_recorded(  # noqa: PLR0917 - one request
    ask: Ask,
    snapshot: StoredSnapshot,
    file: BinaryIO,
    part: _Part,
    status: int,
    headers: dict[str, str],
) -> web.StreamResponse:
    """Write down that it begins, send it, write down how it ended."""
    about = {
        "snapshot": snapshot.id,
        "sha256": snapshot.sha256,
        "redacted": snapshot.redacted,
        "bytes": part.stop - part.start,
    }
    entry = Entry("download", ask.caller.actor, ask.peer.origin, detail=about)
    try:
        act = await asyncio.to_thread(ask.context.audit.begin, entry)
    except AuditUnavailable as failure:
        raise Problem(
            503,
            "no-audit",
            "nothing is sent",
            "the audit log cannot be written, and what cannot be written down is not done",
            headers={"Retry-After": "60"},
        ) from failure
    outcome = "failed"
    try:
        response = web.StreamResponse(status=status, headers={**HEADERS, **headers})
        await stream(ask.request, response, file, part.start, part.stop, ask.context.limits)
        outcome = "done"
        return response
    finally:
        with suppress(AuditUnavailable):  # it was begun, and that is written down
            await asyncio.shield(asyncio.to_thread(act.end, outcome))


async def stream(  # noqa: PLR0917 - one request
    request: web.BaseRequest,
    response: web.StreamResponse,
    file: BinaryIO,
    start: int,
    stop: int,
    limits: Limits,
) -> None:
    """Send bytes of a file in constant memory; a peer that does not read them is left.

    Raises:
        ConnectionError: it has not read for too long, or the file is shorter than it was.
    """
    await response.prepare(request)
    descriptor = file.fileno()
    while start < stop:
        wanted = min(_CHUNK_BYTES, stop - start)
        chunk = await asyncio.to_thread(os.pread, descriptor, wanted, start)
        if not chunk:
            raise ConnectionError("the file has become shorter")
        try:
            async with asyncio.timeout(limits.write_s):
                await response.write(chunk)
        except TimeoutError as failure:
            if request.transport is not None:
                request.transport.abort()
            raise ConnectionError("the peer does not read") from failure
        start += len(chunk)


def _part(request: web.BaseRequest, size: int, tag: str) -> _Part:
    """The part that is asked for: one range of bytes; all of it where the header is no such."""
    whole = _Part(0, size, is_part=False)
    if "Range" not in request.headers or request.headers.get("If-Range", tag) != tag:
        return whole
    try:
        asked = request.http_range
    except ValueError:
        return whole
    start, stop, _ = asked.indices(size)
    if start >= stop or _NO_BYTES.fullmatch(request.headers["Range"].strip()):
        raise Problem(
            416,
            "no-range",
            f"the file has {size} bytes",
            headers={"Content-Range": f"bytes */{size}"},
        )
    return _Part(start, stop, is_part=True)
