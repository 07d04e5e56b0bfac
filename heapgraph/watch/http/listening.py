"""Where the endpoint listens: what is refused before anybody can connect, sockets, TLS.

Nothing but a Unix socket is opened unless the settings name an address, and no address that others
can reach without a certificate and a way to tell who they are.
"""

from __future__ import annotations

import os
import socket
import ssl
import stat
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, NamedTuple

from heapgraph.errors import UsageError, failures_of
from heapgraph.watch.http.jwt_tokens import JwtTokens
from heapgraph.watch.http.tokens import TokensFile, check_secret
from heapgraph.watch.settings.addresses import NetworkAddress, parse_listen
from heapgraph.watch.settings.quantities import BadValue

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from heapgraph.errors import HeapgraphError
    from heapgraph.watch.settings.addresses import SocketAddress
    from heapgraph.watch.settings.model import HttpSpec, TlsSpec

_BACKLOG = 64
_PRIVATE, _FOR_USERS = 0o600, 0o666


class Believed(NamedTuple):
    """What the endpoint believes of who asks, and its TLS; None for what it does not."""

    tokens: TokensFile | None
    jwt: JwtTokens | None
    tls: ssl.SSLContext | None


def address_of(spec: HttpSpec) -> SocketAddress | NetworkAddress:
    """Where to listen.

    Raises:
        UsageError: it is no address.
    """
    try:
        return parse_listen(spec.listen)
    except BadValue as failure:
        raise UsageError(
            f"cannot listen at {spec.listen!r}", str(failure), "listen = ... in [http]"
        ) from failure


def believed(
    spec: HttpSpec, address: SocketAddress | NetworkAddress, on_tls_failure: Callable[[str], None]
) -> Believed:
    """Read the keys and tokens of the settings, and refuse an endpoint that strangers could use.

    Args:
        spec: of the endpoint.
        address: where it will listen.
        on_tls_failure: called with the reason when a handshake fails.

    Raises:
        UsageError: the address needs more than the settings have, or a file is not trusted, or
            cannot be read.
    """
    has_ca = spec.tls is not None and spec.tls.client_ca is not None
    may_have_tokens = True
    if isinstance(address, NetworkAddress):
        knows_peers = has_ca or spec.jwt is not None
        _check_address(spec, is_loopback=address.is_loopback, knows_peers=knows_peers)
        # Over a network, a token that never changes is only an addition to a certificate.
        may_have_tokens = address.is_loopback or has_ca
    return Believed(
        _tokens(spec) if may_have_tokens else None,
        _jwt(spec),
        None if spec.tls is None else _tls(spec.tls, on_tls_failure),
    )


def problems_of_endpoint(spec: HttpSpec) -> list[HeapgraphError]:
    """What is wrong with the files that an endpoint believes, one error for each kind of them.

    Args:
        spec: of an endpoint that listens somewhere.
    """
    tls = spec.tls
    reads: list[Callable[[], object]] = [lambda: _tokens(spec), lambda: _jwt(spec)]
    if tls is not None:
        reads.append(lambda: _tls(tls, lambda _reason: None))
    return failures_of(reads)


def _tokens(spec: HttpSpec) -> TokensFile | None:
    if spec.tokens_file is None:
        return None
    with _reading(spec.tokens_file, "the tokens", "a line for it: heapgraph token new"):
        return TokensFile(spec.tokens_file)


def _jwt(spec: HttpSpec) -> JwtTokens | None:
    if spec.jwt is None:
        return None
    file = spec.jwt.key_file
    with _reading(file, "the key of [http.jwt]", f"look at it: ls -l {file}"):
        return JwtTokens(spec.jwt)


@contextmanager
def _reading(file: Path, what: str, hint: str) -> Iterator[None]:
    """Say of a file that cannot be read which one it is, and what is meant to be in it.

    Raises:
        UsageError: it cannot be read.
    """
    try:
        yield
    except OSError as failure:
        raise UsageError(f"cannot read {what}", f"{file}: {failure.strerror}", hint) from failure


def _check_address(spec: HttpSpec, *, is_loopback: bool, knows_peers: bool) -> None:
    if is_loopback:
        if spec.tokens_file is None and not knows_peers:
            raise UsageError(
                f"will not listen at {spec.listen} without tokens",
                "every user of this machine reaches it",
                "tokens_file = FILE in [http], with lines of heapgraph token new",
            )
    elif spec.tls is None or not knows_peers:
        raise UsageError(
            f"will not listen at {spec.listen} without TLS and a way to tell who asks",
            "other machines reach it",
            "[http.tls] with client_ca, or [http.tls] and [http.jwt]; or listen at 127.0.0.1",
        )


