"""References as records, their reverse, and which of several parallel ones explains best."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from heapgraph.graph.csr import rows_of, runs
from heapgraph.model import EdgeFlags, EdgeKind

if TYPE_CHECKING:
    from heapgraph.native.graph_kernels import U8, U32, U64

EDGE_PREFERENCE = (
    EdgeKind.VALUE,
    EdgeKind.ATTRIBUTE,
    EdgeKind.DICT,
    EdgeKind.SLOT,
    EdgeKind.INDEX,
    EdgeKind.FIELD,
    EdgeKind.LOCAL,
    EdgeKind.MEMBER,
    EdgeKind.KEY,
    EdgeKind.STACK,
    EdgeKind.TYPE,
    EdgeKind.UNNAMED,
    EdgeKind.WEAK,
)
"""Which of several references between the same two objects explains best, best first."""

_RANK = np.empty(len(EDGE_PREFERENCE), dtype=np.int64)
_RANK[list(EDGE_PREFERENCE)] = np.arange(len(EDGE_PREFERENCE))


@dataclass(frozen=True, slots=True)
class Reference:
    """One reference.

    Attributes:
        source: object id of the referrer.
        target: object id of the referent.
        kind: what the reference is in its source.
        label: its meaning depends on `kind`; NO_LABEL for none.
        flags: what the target's own accounting knows of it.
        edge_index: its row in the references table.
    """

    source: int
    target: int
    kind: EdgeKind
    label: int
    flags: EdgeFlags
    edge_index: int


@dataclass(frozen=True, slots=True)
class ReverseReferences:
    """References grouped by referent.

    Attributes:
        offsets: uint64[n+1].
        sources: uint32[m], the referrers.
        edges: uint64[m], rows of the references table, rising within each referent.
    """

    offsets: U64
    sources: U32
    edges: U64

    def edges_to(self, object_id: int) -> U64:
        """Rows of the references to an object, rising."""
        return self.edges[rows_of(self.offsets, object_id)]

    def sources_of(self, object_id: int) -> U32:
        """Referrers of an object, one entry per reference, ids rising."""
        return self.sources[rows_of(self.offsets, object_id)]


class ReferenceArrays(Protocol):
    """The columns that choosing between parallel references reads."""

    @property
    def offsets(self) -> U64:
        """uint64[n+1]."""

    @property
    def targets(self) -> U32:
        """uint32[m]."""

    @property
    def edge_kinds(self) -> U8:
        """uint8[m]."""

    @property
    def known_reverse(self) -> ReverseReferences | None:
        """The references grouped by referent, if that was done already."""


_MANY = 1_000
"""References of one source from which on it is worth while to look from the other end."""


def best_edges(
    graph: ReferenceArrays, sources: U32, targets: U32, skip: U8 | None = None
) -> list[int]:
    """For each pair, the reference that joins it and explains best.

    Among equals the first in the table wins, so that the choice is the same in every run.

    Args:
        graph: offsets, targets, kinds.
        sources: uint32[k] object ids.
        targets: uint32[k]; at least one reference must join each pair.
        skip: uint8[m], references that must not be chosen.

    Returns:
        k rows of the references table.

    Raises:
        ValueError: no reference joins a pair.

    Cost: time and memory of all references of the sources together, in one vectorised pass; of a
    source with very many, where the reverse order is known, only those of its referent.
    """
    if not len(sources):
        return []
    begins = graph.offsets[sources].astype(np.int64)
    degrees = graph.offsets[sources.astype(np.int64) + 1].astype(np.int64) - begins
    reverse = graph.known_reverse
    if reverse is None or degrees.max() < _MANY:
        pair, edges = runs(begins, degrees)
    else:
        ends = reverse.offsets[targets.astype(np.int64) + 1].astype(np.int64)
        incoming = reverse.offsets[targets].astype(np.int64)
        backwards = (degrees >= _MANY) & (ends - incoming < degrees)
        pair, edges = runs(begins, np.where(backwards, 0, degrees))
        back_pair, places = runs(incoming, np.where(backwards, ends - incoming, 0))
        is_source = reverse.sources[places] == sources[back_pair]
        pair = np.concatenate([pair, back_pair[is_source]])
        edges = np.concatenate([edges, reverse.edges[places[is_source]].astype(np.int64)])
    joins = graph.targets[edges] == targets[pair]
    if skip is not None:
        joins &= skip[edges] == 0
    pair, edges = pair[joins], edges[joins]
    best = np.lexsort((edges, _RANK[graph.edge_kinds[edges]], pair))
    pair, edges = pair[best], edges[best]
    joined, first = np.unique(pair, return_index=True)
    if len(joined) != len(sources):
        raise ValueError("no reference joins two neighbours of a path")
    return [int(edge) for edge in edges[first]]
