"""When a group reaches its memory limit at the present slope; unknown where that is a guess."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from heapgraph.watch.rules.windows import Window

if TYPE_CHECKING:
    from heapgraph.watch.model import Sample, WorkerName
    from heapgraph.watch.rules.windows import Fit

WINDOW_S = 900.0
"""Of the slope. Shorter ones take a burst of requests for a leak."""

LEAST_DETERMINATION = 0.8
"""Share of the variance that the line must explain. Memory that goes up and down with each
collection is below (a saw tooth of two or more periods: 0.25 and less), a steady leak above."""

FURTHEST = 100
"""Windows ahead (25 hours): what is further is no forecast any more."""

_BYTES = "cgroup_bytes"
_INSTEAD = "rss_bytes"
_LIMIT = "cgroup_limit_bytes"


def seconds_to_limit(
    fit: Fit | None, limit: float, at: float, *, window_s: float = WINDOW_S, look_s: float = 5.0
) -> float | None:
    """Seconds until a line through the values reaches the limit.

    Args:
        fit: of the bytes over the window; None for no values.
        limit: bytes.
        at: now.
        window_s: length of the window; it must be filled.
        look_s: time between two looks.

    Returns:
        Seconds, 0.0 where the line is above already; None where it does not rise, the window is
        not filled, the values are not on a line (determination below 0.8), or the limit is more
        than 100 windows away.
    """
    if fit is None or limit <= 0 or not fit.is_filled(at, window_s, look_s):
        return None
    slope = fit.slope
    if slope <= 0 or fit.determination < LEAST_DETERMINATION:
        return None
    seconds = (limit - fit.value_at(at)) / slope
    return None if seconds > FURTHEST * window_s else max(0.0, seconds)


class Forecasts:
    """Keeps the windows that samples themselves do not have, and completes the samples.

    Args:
        look_s: time between two looks.
        window_s: of the slope.

    Cost: 1.7 kB for each worker, 12 us for each sample.
    """

    def __init__(self, look_s: float, window_s: float = WINDOW_S) -> None:
        """Begin without workers."""
        self._look_s = look_s
        self._window_s = window_s
        self._windows: dict[WorkerName, tuple[str, Window]] = {}

    def completed(self, sample: Sample) -> Sample:
        """The sample with `seconds_to_limit`, where that is known.

        The slope is that of the group's bytes, or of the resident bytes where the group cannot be
        read; a limit that is not known makes the result unknown.
        """
        metric = _BYTES if _BYTES in sample.values else _INSTEAD
        value, limit = sample.values.get(metric), sample.values.get(_LIMIT)
        if value is None:
            return sample
        known, window = self._windows.get(sample.worker, ("", None))
        if window is None or known != metric:
            window = Window(self._window_s)
            self._windows[sample.worker] = (metric, window)
        window.add(sample.taken_at, value)
        if limit is None:
            return sample
        seconds = seconds_to_limit(
            window.fit(sample.taken_at),
            limit,
            sample.taken_at,
            window_s=self._window_s,
            look_s=self._look_s,
        )
        if seconds is None:
            return sample
        return replace(sample, values={**sample.values, "seconds_to_limit": seconds})

    def forget(self, worker: WorkerName) -> None:
        """Begin anew: the process ended, or another one has its place."""
        self._windows.pop(worker, None)
