"""Heap profiles where Go programs have them, for `go tool pprof` and whatever scrapes those.

A scraper comes on a clock of its own. It gets the profile of the last census, or is told to come
again: no request here stops a target.
"""

from __future__ import annotations

import importlib.util
import re
from contextlib import closing
from typing import TYPE_CHECKING

from aiohttp import web

from heapgraph.safe_text import printable
from heapgraph.units import format_count, format_size
from heapgraph.watch.http.answers import OUTPUT, Question
from heapgraph.watch.http.downloads import stream
from heapgraph.watch.http.problems import HEADERS, Problem, text_answer
from heapgraph.watch.http.routes import Route
from heapgraph.watch.http.state_routes import counted_worker, retry_after

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import BinaryIO

    from heapgraph.watch.http.routes import Ask
    from heapgraph.watch.http.served import Profile
    from heapgraph.watch.model import WorkerName

DELTA_MODULE = "heapgraph.export.pprof_delta"
"""Run as `python -m MODULE OLD NEW -o FILE`: writes what NEW has more than OLD."""

_PLAIN = "text/plain; charset=utf-8"
_PROFILE_TYPE = "application/octet-stream"
_SECONDS = re.compile(r"[1-9][0-9]{0,6}", re.ASCII)
_WORKER = re.compile(r"([A-Za-z0-9][A-Za-z0-9_.-]{0,63})/(0|[1-9][0-9]{0,5})", re.ASCII)
_ROWS = 30


async def _index(ask: Ask) -> web.StreamResponse:
    """What there is, for people."""
    ask.only()
    lines = ["profiles of the last census of each worker, in the format of pprof", ""]
    served = ask.context.served
    names = [status.worker.name for status in served.targets()]
    counted = [name for name in names if served.profiles(name)]
    lines += [f"/debug/pprof/heap?worker={name}" for name in counted]
    if not counted:
        lines.append("none yet: the first census makes one")
    lines += ["", "allocs is the same as heap; debug=1 is text; seconds=N what was added in N s"]
    return text_answer("\n".join(lines) + "\n", _PLAIN)


async def _heap(ask: Ask) -> web.StreamResponse:
    """The profile of a worker: its heap at the last census, or what was added before that."""
    ask.only("worker", "debug", "seconds", "gc")
    if ask.flag("gc"):
        raise Problem(
            400,
            "no-collection",
            "gc=1 is refused",
            "heapgraph runs nothing in a target, and collects nothing there",
            "leave gc away",
        )
    worker = _worker(ask)
    if ask.flag("debug"):
        if "seconds" in ask.request.query:
            raise Problem(400, "bad-parameter", "debug and seconds do not go together")
        return _top(ask, worker)
    profiles = ask.context.served.profiles(worker)
    if not profiles or _age(ask, profiles[0]) > ask.context.limits.census_age_s:
        raise _too_old(ask, worker)
    headers = {"Age": str(max(0, int(_age(ask, profiles[0]))))}
    if "seconds" in ask.request.query:
        older = _older(ask, profiles)
        with closing(await _delta(ask, older, profiles[0])) as file:
            return await _send(ask, file, "delta", headers)
    try:
        file = profiles[0].file.open("rb")
    except OSError as failure:
        raise _too_old(ask, worker) from failure
    with closing(file):
        return await _send(ask, file, "heap", headers)


def _worker(ask: Ask) -> WorkerName:
    """The worker of `?worker=web/0`, the counted one of `?worker=web`, or the only one there is."""
    text = ask.request.query.get("worker")
    names = [one.worker.name for one in ask.context.served.targets()]
    if text is None and len(names) == 1:
        return names[0]
    if text is None:
        raise Problem(
            400 if names else 404,
            "which-worker",
            "say which worker is meant" if names else "no worker is watched",
            hint="?worker=NAME/SLOT",
            more={"workers": [str(name) for name in names]},
        )
    if any(name.target == text for name in names):
        return counted_worker(ask, text) or next(name for name in names if name.target == text)
    match = _WORKER.fullmatch(text)
    if match is None:
        raise Problem(
            400,
            "bad-parameter",
            "worker is the NAME of a target that is watched, or NAME/SLOT",
            hint="?worker=web/0",
            more={"workers": [str(name) for name in names]},
        )
    return ask.context.worker({"target": match[1], "slot": match[2]})


