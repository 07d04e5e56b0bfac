"""Snapshots: taken on request, listed, downloaded."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from heapgraph.watch.audit.failures import AuditUnavailable
from heapgraph.watch.http.downloads import send_file
from heapgraph.watch.http.problems import Problem, answer
from heapgraph.watch.http.routes import Route
from heapgraph.watch.http.served import (
    AlreadyEnded,
    OverBudget,
    SnapshotRefused,
    SnapshotRunning,
    StoreFull,
)
from heapgraph.watch.http.state_routes import retry_after

if TYPE_CHECKING:
    from aiohttp import web

    from heapgraph.watch.http.routes import Ask
    from heapgraph.watch.http.served import Operation, StoredSnapshot


async def _start(ask: Ask) -> web.StreamResponse:
    """Begin to take a snapshot; the answer says where to ask what became of it."""
    ask.only()
    worker = ask.context.worker(ask.values)
    try:
        started = await ask.context.served.start_snapshot(worker, ask.caller.actor, ask.peer.origin)
    except SnapshotRunning as failure:
        more = {"operation": _place(failure.operation)} if failure.operation else {}
        raise Problem.of(409, "running", failure, more=more) from failure
    except OverBudget as failure:
        headers = {"Retry-After": retry_after(failure.retry_after_s)}
        raise Problem.of(429, "over-budget", failure, headers=headers) from failure
    except StoreFull as failure:
        raise Problem.of(507, "store-full", failure) from failure
    except SnapshotRefused as failure:
        raise Problem.of(409, "refused", failure) from failure
    except AuditUnavailable as failure:
        raise _no_audit() from failure
    return answer(_operation(started), 202, Location=_place(started.id))


async def _cancel(ask: Ask) -> web.StreamResponse:
    ask.only()
    wanted = ask.values["id"]
    try:
        ended = await ask.context.served.cancel(wanted, ask.caller.actor, ask.peer.origin)
    except KeyError as failure:
        raise _no_operation() from failure
    except AlreadyEnded as failure:
        raise Problem.of(409, "ended", failure) from failure
    except AuditUnavailable as failure:
        raise _no_audit() from failure
    return answer(_operation(ended))


async def _operations(ask: Ask) -> web.StreamResponse:
    ask.only()
    return answer({"operations": [_operation(one) for one in ask.context.served.operations()]})


async def _one_operation(ask: Ask) -> web.StreamResponse:
    ask.only()
    for one in ask.context.served.operations():
        if one.id == ask.values["id"]:
            return answer(_operation(one))
    raise _no_operation()


async def _snapshots(ask: Ask) -> web.StreamResponse:
    ask.only()
    return answer({"snapshots": [_snapshot(one) for one in ask.context.served.snapshots()]})


async def _download(ask: Ask) -> web.StreamResponse:
    """The file itself; `latest` is the newest."""
    ask.only()
    return await send_file(ask, ask.context.snapshot(ask.values["id"]))


def _snapshot(one: StoredSnapshot) -> dict[str, Any]:
    return {**asdict(one), "worker": str(one.worker), "location": f"/v1/snapshots/{one.id}"}


def _operation(one: Operation) -> dict[str, Any]:
    document = {**asdict(one), "worker": str(one.worker), "error": list(one.error)}
    if one.snapshot:
        document["location"] = f"/v1/snapshots/{one.snapshot}"
    return document


def _place(operation_id: str) -> str:
    return f"/v1/operations/{operation_id}"


def _no_operation() -> Problem:
    return Problem(404, "no-operation", "there is no such operation", hint="GET /v1/operations")


def _no_audit() -> Problem:
    return Problem(
        503,
        "no-audit",
        "nothing is done",
        "the audit log cannot be written, and what cannot be written down is not done",
        headers={"Retry-After": "60"},
    )


ROUTES = (
    Route("POST", "/v1/targets/{target}/{slot}/snapshot", "snapshot", "snapshot", _start),
    Route("GET", "/v1/operations", "status", "status", _operations),
    Route("GET", "/v1/operations/{id}", "status", "status", _one_operation),
    Route("DELETE", "/v1/operations/{id}", "snapshot", "snapshot", _cancel),
    Route("GET", "/v1/snapshots", "status", "status", _snapshots),
    Route("GET", "/v1/snapshots/{id}", "download", "download", _download),
)
