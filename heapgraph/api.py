"""The Python interface: take snapshots and ask them questions.

import heapgraph
snapshot = heapgraph.dump(4711, "app.heapgraph")
snapshot.largest(20)
snapshot.path("app.sessions.CACHE['user:42']")
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from heapgraph.analysis.expressions import expression, resolve
from heapgraph.errors import UsageError
from heapgraph.graph.heap_graph import HeapGraph
from heapgraph.questions import Questions

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Mapping

    import networkx as nx

    from heapgraph.analysis.dominators import Dominators
    from heapgraph.analysis.registry import Progress
    from heapgraph.graph.networkx.graph import SnapshotDiGraph


class Picture(str):
    """An SVG document; notebooks draw it."""

    __slots__ = ()

    def _repr_svg_(self) -> str:
        return str(self)


class Snapshot(Questions):
    """One heap at one time. Objects are named by id, by `@ID`, `0xADDRESS`, or an expression.

    Everything is computed when first asked for and then kept.

    Attributes:
        file: where it is.
        graph: objects, references, roots as arrays; see `heapgraph.graph.heap_graph.HeapGraph`.
    """

    def __init__(self, path: str | os.PathLike[str], *, progress: Progress | None = None) -> None:
        """Open a snapshot file.

        Args:
            path: the file.
            progress: called for long work as (phase, done, total); total 0 = unknown.

        Raises:
            SnapshotFormatError: the file is not a whole snapshot.

        Cost: a millisecond; tables are read when they are used.
        """
        self.file = Path(path)
        self.graph = HeapGraph.open(self.file)
        self._progress = progress

    def __repr__(self) -> str:
        """File and size of the heap."""
        counts = self.manifest["counts"]
        return f"<Snapshot {str(self.file)!r}: {counts['objects']:,} objects>"

    @property
    def manifest(self) -> Mapping[str, Any]:
        """Facts about the target, the capture and the file."""
        return self.graph.manifest

    def largest(self, count: int = 20, *, raw: bool = False) -> Dominators:
        """The objects with the largest retained size; `raw` shows each `__dict__` apart."""
        return self.dominators(limit=count, raw=raw)

    def dominated_by(self, which: int | str, count: int = 20, *, raw: bool = False) -> Dominators:
        """What an object immediately dominates, largest first."""
        return self.dominators(which, limit=count, raw=raw)

    def resolve(self, text: str) -> int:
        """The id of the object that a text names.

        Raises:
            ObjectNotFound: it names nothing, or more than one object.
        """
        return resolve(self.graph, text)

    def expression(self, object_id: int) -> str:
        """How to reach an object in Python."""
        return expression(self.graph, object_id)

    def svg(self, which: int | str, count: int = 1) -> Picture:
        """A picture of up to `count` reference chains that keep an object alive.

        Raises:
            HeapgraphError: Graphviz is not installed, or nothing keeps it alive.
        """
        from heapgraph.export.pictures import draw  # noqa: PLC0415 - only where it is asked for
        from heapgraph.export.svg import render_svg  # noqa: PLC0415 - loads graphviz

        return Picture(render_svg(draw(self.graph, which, count=count)))

    def to_networkx(self, objects: Iterable[int | str]) -> nx.DiGraph[Any]:
        """A cut-out of the heap as an ordinary networkx graph; about 1 KiB of memory an object."""
        ids = [which if isinstance(which, int) else self.resolve(which) for which in objects]
        return self.graph.to_networkx(ids)

    def as_networkx(self) -> SnapshotDiGraph:
        """The whole heap as a graph that networkx computes on without a conversion."""
        return self.graph.as_networkx()


def open_snapshot(path: str | os.PathLike[str], *, progress: Progress | None = None) -> Snapshot:
    """Open a snapshot file; see `Snapshot`."""
    return Snapshot(path, progress=progress)


def dump(
    pid: int,
    output: str | os.PathLike[str],
    *,
    method: str = "auto",
    redact: bool = False,
    max_pause_ms: float | None = None,
    force: bool = False,
    progress: Progress | None = None,
) -> Snapshot:
    """Take a snapshot of a live process and open it; no code runs in the target.

    Args:
        pid: the target.
        output: the file to write.
        method: "clone", "pause" or "auto".
        redact: keep no values.
        max_pause_ms: give up when the target would stand still for longer.
        force: overwrite an existing file.
        progress: called for long work as (phase, done, total); total 0 = unknown.

    Raises:
        UsageError: no such method.
        TargetError: the target cannot be dumped; it goes on as before.
    """
    from heapgraph.capture.dump import dump as take_snapshot  # noqa: PLC0415 - a side branch

    take_snapshot(
        pid,
        output,
        method=_method(method),
        redact=redact,
        max_pause_ms=max_pause_ms,
        force=force,
        progress=progress,
    )
    return Snapshot(output, progress=progress)


def dump_core(
    core: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    executable: str | os.PathLike[str] | None = None,
    redact: bool = False,
    force: bool = False,
    run_code: bool = True,
    progress: Progress | None = None,
) -> Snapshot:
    """Take a snapshot from a core file and open it.

    Args:
        core: the core file, of the kernel or of gcore.
        output: the file to write.
        executable: the program that ran, where it is not at the place that the core names.
        redact: keep no values.
        force: overwrite an existing file.
        run_code: let traverse functions of C types run in a barred process; False: scan instead.
        progress: called for long work as (phase, done, total); total 0 = unknown.

    Raises:
        TargetError: it is no whole core file of a supported Python, or a binary is missing.
    """
    from heapgraph.capture.dump_core import dump_core as take_snapshot  # noqa: PLC0415 - as above

    take_snapshot(
        core,
        output,
        executable=executable,
        redact=redact,
        force=force,
        run_code=run_code,
        progress=progress,
    )
    return Snapshot(output, progress=progress)


def _method(name: str) -> Any:  # noqa: ANN401 - one of the literals that capture declares
    if name not in ("auto", "clone", "pause"):
        raise UsageError(f"no method {name!r}", "it is misspelled", "one of: auto, clone, pause")
    return name
