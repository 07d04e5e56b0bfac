"""Whether containers grow, as rows say it: judged beside the page, for it may take seconds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from heapgraph.analysis.ages.growth import growth_of_container
from heapgraph.tui.cells import safe

if TYPE_CHECKING:
    from collections.abc import Iterable

    from heapgraph.analysis.ages.verdict import Growth
    from heapgraph.analysis.registry import Progress
    from heapgraph.graph.heap_graph import HeapGraph


class KnownGrowth:
    """What was found out of the containers of one graph."""

    def __init__(self, graph: HeapGraph) -> None:
        """Judge nothing yet."""
        self._graph = graph
        self._known: dict[int, Growth | None] = {}

    def judge(self, object_ids: Iterable[int], progress: Progress) -> bool:
        """Judge objects; whether one of them, in this call or before, is a container.

        Args:
            object_ids: any objects.
            progress: called for each; may raise to stop it.
        """
        chosen = list(object_ids)
        for done, object_id in enumerate(chosen):
            progress("what grows", done, len(chosen))
            if object_id not in self._known:
                self._known[object_id] = growth_of_container(self._graph, object_id)
        return any(self._known[object_id] is not None for object_id in chosen)

    def of(self, object_id: int) -> Growth | None:
        """What is known of an object; None where it was not judged, or is no container."""
        return self._known.get(object_id)

    def is_judged(self, object_id: int) -> bool:
        """Whether `of` says all that there is to say."""
        return object_id in self._known

    def word(self, object_id: int) -> str:
        """The same in a word or two, for a cell; "" for nothing."""
        growth = self.of(object_id)
        return "" if growth is None else safe(str(growth))