def _older(ask: Ask, profiles: Sequence[Profile]) -> Profile:
    """The newest profile that is at least so many seconds older than the newest of all."""
    text = ask.request.query["seconds"]
    if not _SECONDS.fullmatch(text):
        raise Problem(400, "bad-parameter", "seconds is a whole number above 0")
    for one in profiles[1:]:
        if profiles[0].taken_at - one.taken_at >= int(text):
            return one
    raise Problem(
        503,
        "no-census",
        f"no census of this process is {text} s older than the last one",
        headers={"Retry-After": text},
    )


async def _delta(ask: Ask, old: Profile, new: Profile) -> BinaryIO:
    if importlib.util.find_spec(DELTA_MODULE) is None:
        raise Problem(501, "no-delta", "this heapgraph cannot subtract profiles")
    words = ("-m", DELTA_MODULE, "-o", OUTPUT, "--", str(old.file), str(new.file))
    key = "\0".join(["delta", *words, str(old.taken_at), str(new.taken_at)])
    return await ask.context.answers.ask(Question(key, words))


async def _send(ask: Ask, file: BinaryIO, name: str, headers: dict[str, str]) -> web.StreamResponse:
    size = file.seek(0, 2)
    response = web.StreamResponse(
        headers={
            **HEADERS,
            **headers,
            "Content-Type": _PROFILE_TYPE,
            "Content-Disposition": f'attachment; filename="{name}.pb.gz"',
            "Content-Length": str(size),
        }
    )
    if ask.request.method != "HEAD":
        await stream(ask.request, response, file, 0, size, ask.context.limits)
    return response


def _top(ask: Ask, worker: WorkerName) -> web.StreamResponse:
    """The largest holders and types of the last census, as text."""
    census = ask.context.served.census(worker)
    if census is None:
        raise _too_old(ask, worker)
    age = ask.context.clock() - census.taken_at
    if age > ask.context.limits.census_age_s:
        raise _too_old(ask, worker)
    lines = [
        f"{worker}: {format_count(census.objects)} objects, {format_size(census.objects_size)}",
        f"census of {census.created}, paused for {census.pause_ms:.1f} ms, {census.quality}",
        "",
        f"{'retained':>10}  holder",
    ]
    lines += [
        f"{format_size(holder.retained_size):>10}  {holder.expression}"
        for holder in census.holders[:_ROWS]
    ]
    lines += ["", f"{'size':>10}  {'objects':>12}  type"]
    for one in census.types[:_ROWS]:
        size, count = format_size(one.shallow_size), format_count(one.objects)
        lines.append(f"{size:>10}  {count:>12}  {one.name}")
    text = "\n".join(printable(line) for line in lines) + "\n"
    return text_answer(text, _PLAIN, Age=str(max(0, int(age))))


def _age(ask: Ask, profile: Profile) -> float:
    return ask.context.clock() - profile.taken_at


def _too_old(ask: Ask, worker: WorkerName) -> Problem:
    limit = ask.context.limits.census_age_s
    counted = counted_worker(ask, worker.target)
    if counted not in (None, worker):
        return Problem(
            503,
            "no-census",
            f"there is no census of {worker} of the last {limit:.0f} s",
            f"of each target one worker is counted again and again: now that is {counted}",
            f"?worker={counted}, or ?worker={worker.target} for the one that is counted",
            headers={"Retry-After": retry_after(ask.context.served.next_census_s(worker))},
        )
    return Problem(
        503,
        "no-census",
        f"there is no census of {worker} of the last {limit:.0f} s",
        "no request stops a target: profiles are of the censuses that the settings ask for",
        'census = "4m" in [watch] for a scraper',
        headers={"Retry-After": retry_after(ask.context.served.next_census_s(worker))},
    )


ROUTES = (
    Route("GET", "/debug/pprof/", "profiles", "profiles", _index),
    Route("GET", "/debug/pprof/heap", "profiles", "profiles", _heap),
    Route("GET", "/debug/pprof/allocs", "profiles", "profiles", _heap),
)
