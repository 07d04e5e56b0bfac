"""Is the snapshot whole, and as good as heapgraph promises?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from heapgraph.analysis.results import TableResult
from heapgraph.model import MAX_HELD_TYPES, MAX_INVALID_SHARE, MAX_NEGATIVE_SHARE, NO_LABEL
from heapgraph.snapshot.checks import LABEL_IS_NAME, LABEL_IS_OBJECT, check_consistency
from heapgraph.snapshot.reader import SnapshotFile
from heapgraph.units import format_count, format_share

if TYPE_CHECKING:
    from heapgraph.analysis.registry import Progress
    from heapgraph.graph.heap_graph import HeapGraph

MIN_EXPLAINED_SHARE = 0.98
"""Objects that named roots reach or that are garbage, of all; the rest only C code holds. Small
programs reach 0.997."""


@dataclass(frozen=True)
class Check:
    """One check.

    Attributes:
        name: what was checked.
        passed: whether it holds.
        value: what was found.
        limit: what is promised.
        detail: one line for people.
    """

    name: str
    passed: bool
    value: float | str | None
    limit: float | str | None
    detail: str


@dataclass(frozen=True)
class Verification(TableResult):
    """All checks; the snapshot is as promised when every one passed."""

    rows_field: ClassVar[str] = "checks"

    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        """Whether every check passed."""
        return all(check.passed for check in self.checks)


def verify_snapshot(graph: HeapGraph, *, progress: Progress | None = None) -> Verification:
    """Check the file's bytes, its tables against one another, and its quality record.

    Args:
        graph: the snapshot.
        progress: called for each table.

    Raises:
        SnapshotFormatError: the file is damaged: there is nothing to judge.

    Cost: reads the whole file.
    """
    checks = []
    if isinstance(graph.source, SnapshotFile):
        graph.source.verify_all(progress)
        checks.append(Check("checksums", True, "all", "all", "every table has its checksum"))
        check_consistency(graph.source)
        checks.append(Check("tables", True, "consistent", "consistent", "ids and counts agree"))
    return Verification((*checks, _label_check(graph), *_quality_checks(graph)))


def _label_check(graph: HeapGraph) -> Check:
    """References that have a name or a key by their kind, and none in the snapshot."""
    is_named = np.isin(graph.edge_kinds, [*LABEL_IS_OBJECT, *LABEL_IS_NAME])
    unknown = int(np.count_nonzero(is_named & (graph.labels == NO_LABEL)))
    share = unknown / max(1, graph.reference_count)
    return Check(
        "names of references",
        share <= MAX_INVALID_SHARE,
        share,
        MAX_INVALID_SHARE,
        f"{format_count(unknown)} references have a name or key that was not found: <...>",
    )


def _quality_checks(graph: HeapGraph) -> list[Check]:
    quality: dict[str, Any] = dict(graph.manifest.get("quality", {}))
    invalid = int(quality.get("invalid_references", 0))
    breaks = int(quality.get("list_breaks", 0))
    negative = int(quality.get("negative_refcounts", 0))
    named = float(quality.get("reached_from_named_roots", 0.0))
    objects = max(1, graph.object_count)
    invalid_share = invalid / max(1, graph.reference_count)
    explained = min(1.0, named + int(quality.get("garbage", 0)) / objects)
    held_types = float(quality.get("c_held_types", 1.0))
    grade = str(quality.get("grade"))
    return [
        Check(
            "invalid references",
            invalid_share <= MAX_INVALID_SHARE,
            invalid_share,
            MAX_INVALID_SHARE,
            f"{format_count(invalid)} references led to no object",
        ),
        Check(
            "collector lists",
            breaks == 0,
            breaks,
            0,
            f"{format_count(breaks)} breaks in the collector's lists",
        ),
        Check(
            "negative reference counts",
            negative / objects <= MAX_NEGATIVE_SHARE,
            negative / objects,
            MAX_NEGATIVE_SHARE,
            f"{format_count(negative)} objects have more references than their count says",
        ),
        Check(
            "explained objects",
            explained >= MIN_EXPLAINED_SHARE or held_types <= MAX_HELD_TYPES,
            explained,
            MIN_EXPLAINED_SHARE,
            f"{format_share(named)} reached from named roots, "
            f"{format_count(int(quality.get('garbage', 0)))} garbage, "
            f"{format_count(int(quality.get('c_held', 0)))} held by C code alone, of "
            f"{format_share(held_types)} of the types",
        ),
        Check(
            "grade",
            grade == "good",
            grade,
            "good",
            "; ".join(quality.get("reasons", [])) or "the capture found nothing against itself",
        ),
    ]
