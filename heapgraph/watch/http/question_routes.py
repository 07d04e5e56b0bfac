"""Questions about a snapshot: the JSON and the picture of the command line."""

from __future__ import annotations

import asyncio
from contextlib import closing
from typing import TYPE_CHECKING

from aiohttp import web

from heapgraph.analysis.declarations.parameters import Kind
from heapgraph.analysis.declarations.questions import QUESTIONS
from heapgraph.errors import UsageError
from heapgraph.export.registry import EXPORTERS
from heapgraph.watch.audit.failures import AuditUnavailable
from heapgraph.watch.audit.record import Entry
from heapgraph.watch.http.answers import OUTPUT, Question, descriptor_path
from heapgraph.watch.http.downloads import is_known, stream
from heapgraph.watch.http.problems import HEADERS, Problem
from heapgraph.watch.http.routes import Route

if TYPE_CHECKING:
    from collections.abc import Sequence

    from heapgraph.analysis.declarations.parameters import Parameter
    from heapgraph.watch.http.routes import Ask
    from heapgraph.watch.http.served import StoredSnapshot

ASKED = (
    *("summary", "histogram", "dominators", "suspects", "threads", "waste", "memory", "path"),
    "picture.svg",
)
"""What may be asked of a snapshot: commands of heapgraph, and its picture."""

_TYPES = {"picture.svg": "image/svg+xml"}

_NAMES_ONLY = ("histogram",)
"""Their answers have names of types, and nothing else of the target, whatever the snapshot has."""

_BETWEEN = "\0"


def parameters_of(question: str) -> tuple[Parameter, ...]:
    """The parameters that a question takes here: those of its command."""
    if question == "picture.svg":
        return EXPORTERS["svg"].inputs
    return next(one.parameters for one in QUESTIONS if one.command_name == question)


async def _answer(ask: Ask) -> web.StreamResponse:
    """Answer from a program, or from what it answered before."""
    name = ask.values["question"]
    if name not in ASKED:
        raise Problem(
            404, "no-question", "there is no such question", hint=f"one of {', '.join(ASKED)}"
        )
    snapshot = ask.context.snapshot(ask.values["id"])
    _check_access(ask, name, snapshot)
    words, arguments = _words(ask, name)
    key = _BETWEEN.join([snapshot.sha256, name, *words, *arguments])
    question = Question(key, ())
    headers = {"ETag": question.tag, "Content-Type": _TYPES.get(name, "application/json")}
    if is_known(ask.request, question.tag):
        return web.Response(status=304, headers={**HEADERS, **headers})
    if not snapshot.redacted:
        await _record(ask, name, snapshot)
    try:
        file = ask.context.served.open_snapshot(snapshot.id)
    except KeyError as failure:
        raise Problem(404, "no-snapshot", "the snapshot is gone") from failure
    with closing(file):
        path = descriptor_path(file.fileno())
        is_picture = name == "picture.svg"
        ends = ["-o", OUTPUT] if is_picture else ["--json"]
        command = "svg" if is_picture else name
        program = ("-m", "heapgraph", command, *ends, *words, "--", path, *arguments)
        found = await ask.context.answers.ask(Question(key, program, (file.fileno(),)))
    with closing(found):
        size = found.seek(0, 2)
        response = web.StreamResponse(headers={**HEADERS, **headers, "Content-Length": str(size)})
        if ask.request.method != "HEAD":
            await stream(ask.request, response, found, 0, size, ask.context.limits)
        return response


def _check_access(ask: Ask, name: str, snapshot: StoredSnapshot) -> None:
    """Names need `names`, paths and holders `profiles`; a snapshot with values is a download."""
    scope = "profiles" if snapshot.redacted else "download"
    if name in _NAMES_ONLY:
        scope = "names"
    if scope not in ask.context.expose:
        raise Problem(
            404,
            "not-exposed",
            f"this needs {scope}, which is not switched on",
            hint=f'expose = [..., "{scope}"] in [http]',
        )
    if not ask.caller.may(scope):
        raise Problem(403, "scope", f"this needs the scope {scope}", f"yours is {ask.caller.scope}")


async def _record(ask: Ask, name: str, snapshot: StoredSnapshot) -> None:
    """An answer from a snapshot with values is written down like a download."""
    detail = {"snapshot": snapshot.id, "question": name, "redacted": False}
    entry = Entry("download", ask.caller.actor, ask.peer.origin, detail=detail)
    try:
        await asyncio.to_thread(lambda: ask.context.audit.begin(entry).end())
    except AuditUnavailable as failure:
        raise Problem(503, "no-audit", "the audit log cannot be written") from failure


def _words(ask: Ask, name: str) -> tuple[list[str], list[str]]:
    """Options and arguments of the command line, from the query; each is checked first.

    Raises:
        Problem: 400: a parameter that the question does not have, or a wrong value.
    """
    known = {one.name: one for one in parameters_of(name) if one.kind is not Kind.SNAPSHOT}
    query = ask.request.query
    if unknown := [key for key in query if key not in known]:
        raise Problem(
            400,
            "bad-parameter",
            f"{name} has no parameter {ascii(unknown[0])[:40]}",
            hint=f"parameters: {', '.join(known) or 'none'}",
        )
    missing = [one.name for one in known.values() if one.is_argument and one.name not in query]
    if missing:
        raise Problem(400, "bad-parameter", f"{name} needs {missing[0]}", hint=f"?{missing[0]}=...")
    options: list[str] = []
    arguments: list[str] = []
    for key in dict.fromkeys(query):
        parameter, values = known[key], query.getall(key)
        _check(parameter, values)
        if parameter.is_argument:
            arguments += values
        elif parameter.kind is not Kind.FLAG:
            options += [word for value in values for word in (parameter.option_name, value)]
        elif values == ["yes"]:
            options.append(parameter.option_name)
    return options, arguments


def _check(parameter: Parameter, values: Sequence[str]) -> None:
    if len(values) > 1 and not parameter.many:
        raise Problem(400, "bad-parameter", f"{parameter.name} comes twice")
    try:
        for value in values:
            parameter.parse(value)
    except UsageError as failure:
        raise Problem.of(400, "bad-parameter", failure) from failure
    if any("\0" in value for value in values):
        raise Problem(400, "bad-parameter", f"{parameter.name} has a character that nobody types")


ROUTES = (Route("GET", "/v1/snapshots/{id}/{question}", "", "status", _answer),)
