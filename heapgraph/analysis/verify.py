"""Is the snapshot whole, and as good as heapgraph promises?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from heapgraph.analysis.registry import Analysis, Progress
from heapgraph.analysis.results import TableResult
from heapgraph.snapshot.checks import check_consistency
from heapgraph.snapshot.reader import SnapshotFile

if TYPE_CHECKING:
    from heapgraph.graph.heap_graph import HeapGraph

MAX_INVALID_SHARE = 1e-6
"""References that led nowhere, per reference: a frozen heap may be caught within one statement, so
one container may hold something stale."""

MAX_NEGATIVE_SHARE = 0.0015
"""Objects with more references found than counted, per object. The kinds of objects with exact
handlers give none; C types with layouts of their own gave under 0.15 % in the widest test heap."""

MIN_REACHED_SHARE = 0.999
"""Objects that named roots reach, per object; the rest is held by C code or garbage."""


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
        progress: told of each table.

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
    return Verification((*checks, *_quality_checks(graph)))


def _quality_checks(graph: HeapGraph) -> list[Check]:
    quality: dict[str, Any] = dict(graph.manifest.get("quality", {}))
    references, objects = max(1, graph.reference_count), max(1, graph.object_count)
    invalid = int(quality.get("invalid_references", 0))
    breaks = int(quality.get("list_breaks", 0))
    negative = int(quality.get("negative_refcounts", 0))
    reached = float(quality.get("reached_from_named_roots", 0.0))
    reasons = "; ".join(quality.get("reasons", [])) or "no reason against it"
    return [
        Check(
            "invalid references",
            invalid <= max(1, references * MAX_INVALID_SHARE),
            invalid,
            max(1, int(references * MAX_INVALID_SHARE)),
            f"{invalid} of {references} references led to no object",
        ),
        Check("list breaks", breaks == 0, breaks, 0, f"the collector's lists broke {breaks} times"),
        Check(
            "negative reference counts",
            negative <= objects * MAX_NEGATIVE_SHARE,
            negative,
            int(objects * MAX_NEGATIVE_SHARE),
            f"{negative} objects have more references than their count says",
        ),
        Check(
            "reached from named roots",
            reached >= MIN_REACHED_SHARE,
            reached,
            MIN_REACHED_SHARE,
            f"{reached:.4%} of the objects; the rest is held by C code or garbage",
        ),
        Check("grade", quality.get("grade") == "good", quality.get("grade"), "good", reasons),
    ]


ANALYSIS = Analysis(
    "verify", "the file's checksums and its quality record against the promise", (), verify_snapshot
)
