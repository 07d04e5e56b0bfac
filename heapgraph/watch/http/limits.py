"""What peers may use: enough for scrapers and people, not enough to harm the host."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of the endpoint.

    Attributes:
        connections: at once, of everybody.
        connections_of_peer: at once, of one address or one user of the Unix socket.
        requests_of_caller: at once, of one token, certificate or user.
        request_s: a connection without a whole request for so long is closed: one that sends its
            headers a byte a second, and one that is idle.
        write_s: how long a peer may leave unread what it was sent.
        linger_s: how long a body that nobody wants is read, at most; whoever still sends when the
            connection closes never sees the answer.
        line_bytes: of the request line.
        field_bytes: of one header; a JSON web token needs some thousand.
        fields: headers.
        children: programs at once that answer questions about snapshots.
        waiting: requests that wait for one of them.
        child_s: seconds, of time and of processor time, for one answer.
        child_bytes: memory of one program.
        answer_bytes: of one answer.
        cache_bytes: of all answers that are kept.
        census_age_s: an older census is no profile any more.
    """

    connections: int = 64
    connections_of_peer: int = 16
    requests_of_caller: int = 8
    request_s: float = 10.0
    write_s: float = 30.0
    linger_s: float = 1.0
    line_bytes: int = 4096
    field_bytes: int = 8190
    fields: int = 64
    children: int = 1
    waiting: int = 4
    child_s: int = 120
    child_bytes: int = 2 << 30
    answer_bytes: int = 32 << 20
    cache_bytes: int = 256 << 20
    census_age_s: float = 300.0
