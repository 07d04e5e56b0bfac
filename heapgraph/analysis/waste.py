"""What could be smaller, and what should not be there: the findings of all detectors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from heapgraph.analysis.detectors.facts import HeapFacts
from heapgraph.analysis.detectors.registry import DETECTORS
from heapgraph.analysis.expressions import expression, write_path
from heapgraph.analysis.merged_paths import merged_paths
from heapgraph.analysis.results import TableResult, not_serialized
from heapgraph.errors import UsageError
from heapgraph.units import Bytes, Count, Expression

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from heapgraph.analysis.detectors.base import Detector, Evidence
    from heapgraph.analysis.registry import Progress
    from heapgraph.graph.heap_graph import HeapGraph

WORTH_SHARE = 0.01
WORTH_SIZE = 2**20
"""Waste below both 1 % of the heap and 1 MiB is not worth a change; leaks are told whatever their
size."""

MAX_OWNERS = 3
_SAMPLED_MEMBERS = 20_000
"""Members of a finding whose paths are followed to find its owners."""


@dataclass(frozen=True)
class Finding:
    """One finding.

    Attributes:
        detector: its name.
        wasted_size: bytes that would be freed if the advice were followed.
        count: objects concerned.
        owners: what holds most of them, as expressions.
        advice: what was found, and what to do about it.
        owner_ids: the owners as objects, where they are some.
        owners_left_out: how many more of them are known.
    """

    detector: str
    wasted_size: Bytes
    count: Count
    owners: tuple[Expression, ...]
    advice: str
    owner_ids: tuple[int, ...] = not_serialized(())  # type: ignore[arg-type]
    owners_left_out: int = not_serialized()


@dataclass(frozen=True)
class Waste(TableResult):
    """Findings, the most wasted bytes first.

    Attributes:
        findings: the rows.
        left_out: how many more there are.
        minimum: wasted bytes below which only leaks were reported.
        not_looked_at: what detectors left aside, large enough to be reported, and each smaller than
            what the same detector looked at.
    """

    rows_field: ClassVar[str] = "findings"

    findings: tuple[Finding, ...]
    left_out: int = not_serialized()
    minimum: int = not_serialized()
    not_looked_at: int = not_serialized()


def find_waste(
    graph: HeapGraph,
    *,
    progress: Progress | None = None,
    limit: int | None = None,
    min_size: int | None = None,
    detectors: Sequence[str] = (),
) -> Waste:
    """Run detectors over the heap.

    Args:
        graph: the snapshot.
        progress: called for each detector.
        limit: how many findings; None: all.
        min_size: wasted bytes below which a finding is left out, unless it is a leak; None: the
            lesser of 1 % of what is reachable and 1 MiB.
        detectors: names of detectors to run; none: all.

    Raises:
        UsageError: no such detector.

    Cost: each detector is vectorised over the heap.
    """
    chosen = _chosen(detectors)
    if progress is not None:
        progress("dominator tree", 0, 0)
    least = (
        int(min(WORTH_SIZE, WORTH_SHARE * graph.reachable_size)) if min_size is None else min_size
    )
    facts = HeapFacts(graph)
    found: list[tuple[Detector, Evidence]] = []
    for done, detector in enumerate(chosen):
        if progress is not None:
            progress(detector.name, done, len(chosen))
        facts.least = 1 if detector.is_leak else max(least, 1)
        found += [
            (detector, evidence)
            for evidence in detector.find(facts)
            if detector.is_leak or evidence.wasted_size >= facts.least
        ]
    found.sort(key=lambda entry: -entry[1].wasted_size)
    shown = found[:limit]
    findings = tuple(_finding(graph, detector, evidence) for detector, evidence in shown)
    return Waste(findings, len(found) - len(shown), least, facts.left_out)


def _chosen(names: Sequence[str]) -> list[Detector]:
    for name in names:
        if name not in DETECTORS:
            raise UsageError(
                f"no detector named {name!r}",
                "the name is misspelled",
                "one of: " + ", ".join(DETECTORS),
            )
    return [DETECTORS[name] for name in names or DETECTORS]


def _finding(graph: HeapGraph, detector: Detector, evidence: Evidence) -> Finding:
    ids = evidence.owners[:MAX_OWNERS]
    texts = evidence.owner_texts[:MAX_OWNERS] or tuple(expression(graph, owner) for owner in ids)
    if not texts:
        texts, ids = _owners(graph, evidence.members)
    advice = f"{evidence.note}. {detector.advice[:1].upper()}{detector.advice[1:]}."
    named = max(len(evidence.owners), len(evidence.owner_texts))
    left_out = max(0, named - MAX_OWNERS)
    return Finding(
        detector.name, evidence.wasted_size, evidence.count, texts, advice, ids, left_out
    )


def _owners(
    graph: HeapGraph, members: NDArray[np.uint32]
) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """The objects at which the paths to the members part, the one with most behind it first."""
    step = max(1, len(members) // _SAMPLED_MEMBERS)
    sample = np.unique(members[::step])
    groups, _ = merged_paths(graph, graph.root_paths, sample, MAX_OWNERS)
    if not groups:  # no root reaches any of them
        some = tuple(members[:MAX_OWNERS].tolist())
        return tuple(expression(graph, member) for member in some), some
    chains = [[step.object_id for step in group.path.steps] for group in groups]
    if len(members) > MAX_OWNERS:
        # Where the paths part only at the members, whoever holds these is the owner.
        is_member = np.isin([chain[-1] for chain in chains], sample)
        chains = [
            chain[:-1] if member and len(chain) > 1 else chain
            for chain, member in zip(chains, is_member.tolist(), strict=True)
        ]
    owners = {chain[-1]: chain for chain in chains}
    paths = [graph.root_paths.path_along(chain) for chain in owners.values()]
    return tuple(write_path(graph, path) for path in paths), tuple(owners)