def open_socket(spec: HttpSpec, address: SocketAddress | NetworkAddress) -> socket.socket:
    """A socket that listens.

    A Unix socket has mode 0600; with `users` 0666, and the kernel says of each peer who it is.

    Raises:
        UsageError: the address is taken, or the path is of something else.
        OSError: it cannot be made.
    """
    if isinstance(address, NetworkAddress):
        return _open_port(address)
    _remove_stale(address.path)
    one = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    mask = os.umask(0o177)
    try:
        one.bind(str(address.path))
    except OSError as failure:
        one.close()
        raise UsageError(
            f"cannot make the socket {address.path}: {failure.strerror}",
            "its folder is missing, or this user may not write there",
            f"ls -ld {address.path.parent}",
        ) from failure
    finally:
        os.umask(mask)
    address.path.chmod(_FOR_USERS if spec.users else _PRIVATE)
    one.listen(_BACKLOG)
    one.setblocking(False)
    return one


def place_of(path: Path) -> tuple[int, int] | None:
    """Which file a path leads to, as device and inode; None where there is none."""
    try:
        about = path.lstat()
    except OSError:
        return None
    return about.st_dev, about.st_ino


def _open_port(address: NetworkAddress) -> socket.socket:
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    one = socket.socket(family, socket.SOCK_STREAM)
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        if family == socket.AF_INET6:
            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        one.bind((address.host, address.port))
    except OSError as failure:
        one.close()
        raise UsageError(
            f"cannot listen at {address.host} port {address.port}: {failure.strerror}",
            "another program has it, or the address is not of this machine",
            "listen = ... in [http] with another",
        ) from failure
    one.listen(_BACKLOG)
    one.setblocking(False)
    return one


def _remove_stale(path: Path) -> None:
    """Remove the socket of a daemon that has ended; nothing else that has its name."""
    try:
        about = path.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(about.st_mode) or about.st_uid != os.geteuid():
        raise UsageError(
            f"{path} is there, and no socket of this user's own",
            "it belongs to another user, or is a file",
            "name another path: listen = unix:PATH in [http]",
        )
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as one:
        one.setblocking(False)  # one that accepts nothing any more would be waited for, for ever
        try:
            one.connect(str(path))
        except ConnectionRefusedError:
            path.unlink(missing_ok=True)
            return
        except BlockingIOError:  # its queue is full: it is there, and stopped or very busy
            pass
    raise UsageError(
        f"another process listens at {path}",
        "a second heapgraph watch has the same settings",
        f"see who: fuser {path}",
    )


def _tls(spec: TlsSpec, on_failure: Callable[[str], None]) -> ssl.SSLContext:
    """TLS 1.2 or newer; with `client_ca`, whoever has no certificate of it gets no further."""
    named = {"certificate": spec.certificate, "key": spec.key, "client_ca": spec.client_ca}
    for name, path in named.items():
        if path is not None:
            with _reading(path, f"{name} of [http.tls]", f"look at it: ls -l {path}"):
                path.open("rb").close()
                check_secret(path, path.stat())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(spec.certificate, spec.key, password=_no_password)
    except (ssl.SSLError, ValueError) as failure:
        raise UsageError(
            f"cannot use {spec.certificate} and {spec.key} for TLS",
            "they do not belong together, or are no PEM files without a password",
            "certificate = ..., key = ... in [http.tls]",
        ) from failure
    if spec.client_ca is not None:
        try:
            context.load_verify_locations(cafile=spec.client_ca)
        except ssl.SSLError as failure:
            raise UsageError(
                f"cannot use {spec.client_ca} for the certificates of clients",
                "it is no PEM file with certificates",
                "client_ca = ... in [http.tls]",
            ) from failure
        context.verify_mode = ssl.CERT_REQUIRED
    context.set_alpn_protocols(["http/1.1"])
    context.sslobject_class = _reporting(on_failure)
    return context


def _no_password() -> str:
    raise ValueError("the key has a password")


def _reporting(on_failure: Callable[[str], None]) -> type[ssl.SSLObject]:
    """Connections that say why their handshake failed: asyncio keeps it to itself."""

    class ReportingSslObject(ssl.SSLObject):
        def do_handshake(self) -> None:
            try:
                super().do_handshake()
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                raise
            except ssl.SSLError as failure:
                on_failure(str(failure.reason or type(failure).__name__))
                raise

    return ReportingSslObject
