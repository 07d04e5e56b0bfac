"""Small views that keep large buffers alive, and results that a notebook keeps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from heapgraph.analysis.detectors.base import Detector, Evidence
from heapgraph.analysis.detectors.pinned import hidden_sizes
from heapgraph.analysis.expressions.attributes import module_entries
from heapgraph.model import EdgeKind, RootKind
from heapgraph.units import format_count, format_size

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from heapgraph.analysis.detectors.facts import HeapFacts

LARGE_BASE = 64 * 1024
"""Bytes of a buffer from which on a view of it is looked at."""

_BUFFER_TYPES = ("bytes", "bytearray", "array.array", "mmap.mmap")
_NOTEBOOK_NAMES = ("Out", "_oh", "_", "__", "___", "_i", "_ii", "_iii")


def pinned_bases(facts: HeapFacts) -> Iterator[Evidence]:
    """Buffers that only views keep alive."""
    yield from _pinned(facts, ("memoryview", "managedbuffer"), _BUFFER_TYPES, "buffers")


def pinned_arrays(facts: HeapFacts) -> Iterator[Evidence]:
    """Arrays of numpy that only views keep alive."""
    yield from _pinned(facts, ("numpy.ndarray",), ("numpy.ndarray",), "arrays")


def _pinned(
    facts: HeapFacts, views: tuple[str, ...], bases: tuple[str, ...], what: str
) -> Iterator[Evidence]:
    graph = facts.graph
    large = facts.is_of_types(*bases) & facts.is_reachable
    large &= graph.shallow_sizes >= LARGE_BASE
    large[graph.roots.unique_targets] = False
    edges = np.flatnonzero(large[graph.targets] & (graph.edge_kinds != EdgeKind.WEAK))
    from_view = facts.is_of_types(*views)[facts.sources_of(edges)]
    targets = graph.targets[edges]
    others = np.zeros(graph.object_count, np.bool_)
    others[targets[~from_view]] = True
    pinned = np.unique(targets[from_view])
    pinned = pinned[~others[pinned]]
    partly_shown, sizes = hidden_sizes(graph)
    hidden = sizes[np.isin(partly_shown, pinned)]
    pinned = partly_shown[np.isin(partly_shown, pinned)]
    is_viewed = from_view & np.isin(targets, pinned)
    if len(pinned):
        viewers = np.unique(facts.sources_of(edges[is_viewed]))
        note = (
            f"{format_count(len(pinned))} {what} are kept by {format_count(len(viewers))} views "
            f"alone, which show {format_size(facts.size(pinned) - int(hidden.sum()))} of"
            f" {format_size(facts.size(pinned))}"
        )
        yield Evidence(int(hidden.sum()), len(pinned), note, _outermost(facts, viewers))


def _outermost(facts: HeapFacts, viewers: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Memoryviews instead of the buffer objects that stand between them and the base."""
    graph = facts.graph
    is_between = facts.is_of_types("managedbuffer")
    between = viewers[is_between[viewers]]
    holders = [graph.reverse.sources_of(int(viewer)) for viewer in between.tolist()]
    return np.unique(np.concatenate([viewers[~is_between[viewers]], *holders]))


def notebook_results(facts: HeapFacts) -> Iterator[Evidence]:
    """What IPython keeps of earlier cells, where nothing else does."""
    graph = facts.graph
    for row in np.flatnonzero(graph.roots.kinds == RootKind.MODULE).tolist():
        if graph.roots.names[row] != "__main__":
            continue
        module = int(graph.roots.targets[row])
        entries = module_entries(graph, module)
        if not {"In", "Out", "_oh"} <= entries.keys():
            continue
        held = sorted({entries[name] for name in _NOTEBOOK_NAMES if name in entries})
        count = int(facts.item_counts[entries["Out"]])
        note = f"the notebook keeps the results of {format_count(count)} cells"
        yield Evidence(facts.retained(held), count, note, owners=(entries["Out"],))


DETECTORS = (
    Detector(
        "pinned-buffers",
        f"byte buffers of {LARGE_BASE // 1024} KiB or more that only memoryviews of a part hold",
        "copy the slice that is needed: bytes(view)",
        pinned_bases,
    ),
    Detector(
        "pinned-arrays",
        f"numpy arrays of {LARGE_BASE // 1024} KiB or more"
        " that only views of a part (`.base`) hold",
        "copy the slice that is needed: view.copy()",
        pinned_arrays,
    ),
    Detector(
        "notebook-results",
        "results that IPython keeps in Out and _",
        "%reset out, or start IPython with --InteractiveShell.cache_size=0",
        notebook_results,
    ),
)
