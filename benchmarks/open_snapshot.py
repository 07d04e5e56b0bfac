"""Opening a snapshot in a process of its own, and the seconds of each part.

    python -m benchmarks.open_snapshot SNAPSHOT

Prints {part: seconds}. Whether this is a first opening or a second one is decided by the cache
folder in HEAPGRAPH_CACHE, as for any user.
"""

from __future__ import annotations

import json
import sys
import time

from heapgraph.graph.heap_graph import HeapGraph


def main() -> None:
    """Load what the biggest objects and their paths need, one part after the other."""
    seconds: dict[str, float] = {}
    last = time.perf_counter()

    def lap(part: str) -> None:
        nonlocal last
        now = time.perf_counter()
        seconds[part] = now - last
        last = now

    graph = HeapGraph.open(sys.argv[1])
    _ = graph.offsets, graph.targets, graph.edge_kinds, graph.shallow_sizes, graph.type_ids
    lap("load")
    graph.dominators.retained_sizes.max()
    lap("dominators and retained sizes")
    graph.root_paths.path_to(int(graph.dominators.retained_sizes.argmax()))
    lap("paths to roots")
    print(json.dumps(seconds))


if __name__ == "__main__":
    main()
