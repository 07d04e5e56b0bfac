"""One analysis of a snapshot in a process of its own: its seconds, apart from those of opening.

    python -m benchmarks.one_analysis SNAPSHOT KIND [NAME]

KIND is `analysis`, `detector`, `query`, `merged` or `opening`; NAME says which. Prints
{"opening": seconds, "seconds": seconds, "cpu": seconds of all threads, "rows": how many}.
The cache folder is that of HEAPGRAPH_CACHE, as for any user.
"""

from __future__ import annotations

import json
import re
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from heapgraph.analysis.registry import run
from heapgraph.graph.heap_graph import HeapGraph

if TYPE_CHECKING:
    from collections.abc import Callable

MERGED_MEMBERS = 100_000
"""Objects whose paths are merged."""

MERGED_TYPE = "__main__.Order"
SQL_PAGE = Path(__file__).resolve().parents[1] / "docs" / "sql.md"


def documented_queries() -> list[str]:
    """The worked queries of docs/sql.md, in the order of the page."""
    return re.findall(r"```sql\n(.*?)```", SQL_PAGE.read_text(), re.DOTALL)


def opened(snapshot: str) -> HeapGraph:
    """A graph with what analyses need: references, sizes, types, the dominator tree, paths."""
    graph = HeapGraph.open(snapshot)
    _ = graph.offsets, graph.targets, graph.edge_kinds, graph.shallow_sizes, graph.type_ids
    _ = graph.dominators.order
    return graph


def merged_paths(graph: HeapGraph) -> int:
    """Merge the paths to many objects of one class; how many paths are left."""
    members = graph.objects_of_type(MERGED_TYPE)[:MERGED_MEMBERS].tolist()
    return len(run("paths", graph, objects=members).to_dict()["paths"])


def rows_of_analysis(graph: HeapGraph, name: str) -> int:
    """Run an analysis with its defaults; the rows of its first list."""
    result = run(name, graph, new=graph) if name == "diff" else run(name, graph)
    document = result.to_dict()
    return len(next(value for value in document.values() if isinstance(value, list)))


def question(graph: HeapGraph, kind: str, name: str) -> Callable[[], int]:
    """What shall be timed; returns a number of rows."""
    if kind == "analysis":
        return lambda: rows_of_analysis(graph, name)
    if kind == "detector":
        return lambda: len(run("waste", graph, detectors=[name]).to_dict()["findings"])
    if kind == "query":
        query = documented_queries()[int(name)]
        return lambda: len(run("sql", graph, query=query).to_dict()["rows"])
    if kind == "merged":
        return lambda: merged_paths(graph)
    # The search of all paths is kept like the dominators; the other analyses find it ready.
    return lambda: len(graph.root_paths.order)


def main() -> None:
    """Open, ask, print."""
    snapshot, kind, *name = sys.argv[1:]
    started = time.perf_counter()
    graph = opened(snapshot)
    ask = question(graph, kind, name[0] if name else "")
    asked, cpu_before = time.perf_counter(), time.process_time()
    rows = ask()
    seconds, cpu = time.perf_counter() - asked, time.process_time() - cpu_before
    found = {"opening": asked - started, "seconds": seconds, "cpu": cpu, "rows": rows}
    print(json.dumps(found))


if __name__ == "__main__":
    main()
