"""The state: is it well, what is watched, where rules stand, metrics."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from heapgraph.watch.http.problems import Problem, answer, text_answer
from heapgraph.watch.http.routes import Route

if TYPE_CHECKING:
    from aiohttp import web

    from heapgraph.watch.http.routes import Ask
    from heapgraph.watch.http.served import RuleStatus, TargetStatus
    from heapgraph.watch.model import Census, WorkerName


_PLAIN = "text/plain; charset=utf-8"


def _has_names(ask: Ask) -> bool:
    """Whether names of types and holders may be in the answer."""
    return "names" in ask.context.expose and ask.caller.may("names")


async def _healthz(ask: Ask) -> web.StreamResponse:
    """Whether the daemon answers at all."""
    ask.only()
    return text_answer("ok\n", _PLAIN)


async def _readyz(ask: Ask) -> web.StreamResponse:
    """Whether it watches; the reason is for those who may see the state."""
    ask.only()
    if why := ask.context.served.not_ready():
        detail = why if ask.caller.scope else ""
        raise Problem(503, "not-ready", "not ready", detail, headers={"Retry-After": "5"})
    return text_answer("ok\n", _PLAIN)


async def _metrics(ask: Ask) -> web.StreamResponse:
    ask.only()
    accept = ask.request.headers.get("Accept", "")
    return text_answer(*ask.context.served.metrics_text(names=_has_names(ask), accept=accept))


async def _targets(ask: Ask) -> web.StreamResponse:
    ask.only()
    found = ask.context.served.targets()
    return answer({"targets": [_target(ask, one) for one in found]})


def _target(ask: Ask, status: TargetStatus) -> dict[str, Any]:
    worker = status.worker
    document: dict[str, Any] = {
        "target": worker.name.target,
        "slot": worker.name.slot,
        "worker": str(worker.name),
        "pid": worker.key.pid,
        "python_version": worker.python_version,
        "up": status.is_up,
        "values": dict(status.values),
        "sample_age_s": _rounded(status.sample_age_s),
        "census": _census_summary(ask, ask.context.served.census(worker.name)),
    }
    if _has_names(ask):
        document["executable"] = worker.executable
    return document


def _census_summary(ask: Ask, census: Census | None) -> dict[str, Any] | None:
    """A census in numbers."""
    if census is None:
        return None
    return {
        "created": census.created,
        "age_s": _rounded(ask.context.clock() - census.taken_at),
        "pause_ms": census.pause_ms,
        "seconds": census.seconds,
        "method": census.method,
        "why_paused": census.why_paused,
        "quality": census.quality,
        "objects": census.objects,
        "objects_size": census.objects_size,
        "unreachable_size": census.unreachable_size,
        "suspects": len(census.suspects),
    }


async def _census(ask: Ask) -> web.StreamResponse:
    """The last census with its names."""
    ask.only()
    worker = ask.context.worker(ask.values)
    census = ask.context.served.census(worker)
    if census is None:
        raise Problem(
            503,
            "no-census",
            f"there is no census of {worker} yet",
            "of each target one worker is counted again and again, mostly the largest",
            _next_census(ask, worker),
            headers={"Retry-After": retry_after(ask.context.served.next_census_s(worker))},
        )
    summary = _census_summary(ask, census) or {}
    return answer(
        {
            **summary,
            "memory": dict(census.memory),
            "types": [asdict(one) for one in census.types],
            "holders": [asdict(one) for one in census.holders],
            "suspects": [asdict(one) for one in census.suspects],
        }
    )


def _next_census(ask: Ask, worker: WorkerName) -> str:
    """What to ask instead, or when again."""
    counted = counted_worker(ask, worker.target)
    if counted is None:
        return "ask again after Retry-After; census = ... in [watch] says how often"
    return f"GET /v1/targets/{counted}/census"


def counted_worker(ask: Ask, target: str) -> WorkerName | None:
    """The worker of a target with the newest census; None: there was none yet."""
    served = ask.context.served
    names = (one.worker.name for one in served.targets() if one.worker.name.target == target)
    found = [(one.taken_at, name) for name in names if (one := served.census(name)) is not None]
    return max(found)[1] if found else None


async def _rules(ask: Ask) -> web.StreamResponse:
    ask.only()
    has_names = _has_names(ask)
    return answer(
        {"rules": [_rule(one, has_names=has_names) for one in ask.context.served.rules()]}
    )


def _rule(status: RuleStatus, *, has_names: bool) -> dict[str, Any]:
    document: dict[str, Any] = {
        "rule": status.rule,
        "worker": str(status.worker),
        "state": status.state.value,
        "since": status.since,
        "withheld": status.withheld,
    }
    seen = status.observation
    if seen is not None:
        document |= {"value": seen.value, "limit": seen.limit, "times": seen.times}
        if has_names:
            document |= {"metric": seen.metric, "text": seen.text}
    return document


def retry_after(seconds: float | None) -> str:
    """The header `Retry-After`: whole seconds, at least one; a minute where nobody knows."""
    return str(60 if seconds is None else max(1, min(86400, round(seconds + 0.5))))


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)


ROUTES = (
    Route("GET", "/healthz", "", "", _healthz),
    Route("GET", "/readyz", "", "", _readyz),
    Route("GET", "/metrics", "metrics", "status", _metrics),
    Route("GET", "/v1/targets", "status", "status", _targets),
    Route("GET", "/v1/targets/{target}/{slot}/census", "names", "names", _census),
    Route("GET", "/v1/rules", "status", "status", _rules),
)
