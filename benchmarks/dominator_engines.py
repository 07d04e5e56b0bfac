"""Dominators of one heap by one library, in a process of its own.

    python -m benchmarks.dominator_engines export SNAPSHOT FOLDER
    python -m benchmarks.dominator_engines ENGINE FOLDER

The first writes the graph of a snapshot as plain arrays; the second prints a JSON document: seconds
to build the library's graph, seconds for the immediate dominators, and a checksum of the answer.
"""

from __future__ import annotations

import json
import sys
import time
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from heapgraph.model import UNREACHABLE, VIRTUAL_ROOT
from heapgraph.native.graph_kernels import dominator_tree

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray


@dataclass(frozen=True)
class Graph:
    """A heap without its weak references.

    Attributes:
        offsets: uint64[n + 1], where the references of each object begin.
        targets: uint32[m].
        roots: uint32[], objects held by a root, each once.
        sizes: uint64[n], bytes of each object.
    """

    offsets: NDArray[np.uint64]
    targets: NDArray[np.uint32]
    roots: NDArray[np.uint32]
    sizes: NDArray[np.uint64]

    @property
    def count(self) -> int:
        """Objects; also the number that the virtual root gets in the libraries' graphs."""
        return len(self.sizes)

    def edges(self) -> NDArray[np.uint32]:
        """uint32[m + roots, 2]: every reference, and one from the virtual root to each root."""
        degrees = np.diff(self.offsets).astype(np.int64)
        sources = np.repeat(np.arange(self.count, dtype=np.uint32), degrees)
        virtual = np.full(len(self.roots), self.count, dtype=np.uint32)
        columns = [
            np.concatenate([sources, virtual]),
            np.concatenate([self.targets, self.roots]),
        ]
        return np.stack(columns, axis=1)


def export_graph(snapshot: Path, folder: Path) -> None:
    """Write the graph of a snapshot as plain arrays that every engine reads alike."""
    from heapgraph.graph.heap_graph import HeapGraph  # noqa: PLC0415 - the engines must not pay it

    heap = HeapGraph.open(snapshot)
    strong = heap.weak_references == 0
    kept_before = np.concatenate([[0], np.cumsum(strong, dtype=np.uint64)]).astype(np.uint64)
    np.save(folder / "offsets.npy", kept_before[heap.offsets.astype(np.int64)])
    np.save(folder / "targets.npy", heap.targets[strong])
    np.save(folder / "roots.npy", heap.roots.unique_targets)
    np.save(folder / "sizes.npy", heap.shallow_sizes)


def read_graph(folder: Path) -> Graph:
    """The graph that `export_graph` wrote."""
    names = ("offsets", "targets", "roots", "sizes")
    return Graph(*(np.load(folder / f"{name}.npy") for name in names))


def checksum(graph: Graph, idom: Iterable[tuple[int, int]]) -> int:
    """A number that is equal for equal answers.

    Args:
        graph: the graph asked about.
        idom: (object, immediate dominator) of the reachable objects in any order.
    """
    table = np.full(graph.count + 1, UNREACHABLE, dtype=np.uint32)
    for node, dominator in idom:
        table[node] = VIRTUAL_ROOT if dominator == graph.count else dominator
    return zlib.crc32(table[: graph.count].tobytes())


def with_heapgraph(graph: Graph) -> dict[str, Any]:
    """The kernel of heapgraph, which gives the retained sizes in the same time."""
    started = time.perf_counter()
    idom, _retained = dominator_tree(graph.offsets, graph.targets, graph.roots, graph.sizes)
    done = time.perf_counter()
    return {"build": 0.0, "seconds": done - started, "checksum": zlib.crc32(idom.tobytes())}


def with_igraph(graph: Graph) -> dict[str, Any]:
    """igraph: Graph.dominator, which answers with a negative number where there is none."""
    import igraph  # noqa: PLC0415 - a peer is loaded where it is measured

    started = time.perf_counter()
    library_graph = igraph.Graph(n=graph.count + 1, edges=graph.edges(), directed=True)
    built = time.perf_counter()
    answer = library_graph.dominator(graph.count, mode="out")
    done = time.perf_counter()
    found = ((node, int(dom)) for node, dom in enumerate(answer) if dom >= 0)
    return {"build": built - started, "seconds": done - built, "checksum": checksum(graph, found)}


def with_rustworkx(graph: Graph) -> dict[str, Any]:
    """rustworkx: immediate_dominators."""
    import rustworkx  # noqa: PLC0415 - a peer is loaded where it is measured

    started = time.perf_counter()
    library_graph = rustworkx.PyDiGraph(multigraph=True)
    library_graph.add_nodes_from(range(graph.count + 1))
    library_graph.extend_from_edge_list(list(map(tuple, graph.edges().tolist())))
    built = time.perf_counter()
    answer = rustworkx.immediate_dominators(library_graph, graph.count)
    done = time.perf_counter()
    found = ((node, dominator) for node, dominator in answer.items() if dominator is not None)
    return {"build": built - started, "seconds": done - built, "checksum": checksum(graph, found)}


def with_networkx(graph: Graph) -> dict[str, Any]:
    """networkx: immediate_dominators in pure Python, on a DiGraph of its own."""
    import networkx as nx  # noqa: PLC0415 - a peer is loaded where it is measured

    started = time.perf_counter()
    library_graph: Any = nx.DiGraph()
    library_graph.add_edges_from(graph.edges().tolist())
    built = time.perf_counter()
    answer = nx.immediate_dominators(library_graph, graph.count)
    done = time.perf_counter()
    found = ((node, dominator) for node, dominator in answer.items() if dominator is not None)
    return {"build": built - started, "seconds": done - built, "checksum": checksum(graph, found)}


ENGINES = {
    "heapgraph": with_heapgraph,
    "igraph": with_igraph,
    "rustworkx": with_rustworkx,
    "networkx": with_networkx,
}
"""What can be measured, by the name of the package."""


def main() -> None:
    """Write the graph, or ask one engine about it."""
    action, *paths = sys.argv[1:]
    if action == "export":
        export_graph(Path(paths[0]), Path(paths[1]))
        print("{}")
    else:
        print(json.dumps(ENGINES[action](read_graph(Path(paths[0])))))


if __name__ == "__main__":
    main()
