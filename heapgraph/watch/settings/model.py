"""The settings as records, every value in its base unit: seconds, bytes, shares."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class TargetSpec:
    """Which processes are one target.

    Exactly one of `pid`, `match`, `unit` and `cgroup` is given.

    Attributes:
        name: label of its workers.
        pid: one process.
        match: text that the command line contains.
        unit: a systemd unit.
        cgroup: path of a group under /sys/fs/cgroup, with those below it.
    """

    name: str
    pid: int = 0
    match: str = ""
    unit: str = ""
    cgroup: str = ""


@dataclass(frozen=True, slots=True)
class Budget:
    """What the daemon may cost its targets and the host.

    Attributes:
        max_pause_ms: of one census or snapshot.
        cpu: share of one processor for all censuses and snapshots together, over the last hour.
        headroom: share of the target's memory limit that must stay free after a copy.
        at_once: censuses and snapshots at the same time.
    """

    max_pause_ms: float = 50.0
    cpu: float = 0.02
    headroom: float = 0.15
    at_once: int = 1


@dataclass(frozen=True, slots=True)
class StoreSpec:
    """Where snapshots are kept, and how many.

    Attributes:
        path: a folder of the daemon's own, 0700.
        files, bytes: at most; the oldest go, after the new one is whole.
        keep_free: share of the file system that stays free.
        per_rampup: snapshots of one worker between two starts of its process.
        redact: no values of strings and numbers.
    """

    path: Path = Path("/var/lib/heapgraph")
    files: int = 20
    bytes: int = 10 * 2**30
    keep_free: float = 0.10
    per_rampup: int = 5
    redact: bool = True


@dataclass(frozen=True, slots=True)
class Rise:
    """More than the mean of a window by a share (2.0 is 200 %) or by a number."""

    window_s: float
    share: float | None = None
    amount: float | None = None


@dataclass(frozen=True, slots=True)
class Slope:
    """A steady rise: `amount` per `per_s` seconds, fitted over a window."""

    amount: float
    per_s: float
    window_s: float


@dataclass(frozen=True, slots=True)
class Growth:
    """A holder or type that grows in so many censuses one after another, by so much in all."""

    censuses: int
    bytes: int = 0
    count: int = 0


@dataclass(frozen=True, slots=True)
class RuleSpec:
    """One rule: exactly one subject (metric, event, holder, type) and what is too much of it.

    Attributes:
        name: unique.
        metric: of `watch.model.METRICS`, with `above`, `below`, `rise` or `slope`.
        event: of `watch.model.EVENTS`.
        holder: pattern (`app.*`) of a holder's expression, with `grows` or `bytes_above`.
        type: pattern of a type's name, with `grows`, `count_above` or `bytes_above`.
        times: looks in a row at which it must hold; of events, how many must follow one another.
        within_s: of events: one that comes later than so long after the last begins a new row, and
            the rule is resolved when none came for so long.
        cool_down_s: nothing is done again so long after it acted.
        at_most, at_most_window_s: times it may act in a window; 0: no limit.
        targets: names; empty: all.
        do: "snapshot", "census", "report" or names of actions, in order.
    """

    name: str
    metric: str = ""
    event: str = ""
    holder: str = ""
    type: str = ""
    above: float | None = None
    below: float | None = None
    rise: Rise | None = None
    slope: Slope | None = None
    grows: Growth | None = None
    count_above: int | None = None
    bytes_above: int | None = None
    times: int = 1
    within_s: float = 600.0
    cool_down_s: float = 1800.0
    at_most: int = 0
    at_most_window_s: float = 86400.0
    targets: tuple[str, ...] = ()
    do: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ActionSpec:
    """How the world is told.

    Attributes:
        name: unique; what rules name.
        kind: "webhook" or "command".
        url_file, secret_file: of a webhook; the only places for its address and its key. The key
            may be missing (no signature).
        format: "heapgraph" or "alertmanager".
        argv: of a command; never a shell. The alert comes as JSON on its standard input.
        user: the command runs as this user.
        timeout_s: of one try.
        retries: of a webhook, after the first try.
    """

    name: str
    kind: str
    url_file: Path | None = None
    secret_file: Path | None = None
    format: str = "heapgraph"
    argv: tuple[str, ...] = ()
    user: str = ""
    timeout_s: float = 5.0
    retries: int = 5


SCOPES = ("status", "names", "profiles", "snapshot", "download")
"""What a peer may do, each including those before it: see the state, see names of types and
holders, read profiles, have a snapshot taken, take one away."""

EXPOSURES = ("status", "metrics", "names", "profiles", "snapshot", "download")
"""Parts of the endpoint that are switched on one by one."""


@dataclass(frozen=True, slots=True)
class TlsSpec:
    """Certificate and key of the endpoint; with `client_ca`, peers must show one of it."""

    certificate: Path
    key: Path
    client_ca: Path | None = None


@dataclass(frozen=True, slots=True)
class JwtSpec:
    """Which bearer tokens of others are believed: signed by `key_file`, one fixed algorithm."""

    key_file: Path
    algorithm: str
    audience: str
    issuer: str


@dataclass(frozen=True, slots=True)
class HttpSpec:
    """The endpoint.

    Attributes:
        listen: "unix:/run/heapgraph.sock" or "127.0.0.1:9000", "[::1]:9000", "0.0.0.0:9000"; "":
            none.
        expose: of `EXPOSURES`.
        tokens_file: lines of `heapgraph token new`: hash, scope, name.
        hosts: names that the Host header may have, besides the address itself.
        tls, jwt: what any address but a socket or loopback needs.
        users: uids besides its own that may use the Unix socket.
    """

    listen: str = ""
    expose: tuple[str, ...] = ("status", "metrics")
    tokens_file: Path | None = None
    hosts: tuple[str, ...] = ()
    tls: TlsSpec | None = None
    jwt: JwtSpec | None = None
    users: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class AuditSpec:
    """The audit log: a folder, how long it is kept, and whether anything is done without it.

    Without a path it is in the folder `audit` of the store.
    """

    path: Path | None = None
    keep_s: float = 180 * 86400.0
    required: bool = True


@dataclass(frozen=True, slots=True)
class WatchSettings:
    """All of it.

    Attributes:
        targets, budget, store, rules, actions, http, audit: records of their own.
        interval_s, census_s: between two looks, between two censuses.
        warm_up_s: from the start of each process, in which nothing counts.
        tell_within_s: the world is told so long after a rule began to act, whatever is still being
            taken then.
    """

    targets: tuple[TargetSpec, ...]
    interval_s: float = 5.0
    census_s: float = 900.0
    warm_up_s: float = 120.0
    budget: Budget = field(default_factory=Budget)
    store: StoreSpec = field(default_factory=StoreSpec)
    rules: tuple[RuleSpec, ...] = ()
    actions: tuple[ActionSpec, ...] = ()
    http: HttpSpec = field(default_factory=HttpSpec)
    audit: AuditSpec = field(default_factory=AuditSpec)
    tell_within_s: float = 30.0
