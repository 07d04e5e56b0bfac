"""What all services share: a name, an answer, and a run of requests. Runs on CPython 3.8 too."""

from __future__ import annotations

GROWING = "growing"
TURNING = "turning over"
LOADED = "loaded once"

SERVICES = {}
"""By name."""


class Service:
    """One program.

    Attributes:
        verdicts: the true one; where two words are true of it, both.
        where: its main container as an expression.
        requests: how many it serves.
        has_tracked_members: whether the collector knows its members; else `unknown` is right too.
        kind: the module it is in, for the table.
    """

    verdicts = (GROWING,)
    where = "__main__.SERVICE.store"
    requests = 4000
    has_tracked_members = True
    kind = ""

    def __init_subclass__(cls, is_base=False, **options):
        super().__init_subclass__(**options)
        cls.kind = cls.__module__.rpartition(".")[2]
        cls.name = "".join(
            "-" + letter.lower() if letter.isupper() else letter for letter in cls.__name__
        ).strip("-")
        if not is_base:
            SERVICES[cls.name] = cls

    def request(self, number):
        """Serve one request."""


def load_all() -> dict[str, type[Service]]:
    """All services by name."""
    from benchmarks.growth_programs import (  # noqa: F401, PLC0415
        balanced,
        caches,
        growing,
        leaking,
        loaded,
        queues,
        untracked,
    )

    return SERVICES
