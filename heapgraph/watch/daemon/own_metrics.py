"""What the daemon has done, and what it knows, as the metrics want it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from heapgraph.watch.daemon.deliveries import Deliveries
    from heapgraph.watch.daemon.parts import Parts
    from heapgraph.watch.settings.model import WatchSettings


class OwnMetrics:
    """Counts what peers had done, and makes the text of the metrics."""

    def __init__(
        self,
        settings: WatchSettings,
        parts: Parts,
        deliveries: Deliveries,
        clock: Callable[[], float],
    ) -> None:
        """Nothing was done yet."""
        self._settings = settings
        self._parts = parts
        self._deliveries = deliveries
        self._clock = clock

    def count_snapshot(self, outcome: str, pause_ms: float) -> None:
        """A snapshot that a peer asked for has ended."""
        counts = self._parts.responder.counts
        counts.snapshots[outcome] = counts.snapshots.get(outcome, 0) + 1
        if pause_ms:
            counts.pauses.append(pause_ms)

    def text(self, names: bool) -> bytes:
        """The metrics in the text format of Prometheus."""
        return b""
