"""What answers are made of: the daemon, its log, the programs that answer questions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from heapgraph.watch.http.problems import Problem
from heapgraph.watch.model import WorkerName

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from heapgraph.watch.audit.log import Audit
    from heapgraph.watch.http.answers import Answers
    from heapgraph.watch.http.limits import Limits
    from heapgraph.watch.http.served import Served, StoredSnapshot


@dataclass(frozen=True, slots=True)
class Context:
    """What handlers need.

    Attributes:
        served: the daemon.
        audit: its log.
        answers: programs that answer questions.
        expose: parts that are switched on.
        limits: of the endpoint.
        clock: the daemon's steady clock.
    """

    served: Served
    audit: Audit
    answers: Answers
    expose: frozenset[str]
    limits: Limits
    clock: Callable[[], float]

    def worker(self, values: Mapping[str, str]) -> WorkerName:
        """The worker that an address names.

        Raises:
            Problem: 404: there is none.
        """
        name = WorkerName(values["target"], int(values["slot"]))
        if any(one.worker.name == name for one in self.served.targets()):
            return name
        raise Problem(404, "no-worker", f"no worker {name} is watched", hint="GET /v1/targets")

    def snapshot(self, snapshot_id: str) -> StoredSnapshot:
        """A snapshot of the store; `latest` is the newest.

        Raises:
            Problem: 404: there is none.
        """
        for one in self.served.snapshots():
            if snapshot_id in (one.id, "latest"):
                return one
        raise Problem(404, "no-snapshot", "there is no such snapshot", hint="GET /v1/snapshots")
