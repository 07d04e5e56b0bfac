"""The one list of formats that a snapshot can be written in, for every front end."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from heapgraph.analysis.declarations.parameters import Kind, Parameter, check_values

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from heapgraph.graph.heap_graph import HeapGraph


@dataclass(frozen=True)
class Exporter:
    """One format.

    Attributes:
        name: of the format, and of its module below `heapgraph.export`.
        suffix: of its files.
        inputs: what is written of a snapshot; none: all of it.
        function_name: in that module; `function(graph, path, *, force=False, **inputs)` writes the
            file whole or not at all.
    """

    name: str
    suffix: str
    inputs: tuple[Parameter, ...]
    function_name: str

    def export(
        self, graph: HeapGraph, path: Path, *, force: bool = False, **inputs: object
    ) -> None:
        """Write one file that only its owner can read, like the snapshot.

        Args:
            graph: the snapshot.
            path: the file; one that exists is kept, unless `force` is set and it is a regular file.
            force: replace it.
            inputs: those the format declares; the rest have defaults.

        Raises:
            UsageError: an input it does not have or needs, or a wrong value.
            ObjectNotFound: an input names no object of this snapshot.
            OutputNotWritten: it cannot be written, or exists.
            HeapgraphError: the format cannot be made of this.
        """
        values = check_values(self.name, self.inputs, inputs)
        module = importlib.import_module(f"heapgraph.export.{self.name}")
        function: Callable[..., None] = getattr(module, self.function_name)
        function(graph, path, force=force, **values)


_DRAWING = (
    Parameter("object", Kind.OBJECT, "the object to draw", required=True, is_argument=True),
    Parameter("dominators", Kind.FLAG, "draw what OBJECT retains instead", default=False),
    Parameter("count", Kind.COUNT, "draw up to N different chains", 1, option="--all"),
    Parameter(
        "limit", Kind.COUNT, "how many children of each object to draw, with --dominators", 6
    ),
)

EXPORTERS: Mapping[str, Exporter] = MappingProxyType(
    {
        one.name: one
        for one in (
            Exporter("dot", ".dot", _DRAWING, "write_dot"),
            Exporter("svg", ".svg", _DRAWING, "write_svg"),
            Exporter("pprof", ".pb.gz", (), "export_pprof"),
        )
    }
)
"""Formats by name."""

WHOLE_SNAPSHOT = tuple(
    one.name for one in EXPORTERS.values() if not any(each.required for each in one.inputs)
)
"""Those that need nothing but the snapshot: `heapgraph export` writes them."""
