"""Where the endpoint listens, as it stands in the settings."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from pathlib import Path

from heapgraph.watch.settings.quantities import BadValue

_LONGEST_SOCKET_PATH = 107
"""sun_path of unix(7) has 108 bytes, the last one 0."""

_FORM = 'an address is written like "unix:/run/heapgraph.sock", "127.0.0.1:9000" or "[::1]:9000"'
_MOST_PORT = 65535


@dataclass(frozen=True, slots=True)
class SocketAddress:
    """A Unix socket, by its whole path."""

    path: Path


@dataclass(frozen=True, slots=True)
class NetworkAddress:
    """An address of IPv4 or IPv6 and a port; port 0 lets the kernel choose.

    Attributes:
        host: in its shortest form, without brackets.
        port: 0 to 65535.
        is_loopback: whether only this machine reaches it.
    """

    host: str
    port: int
    is_loopback: bool


def parse_listen(value: object) -> SocketAddress | NetworkAddress:
    """Where to listen.

    A name of a host is refused, "localhost" too: what it means is decided elsewhere, and may be
    every address there is.

    Raises:
        BadValue: it is not written so; the text is the reason.
    """
    if not isinstance(value, str):
        raise BadValue(_FORM)
    if value.startswith("unix:"):
        return _socket(value.removeprefix("unix:"))
    host, colon, port = value.rpartition(":")
    if not colon or not re.fullmatch(r"[0-9]{1,5}", port) or int(port) > _MOST_PORT:
        raise BadValue(_FORM)
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise BadValue(_FORM)
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        raise BadValue(
            'an address and not a name is expected: "127.0.0.1:9000" for this machine only'
        ) from None
    return NetworkAddress(str(address), int(port), address.is_loopback)


def _socket(path: str) -> SocketAddress:
    if not path.startswith("/") or "\0" in path:
        raise BadValue("a socket is named by its whole path: unix:/run/heapgraph.sock")
    if len(path.encode(errors="surrogateescape")) > _LONGEST_SOCKET_PATH:
        raise BadValue(f"the path of a socket has at most {_LONGEST_SOCKET_PATH} bytes")
    return SocketAddress(Path(path))
