"""The list of detectors, which the command line, the docs and the tests read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from heapgraph.analysis.detectors import (
    accumulators,
    boxes,
    caches,
    callbacks,
    classes,
    containers,
    duplicates,
    exceptions,
    records,
    resources,
    unfinished_work,
    unheld,
    views,
    workers,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from heapgraph.analysis.detectors.base import Detector

_FAMILIES = (
    duplicates,
    containers,
    records,
    boxes,
    caches,
    accumulators,
    callbacks,
    unfinished_work,
    workers,
    resources,
    exceptions,
    unheld,
    classes,
    views,
)

DETECTORS: Mapping[str, Detector] = {
    detector.name: detector for family in _FAMILIES for detector in family.DETECTORS
}
"""Every detector by its name, in the order in which they run."""
