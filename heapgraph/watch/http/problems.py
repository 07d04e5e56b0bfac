"""Refusals and failures as problem documents (RFC 9457), and the headers of all answers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from aiohttp import web

from heapgraph.safe_text import json_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from heapgraph.errors import HeapgraphError

CONTENT_TYPE = "application/problem+json"

HEADERS = {
    "Server": "heapgraph",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
}
"""Of every answer. None allows another origin, and none sets a cookie."""

_TYPE = "urn:heapgraph:problem:"


class Problem(Exception):
    """What is answered in place of what was asked for.

    Args:
        status: of HTTP.
        name: of the kind of problem, the end of its `type`.
        title: what was refused or failed.
        detail: why.
        hint: what to do next.
        headers: besides those of all answers.
        more: further members of the document.
    """

    def __init__(
        self,
        status: int,
        name: str,
        title: str,
        detail: str = "",
        hint: str = "",
        *,
        headers: Mapping[str, str] | None = None,
        more: Mapping[str, Any] | None = None,
    ) -> None:
        """Keep the parts."""
        super().__init__(title)
        self.status = status
        self.name = name
        self.title = title
        self.detail = detail
        self.hint = hint
        self.headers = dict(headers or {})
        self.more = dict(more or {})

    @classmethod
    def of(cls, status: int, name: str, failure: HeapgraphError, **more: Any) -> Problem:  # noqa: ANN401 - as `__init__`
        """The three parts of an error as a problem."""
        return cls(status, name, failure.what, failure.cause, failure.hint, **more)

    @property
    def is_refusal(self) -> bool:
        """Whether it is for the audit log: the peer wanted what it may not, or too much."""
        return self.status < 500 or self.status == 507  # noqa: PLR2004 - numbers of HTTP

    def document(self) -> dict[str, Any]:
        """As JSON has it."""
        parts = {"detail": self.detail, "next": self.hint}
        return {
            "type": f"{_TYPE}{self.name}",
            "title": self.title,
            "status": self.status,
            **{name: text for name, text in parts.items() if text},
            **self.more,
        }

    def response(self) -> web.Response:
        """As it is sent."""
        return web.Response(
            body=json_text(self.document(), ascii_only=True).encode(),
            status=self.status,
            content_type=CONTENT_TYPE,
            headers={**HEADERS, **self.headers},
        )

    def raw(self) -> bytes:
        """As it is sent where no request can be answered: then the connection is closed."""
        body = json.dumps(self.document()).encode()
        head = (
            f"HTTP/1.1 {self.status} Refused\r\nContent-Type: {CONTENT_TYPE}\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\nCache-Control: no-store\r\n\r\n"
        )
        return head.encode() + body


def answer(document: Any, status: int = 200, **headers: str) -> web.Response:  # noqa: ANN401 - whatever JSON has
    """A JSON document as an answer."""
    return web.Response(
        body=json_text(document, ascii_only=True).encode(),
        status=status,
        content_type="application/json",
        headers={**HEADERS, **headers},
    )


def text_answer(body: bytes | str, content_type: str, **headers: str) -> web.Response:
    """Text as an answer."""
    return web.Response(
        body=body.encode() if isinstance(body, str) else body,
        headers={**HEADERS, "Content-Type": content_type, **headers},
    )
