"""Loading the snapshot that is browsed, in the thread that works."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from heapgraph.analysis.registry import Progress
    from heapgraph.tui.screens.opening import Opened

_COLLECT_AFTER = 50_000
"""Objects made since the last collection; a page makes a few thousand, in trees without cycles."""


def load(file: str, progress: Progress, notes: tuple[str, ...] = ()) -> Opened:
    """Open a snapshot to be browsed.

    Args:
        file: where it is.
        progress: told that it is being opened.
        notes: what there is to say about how it was made.

    Raises:
        HeapgraphError: it cannot be opened.
    """
    from heapgraph.graph.heap_graph import HeapGraph  # noqa: PLC0415 - after the first frame
    from heapgraph.tui.screens.opening import Opened  # noqa: PLC0415

    progress("opening", 0, 0)
    graph = HeapGraph.open(file)
    # Collections short and few: they delay keys, and what was imported stays anyway.
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER)
    return Opened(file, graph, notes)
