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
    places.Overview: overview.build_overview,
    places.DominatorsOf: tree.build_tree,
    places.Inspect: inspector.build_inspector,
    places.Named: inspector.build_named,
    places.PathTo: root_path.build_root_path,
    places.Types: types.build_types,
    places.ObjectSet: object_set.build_object_set,
    places.MergedPathsTo: merged.build_merged,
    places.RootsOf: roots.build_roots,
    places.Analyses: analyses.build_analyses,
    places.AnalysisOf: result.build_result,
    places.Compared: compare.build_compare,
    places.Bookmarks: bookmarks.build_bookmarks,
}

_ANALYSES: dict[str, Callable[..., Page]] = {
    "suspects": suspects.build_suspects,
    "threads": threads.build_threads,
    "waste": waste.build_waste,
}
"""Analyses whose results say more in a page of their own than as bare rows."""


def build_page(session: Session, place: Place, progress: Progress) -> Page:
    """Make the page of a place.

    Args:
        session: prepared, except for the overview's own beginning.
        place: what to look at.
        progress: called for long work; may raise to stop it.

    Raises:
        HeapgraphError: the place shows nothing, e.g. a search without a result.
    """
    builder = _BUILDERS[type(place)]
    if isinstance(place, places.AnalysisOf):
        builder = _ANALYSES.get(place.name, builder)
    return builder(session, place, progress)
