"""Which address is what, which part of the endpoint it belongs to, and the scope it needs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from heapgraph.watch.http.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from aiohttp import web

    from heapgraph.watch.http.callers import Caller, Peer
    from heapgraph.watch.http.context import Context

_PATTERNS = {
    "target": r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}",
    "slot": r"0|[1-9][0-9]{0,5}",
    "id": r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}",
    "question": r"[a-z]{1,32}(?:\.[a-z]{1,8})?",
}
"""What may stand in an address. No value has a slash or a percent sign, so that none leads out."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One request, and who sent it.

    Attributes:
        request: as aiohttp read it.
        caller: who asks.
        peer: from where.
        values: what stands in the address in the place of `{...}`.
        context: what answers are made of.
    """

    request: web.BaseRequest
    caller: Caller
    peer: Peer
    values: Mapping[str, str]
    context: Context

    def flag(self, name: str) -> bool:
        """A parameter of the query that is 0 or 1; 0 where it is missing.

        Raises:
            Problem: it is something else.
        """
        text = self.request.query.get(name, "0")
        if text not in ("0", "1"):
            raise Problem(400, "bad-parameter", f"{name} is 0 or 1", hint=f"?{name}=1")
        return text == "1"

    def only(self, *names: str) -> None:
        """Refuse parameters that mean nothing here: who sends them expects something else.

        Raises:
            Problem: there is one, or one comes twice.
        """
        query = self.request.query
        wrong = [name for name in query if name not in names or len(query.getall(name)) > 1]
        if wrong:
            raise Problem(
                400,
                "bad-parameter",
                f"the parameter {ascii(wrong[0])[:40]} means nothing here, or comes twice",
                hint=f"parameters: {', '.join(names) or 'none'}",
            )


@dataclass(frozen=True, slots=True)
class Route:
    """One address.

    Attributes:
        method: of HTTP; GET answers HEAD too.
        path: with `{target}`, `{slot}`, `{id}`, `{question}`.
        part: of `EXPOSURES`, "" for what is always there.
        scope: that a caller needs; "" for everybody who reaches the endpoint. Questions decide
            part and scope for each snapshot.
        handler: makes the answer.
    """

    method: str
    path: str
    part: str
    scope: str
    handler: Callable[[Ask], Awaitable[web.StreamResponse]]


class Router:
    """Finds the route of a request."""

    def __init__(self, routes: Sequence[Route]) -> None:
        """Keep the routes."""
        self._routes = [(_compiled(route.path), route) for route in routes]

    def find(self, method: str, path: str) -> tuple[Route, dict[str, str]]:
        """The route, and the values in the path as it was sent, nothing unquoted.

        Raises:
            Problem: 404: no such address; 405: not with this method.
        """
        asked = "GET" if method == "HEAD" else method
        allowed = []
        for pattern, route in self._routes:
            match = pattern.fullmatch(path)
            if match is None:
                continue
            if route.method == asked:
                return route, match.groupdict()
            allowed.append(route.method)
        if not allowed:
            raise Problem(404, "no-such-address", "there is nothing at this address")
        methods = ", ".join([*allowed, "HEAD"] if "GET" in allowed else allowed)
        raise Problem(
            405, "other-method", f"this address has {methods} only", headers={"Allow": methods}
        )


def _compiled(path: str) -> re.Pattern[str]:
    parts = re.split(r"\{(\w+)\}", path)
    text = [
        f"(?P<{part}>{_PATTERNS[part]})" if number % 2 else re.escape(part)
        for number, part in enumerate(parts)
    ]
    return re.compile("".join(text), re.ASCII)
