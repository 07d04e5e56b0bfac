"""What a user has open: the snapshot, where they were, what they marked. No terminal in sight."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from heapgraph.analysis.ages.growth import prepare_growth
from heapgraph.tui.growing import KnownGrowth
from heapgraph.tui.names import Names
from heapgraph.tui.places import Bookmarks, command_line
from heapgraph.tui.search import find_members

if TYPE_CHECKING:
    from collections.abc import Callable

    from heapgraph.analysis.registry import Progress
    from heapgraph.graph.heap_graph import HeapGraph
    from heapgraph.native.graph_kernels import U32
    from heapgraph.tui.cells import Row
    from heapgraph.tui.page import Page
    from heapgraph.tui.places import Place

MAX_PAGES = 100
"""Pages that history keeps; each holds its cursors and what was unfolded."""

_KEPT_SETS = 8
_KEPT_PAGES = 30
_CHANGING = (Bookmarks,)
"""Places whose pages are made anew at each visit."""


class History:
    """Pages in the order of visits, and the one that is shown."""

    def __init__(self) -> None:
        """Begin nowhere."""
        self._pages: list[Page] = []
        self._at = -1

    @property
    def page(self) -> Page | None:
        """The page that is shown."""
        return self._pages[self._at] if self._pages else None

    @property
    def titles(self) -> list[str]:
        """Titles from the first page to the one that is shown."""
        return [page.title for page in self._pages[: self._at + 1]]

    def visit(self, page: Page) -> None:
        """Show a page; the pages that were ahead are forgotten."""
        self._pages = [*self._pages[: self._at + 1], page][-MAX_PAGES:]
        self._at = len(self._pages) - 1

    def replace(self, page: Page) -> None:
        """Show a page in the place of the present one, which it says more exactly."""
        if self._pages:
            self._pages[self._at] = page
        else:
            self.visit(page)

    def move(self, steps: int) -> bool:
        """Go back (-1) or forward (1); False where there is no page."""
        if not 0 <= self._at + steps < len(self._pages):
            return False
        self._at += steps
        return True

    def can_move(self, steps: int) -> bool:
        """Whether `move` would find a page."""
        return 0 <= self._at + steps < len(self._pages)


class Session:
    """One snapshot being looked at.

    Attributes:
        file: as it was given, for command lines.
        graph: the snapshot.
        history: the pages visited.
        bookmarks: marked objects, in the order of marking.
        selection: the last set that was found; its members are marked in every list.
        selection_text: what it was found by.
        is_prepared: everything that rows need has been computed.
    """

    def __init__(self, file: str, graph: HeapGraph) -> None:
        """Compute nothing yet."""
        self.file = file
        self.graph = graph
        self.history = History()
        self.bookmarks: list[int] = []
        self.selection: U32 = np.empty(0, np.uint32)
        self.selection_text = ""
        self.is_prepared = False
        self._sets: dict[str, U32] = {}
        self._pages: dict[Place, Page] = {}

    @cached_property
    def growth(self) -> KnownGrowth:
        """Which containers grow."""
        return KnownGrowth(self.graph)

    @cached_property
    def names(self) -> Names:
        """What objects are called."""
        return Names(self.graph)

    def prepare(self, progress: Progress) -> None:
        """Compute or read all that pages share, so that rows cost microseconds afterwards.

        Cost: the derived arrays of the graph; from the cache about 1 s for 10 million objects.
        """
        graph = self.graph
        steps: tuple[tuple[str, Callable[[], object]], ...] = (
            ("objects and references", lambda: (graph.addresses, graph.shallow_sizes)),
            ("references", lambda: (graph.targets, graph.labels, graph.edge_kinds)),
            ("names and roots", lambda: (graph.type_names, graph.roots)),
            ("threads", lambda: (graph.threads, graph.frames)),
            ("dominator tree", lambda: graph.dominators),
            ("order of the tree", lambda: graph.dominators.order),
            ("attribute dicts", lambda: graph.folded.parts_of(0) if graph.object_count else []),
            ("paths from the roots", lambda: graph.root_paths),
            ("referrers", lambda: graph.reverse),
            ("values", lambda: graph.all_previews),
            ("totals", lambda: graph.reachable_size),
            ("ages", lambda: prepare_growth(graph)),
        )
        for done, (phase, step) in enumerate(steps):
            progress(phase, done, len(steps))
            step()
        self.is_prepared = True

    def known_page(self, place: Place) -> Page | None:
        """The page of a place that was visited not long ago, as it was left; None without one."""
        return self._pages.get(place)

    def visit(self, page: Page) -> None:
        """Show a page and remember it."""
        self.history.visit(page)
        if isinstance(page.place, _CHANGING):
            return
        self._pages.pop(page.place, None)
        self._pages[page.place] = page
        if len(self._pages) > _KEPT_PAGES:
            del self._pages[next(iter(self._pages))]

    def members(self, text: str, progress: Progress | None = None) -> U32:
        """Ids of the objects of a set, rising, the sets used last kept; see `find_members`.

        Raises:
            ObjectNotFound: nothing is found.
        """
        if text not in self._sets:
            while len(self._sets) >= _KEPT_SETS:
                del self._sets[next(iter(self._sets))]
            self._sets[text] = find_members(self.graph, text, progress).members
        return self._sets[text]

    def select(self, text: str) -> None:
        """Mark the members of a set in every list from now on."""
        self.selection, self.selection_text = self.members(text), text

    def is_selected(self, object_id: int) -> bool:
        """Whether an object is in the selection."""
        row = int(np.searchsorted(self.selection, object_id))
        return row < len(self.selection) and int(self.selection[row]) == object_id

    def toggle_bookmark(self, object_id: int) -> bool:
        """Mark or unmark an object; returns whether it is marked now."""
        if object_id in self.bookmarks:
            self.bookmarks.remove(object_id)
            return False
        self.bookmarks.append(object_id)
        return True

    def command_line(self, page: Page) -> str | None:
        """What to type in a shell for the same view; None where no command shows it."""
        target = "" if page.object_id is None else self.names.object_text(page.object_id)
        words = (page.words or page.place.words)(target)
        return None if words is None else command_line(self.file, words)


def object_of(page: Page, row: Row | None) -> int | None:
    """The object that keys are about: the row's where it has one, else the page's."""
    if page.keys_mean_page or row is None or row.object_id is None:
        return page.object_id
    return row.object_id


def set_of(page: Page, row: Row | None, selection: str = "") -> str | None:
    """The set that keys are about: the row's, else the page's, else the one that was found last."""
    if row is not None and row.set_text is not None:
        return row.set_text
    return page.set_text or selection or None
