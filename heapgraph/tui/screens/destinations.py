"""What the keys of the browser have done in the background."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from heapgraph.analysis.registry import REGISTRY, run
from heapgraph.errors import UsageError
from heapgraph.export.registry import EXPORTERS
from heapgraph.tui import places

if TYPE_CHECKING:
    from heapgraph.analysis.declarations.parameters import Parameter
    from heapgraph.analysis.registry import Progress
    from heapgraph.graph.heap_graph import HeapGraph
    from heapgraph.tui.places import Place
    from heapgraph.tui.state import Session


def find(session: Session, text: str, progress: Progress) -> Place:
    """Where a search leads: an object, or a set.

    Raises:
        ObjectNotFound: nowhere.
    """
    from heapgraph.tui.search import find_object  # noqa: PLC0415 - needs numpy

    object_id = find_object(session.graph, text)
    if object_id is not None:
        return places.Inspect(object_id)
    session.members(text.strip(), progress)
    return places.ObjectSet(text.strip())


def missing_parameter(place: Place) -> Parameter | None:
    """What an analysis still has to be told."""
    if not isinstance(place, places.AnalysisOf):
        return None
    given = {name for name, _ in place.parameters}
    missing = (one for one in REGISTRY[place.name].parameters if one.required)
    return next((one for one in missing if one.name not in given), None)


def with_parameter(place: Place, name: str, text: str) -> Place:
    """The place of an analysis that was told one thing more."""
    if not isinstance(place, places.AnalysisOf):
        return place
    return places.AnalysisOf(place.name, (*place.parameters, (name, text)))


SQL_KEYWORDS = (
    *("select", "distinct", "from", "instances", "join", "on", "as", "where", "and", "or", "not"),
    *("like", "is", "null", "group", "by", "having", "order", "desc", "limit"),
    *("count", "sum", "max", "min", "describe"),
)


def sql_names(graph: HeapGraph) -> frozenset[str]:
    """Names of tables and columns."""
    schema = run("sql", graph).to_dict()["rows"]
    return frozenset(str(name) for row in schema for name in row[:2])


def place_of_line(purpose: str, text: str) -> Place:
    """The place that a query, or the files of other snapshots, lead to.

    Raises:
        UsageError: a quote in the line has no end.
    """
    if purpose == "sql":
        return places.AnalysisOf("sql", (("query", text.strip()),))
    try:
        words = shlex.split(text)
    except ValueError as failure:
        raise UsageError(
            f"no file names: {text}", str(failure), "end the quote, or write a backslash before it"
        ) from failure
    return places.Compared(tuple(str(Path(word).expanduser()) for word in words))


def write_picture(graph: HeapGraph, object_id: int, path: Path, *, retained: bool) -> Path:
    """Write an SVG of the chains to an object, or of what it retains.

    Args:
        graph: the snapshot.
        object_id: the object.
        path: the file; where it exists, `-2` and so on is added to its name.
        retained: draw what it retains.

    Returns:
        The file written.

    Raises:
        HeapgraphError: nothing leads to the object, or it cannot be drawn or written.
    """
    name, number = path, 1
    while os.path.lexists(name):
        number += 1
        name = path.with_stem(f"{path.stem}-{number}")
    EXPORTERS["svg"].export(graph, name, object=object_id, dominators=retained)
    return name
