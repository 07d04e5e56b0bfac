"""Who asks, and what they may: one place where that is decided."""

from __future__ import annotations

import base64
import binascii
import os
import socket
import struct
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from heapgraph.errors import HeapgraphError
from heapgraph.watch.audit.record import Actor
from heapgraph.watch.http.problems import Problem
from heapgraph.watch.settings.model import SCOPES

if TYPE_CHECKING:
    from asyncio import BaseTransport

    from aiohttp import web

    from heapgraph.watch.http.jwt_tokens import JwtTokens
    from heapgraph.watch.http.tokens import Grant, TokensFile
    from heapgraph.watch.settings.model import HttpSpec

LOWER_SCOPE = "Heapgraph-Scope"
"""A header with which a proxy asks for less than it may itself, on behalf of somebody else."""

NOBODY = Actor("nobody")

_PEER = struct.Struct("3i")
"""pid, uid and gid, as SO_PEERCRED gives them (socket(7))."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks.

    Attributes:
        actor: as the audit log has it.
        scope: the largest of `SCOPES` that it has.
    """

    actor: Actor
    scope: str

    def may(self, scope: str) -> bool:
        """Whether a scope is within its own."""
        return SCOPES.index(scope) <= SCOPES.index(self.scope)


@dataclass(frozen=True, slots=True)
class Peer:
    """The other end of a connection.

    Attributes:
        origin: for the audit log: "127.0.0.1", "unix".
        uid: of the process at the other end of a Unix socket, else None.
    """

    origin: str
    uid: int | None = None

    @classmethod
    def of(cls, transport: BaseTransport | None) -> Peer:
        """The peer of a connection; "" as origin where it is gone."""
        if transport is None:
            return cls("")
        inner = transport.get_extra_info("socket")
        if inner is not None and inner.family == socket.AF_UNIX:
            size = _PEER.size
            _, uid, _ = _PEER.unpack(inner.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))
            return cls("unix", uid)
        name = transport.get_extra_info("peername")
        return cls(str(name[0]) if name else "")

    @property
    def key(self) -> str:
        """What its connections are counted under."""
        return self.origin if self.uid is None else f"uid={self.uid}"


class Callers:
    """Says who asks.

    What stands in `Authorization` counts alone, if there is any: whoever shows a wrong token is not
    let in by a socket or a certificate. Else the user at the other end of the Unix socket, or the
    name in the client's certificate.

    Args:
        spec: of the endpoint.
        tokens: the file of tokens; None: tokens are not believed here.
        jwt: JSON web tokens; None: they are not believed.
    """

    def __init__(self, spec: HttpSpec, tokens: TokensFile | None, jwt: JwtTokens | None) -> None:
        """Keep what is believed."""
        self._users = {0, os.geteuid(), *spec.users}
        has_ca = spec.tls is not None and spec.tls.client_ca is not None
        self._tokens, self._jwt, self._certificates = tokens, jwt, has_ca

    def identify(self, request: web.BaseRequest, peer: Peer) -> Caller:
        """Who asks.

        Raises:
            Problem: 401 or 403: nobody who may ask anything.
        """
        shown = request.headers.getall("Authorization", [])
        if len(shown) > 1:
            raise _unknown("more than one Authorization header")
        if shown:
            caller = self._by_token(_token_of(shown[0]))
        elif peer.uid is not None:
            caller = self._by_user(peer.uid)
        else:
            caller = self._by_certificate(request)
        return _lowered(caller, request.headers.getall(LOWER_SCOPE, []))

    def _by_token(self, token: str) -> Caller:
        if self._jwt is not None and token.count(".") == 2:  # noqa: PLR2004 - parts of a JWT
            return Caller(*self._jwt.identify(token))
        grant = self._grant(token)
        if grant is None:
            raise _unknown("the token is not known")
        return Caller(Actor("token", grant.name), grant.scope)

    def _grant(self, token: str) -> Grant | None:
        try:
            return self._tokens.of_token(token) if self._tokens is not None else None
        except (HeapgraphError, OSError) as failure:
            raise Problem(
                503, "no-tokens", "nobody can be let in", "the tokens_file cannot be read"
            ) from failure

    def _by_user(self, uid: int) -> Caller:
        if uid not in self._users:
            raise Problem(
                403,
                "other-user",
                f"user {uid} may not use this socket",
                "it is for the daemon's own user, root, and those in users of [http]",
            )
        return Caller(Actor("peer", f"uid={uid}"), SCOPES[-1])

    def _by_certificate(self, request: web.BaseRequest) -> Caller:
        transport = request.transport
        shown = transport.get_extra_info("peercert") if transport is not None else None
        if not self._certificates or not shown:
            raise _unknown("no token was sent")
        names = certificate_names(shown)
        try:
            grant = self._tokens.of_certificate(names) if self._tokens is not None else None
        except (HeapgraphError, OSError):
            grant = None
        scope = grant.scope if grant is not None else SCOPES[0]
        return Caller(Actor("cert", names[0] if names else ""), scope)


def certificate_names(certificate: dict[str, Any]) -> tuple[str, ...]:
    """The names that a certificate bears: alternative names, or its common name without them."""
    kinds = ("DNS", "URI", "email")
    names = [name for kind, name in certificate.get("subjectAltName", ()) if kind in kinds]
    if not names:
        subject = (pair for part in certificate.get("subject", ()) for pair in part)
        names = [value for name, value in subject if name == "commonName"]
    return tuple(names)


def _token_of(header: str) -> str:
    """The token of `Bearer TOKEN`, or the password of `Basic`, for clients that have no other."""
    kind, _, rest = header.partition(" ")
    if kind.lower() == "bearer" and rest.strip():
        return rest.strip()
    if kind.lower() == "basic":
        try:
            decoded = base64.b64decode(rest.strip(), validate=True).decode()
        except (binascii.Error, ValueError) as failure:
            raise _unknown("the Authorization header is not understood") from failure
        return decoded.partition(":")[2]
    raise _unknown("the Authorization header is not understood")


def _lowered(caller: Caller, asked: list[str]) -> Caller:
    for scope in asked:
        if scope not in SCOPES:
            raise Problem(400, "bad-scope", f"there is no scope {ascii(scope)[:40]}")
        if caller.may(scope):
            caller = replace(caller, scope=scope)
    return caller


def _unknown(why: str) -> Problem:
    return Problem(
        401,
        "no-access",
        "who asks is not known",
        why,
        "send Authorization: Bearer TOKEN; heapgraph token new makes one",
        headers={"WWW-Authenticate": 'Bearer realm="heapgraph"'},
    )
