"""Drawings as SVG, laid out by Graphviz's program `dot`."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Any

import graphviz

from heapgraph.errors import HeapgraphError
from heapgraph.export.dot import draw
from heapgraph.snapshot.pending_file import write_whole

if TYPE_CHECKING:
    from pathlib import Path

    from heapgraph.graph.heap_graph import HeapGraph


def render_svg(digraph: graphviz.Digraph) -> str:
    """Lay a drawing out.

    Returns:
        The SVG document.

    Raises:
        HeapgraphError: the program `dot` is missing, or fails.

    Cost: one run of `dot`, under a second for a few hundred boxes.
    """
    try:
        document: str = digraph.pipe(format="svg", encoding="utf-8", quiet=True)
    except graphviz.ExecutableNotFound as failure:
        raise HeapgraphError(
            "the program `dot` was not found",
            "Graphviz draws the picture and is not installed, or not on PATH",
            "apt-get install graphviz",
        ) from failure
    except subprocess.CalledProcessError as failure:
        raise HeapgraphError(
            f"the program `dot` failed with exit code {failure.returncode}",
            "this Graphviz cannot lay out the drawing",
            "check `dot -V`; version 2.40 or later is needed",
        ) from failure
    return document


def write_svg(
    graph: HeapGraph,
    path: Path,
    *,
    force: bool = False,
    object: int | str,  # noqa: A002 - as on the command line
    **options: Any,  # noqa: ANN401 - those of `draw`
) -> None:
    """Lay a drawing out and write it; see `heapgraph.export.dot.draw` and `Exporter.export`.

    Raises:
        HeapgraphError: it cannot be drawn.
    """
    write_whole(path, render_svg(draw(graph, object, **options)).encode(), force=force)
