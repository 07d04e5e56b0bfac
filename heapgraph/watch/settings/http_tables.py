"""Reads `[http]`, and refuses an endpoint that strangers could use."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from heapgraph.watch.settings import readers
from heapgraph.watch.settings.addresses import NetworkAddress, SocketAddress, parse_listen
from heapgraph.watch.settings.model import EXPOSURES, HttpSpec, JwtSpec, TlsSpec
from heapgraph.watch.settings.quantities import BadValue

if TYPE_CHECKING:
    from heapgraph.watch.settings.tables import Table

ALGORITHMS = (
    *("ES256", "ES384", "ES512", "EdDSA", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("HS256", "HS384", "HS512"),
)
"""Of JSON web tokens; one is fixed, so that a token cannot choose. "none" is no algorithm."""

_HOST = re.compile(r"[A-Za-z0-9._:\[\]-]{1,255}", re.ASCII)
_MOST_UID = 2**32 - 2


def read_http(table: Table, folder: Path) -> HttpSpec:
    """The endpoint; what is wrong with it is noted in the table.

    Args:
        table: of `[http]`.
        folder: paths that do not begin with / are meant from here.
    """
    path = readers.path_in(folder)
    for key in ("token", "tokens", "password", "secret"):
        table.refuse(key, "no secret stands in the settings; tokens_file names a file that has it")
    listen = table.get("listen", _listen, None)
    default = ("status", "metrics")
    http = HttpSpec(
        listen="" if listen is None else listen[0],
        expose=table.get("expose", readers.many(readers.choice(EXPOSURES), 10), default),
        tokens_file=table.get("tokens_file", path, None, is_shown=False),
        hosts=table.get("hosts", readers.many(_host, 100), ()),
        tls=_read_tls(table, folder),
        jwt=_read_jwt(table, folder),
        users=table.get("users", readers.many(readers.whole(0, _MOST_UID), 100), ()),
    )
    if listen is not None:
        _check_access(table, http, listen[1])
    elif "listen" not in table and any(key in table for key in ("tokens_file", "tls", "jwt")):
        table.wrong('listen is missing: "unix:/run/heapgraph.sock" is the safest')
    table.finish()
    return http


def _listen(value: object) -> tuple[str, SocketAddress | NetworkAddress]:
    return str(value), parse_listen(value)


def _host(value: object) -> str:
    if not isinstance(value, str) or not _HOST.fullmatch(value):
        raise BadValue("a name of a host is expected")
    return value.lower()


def _read_tls(table: Table, folder: Path) -> TlsSpec | None:
    below = table.table("tls", "[http.tls]")
    if "tls" not in table:
        return None
    path = readers.path_in(folder)
    tls = TlsSpec(
        certificate=below.require("certificate", path, Path(), is_shown=False),
        key=below.require("key", path, Path(), is_shown=False),
        client_ca=below.get("client_ca", path, None, is_shown=False),
    )
    below.finish()
    return tls


def _read_jwt(table: Table, folder: Path) -> JwtSpec | None:
    below = table.table("jwt", "[http.jwt]")
    if "jwt" not in table:
        return None
    for key in ("key", "secret"):
        below.refuse(key, "no secret stands in the settings; key_file names a file that has it")
    jwt = JwtSpec(
        key_file=below.require("key_file", readers.path_in(folder), Path(), is_shown=False),
        algorithm=below.require("algorithm", readers.choice(ALGORITHMS), ALGORITHMS[0]),
        audience=below.require("audience", readers.text, ""),
        issuer=below.require("issuer", readers.text, ""),
    )
    below.finish()
    return jwt


def _check_access(table: Table, http: HttpSpec, listen: SocketAddress | NetworkAddress) -> None:
    """A socket has its mode; everything else needs somebody to say who they are."""
    if isinstance(listen, SocketAddress):
        if http.tls is not None:
            table.wrong("tls makes no sense on a Unix socket, whose file has an owner and a mode")
        return
    if http.users:
        table.wrong("users makes sense on a Unix socket only, where the kernel names the peer")
    knows_peers = http.jwt is not None or (http.tls is not None and http.tls.client_ca is not None)
    if listen.is_loopback:
        if http.tokens_file is None and not knows_peers:
            table.wrong(
                f'listen = "{http.listen}": every user of this machine reaches it; name a'
                " tokens_file, jwt, or tls with client_ca, or listen on a Unix socket"
            )
        return
    if http.tls is None or not knows_peers:
        table.wrong(
            f'listen = "{http.listen}": others than this machine reach it; it needs tls with'
            " client_ca, or tls and jwt"
        )
