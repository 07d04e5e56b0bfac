"""What each place shows, one module a place; none of them knows a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from heapgraph.tui import places
from heapgraph.tui.pages import (
    analyses,
    bookmarks,
    compare,
    inspector,
    merged,
    object_set,
    overview,
    result,
    root_path,
    roots,
    suspects,
    threads,
    tree,
    types,
    waste,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from heapgraph.analysis.registry import Progress
    from heapgraph.tui.page import Page
    from heapgraph.tui.places import Place
    from heapgraph.tui.state import Session

_BUILDERS: dict[type[Place], Callable[..., Page]] = {
    places.Overview: overview.build,
    places.DominatorsOf: tree.build,
    places.Inspect: inspector.build,
    places.Named: inspector.build_named,
    places.PathTo: root_path.build,
    places.Types: types.build,
    places.ObjectSet: object_set.build,
    places.MergedPathsTo: merged.build,
    places.RootsOf: roots.build,
    places.Analyses: analyses.build,
    places.AnalysisOf: result.build_result,
    places.Compared: compare.build,
    places.Bookmarks: bookmarks.build,
}

_ANALYSES: dict[str, Callable[..., Page]] = {
    "suspects": suspects.build,
    "threads": threads.build,
    "waste": waste.build,
}
"""Analyses whose results say more in a page of their own than as bare rows."""


def build_page(session: Session, place: Place, progress: Progress) -> Page:
    """Make the page of a place.

    Args:
        session: prepared, except for the overview's own beginning.
        place: what to look at.
        progress: told of long work; may raise to stop it.

    Raises:
        HeapgraphError: the place shows nothing, e.g. a search without a result.
    """
    builder = _BUILDERS[type(place)]
    if isinstance(place, places.AnalysisOf):
        builder = _ANALYSES.get(place.name, builder)
    return builder(session, place, progress)
