"""Why one object is alive: its paths from the roots, step by step, and what cutting would free."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from heapgraph.analysis.expressions.segments import entry_label, is_namespace
from heapgraph.analysis.paths import parse_exclusions
from heapgraph.graph.cuts import CutReferences, freed_without
from heapgraph.model import EDGE_KIND_NAMES, ROOT_KIND_NAMES, EdgeKind
from heapgraph.tui.cells import Column, Row, count_text, safe
from heapgraph.tui.page import Later, Notice, Page, PageCommand
from heapgraph.tui.places import Inspect, PathTo, Place
from heapgraph.tui.rows.object_rows import GROWTH, RETAINED, mark, native_detail, sizes_text
from heapgraph.tui.tables import LazyTable
from heapgraph.units import format_count, format_size

if TYPE_CHECKING:
    from collections.abc import Callable

    from heapgraph.analysis.ages.verdict import Growth
    from heapgraph.analysis.registry import Progress
    from heapgraph.graph.heap_graph import HeapGraph
    from heapgraph.graph.paths import RootPath
    from heapgraph.graph.references import Reference
    from heapgraph.tui.state import Session

MAX_PATHS = 12
_COLUMNS = (
    Column("by", 9, rank=4),
    Column("label", keep="both"),
    Column("type", 20, keep="end", rank=3),
    RETAINED,
    Column("among", 12, align="right", rank=5),
)
_COLUMNS_WITH_GROWTH = (*_COLUMNS[:2], replace(GROWTH, rank=2), *_COLUMNS[2:])
_MOST_JUDGED = 200
"""Objects at the end of a path that are looked at for containers: that of a linked list has a
million, and nobody reads them all."""


def siblings(graph: HeapGraph, reference: Reference) -> int:
    """References of the same kind from the same object: the items of a list, the values of a dict.

    Cost: the references of the object, vectorised; 10 million take about 5 ms.
    """
    begin, end = graph.offsets[reference.source : reference.source + 2].tolist()
    return int(np.count_nonzero(graph.edge_kinds[begin:end] == reference.kind))


@dataclass(frozen=True)
class Step:
    """One line of a path.

    Attributes:
        object_id: the object.
        edge: row of the reference that leads here; None for the root's own.
        in_namespace: the reference is an entry of a `__dict__`.
    """

    object_id: int
    edge: int | None
    in_namespace: bool = False


class Steps(Sequence[Step]):
    """The lines of a path; folded, a `__dict__` on the way has no line of its own.

    A line is made when it is looked at, for a linked list has a million.

    Args:
        session: of the snapshot.
        path: the path.
        raw: a `__dict__` has a line as well.

    Cost: 50 ms per million steps.
    """

    def __init__(self, session: Session, path: RootPath, *, raw: bool) -> None:
        """Find the steps that have a line."""
        edges = np.array([step.edge_index for step in path.steps[1:]], np.int64)
        self._path = path
        self._is_dict = np.concatenate(([False], session.graph.edge_kinds[edges] == EdgeKind.DICT))
        is_shown = ~self._is_dict | raw
        is_shown[-1] = True
        self._places = np.flatnonzero(is_shown)

    def __len__(self) -> int:
        """How many lines."""
        return len(self._places)

    def __getitem__(self, line: int) -> Step:  # type: ignore[override]  # nobody asks for a slice
        """One line."""
        place = int(self._places[line])
        step = self._path.steps[place]
        return Step(step.object_id, step.edge_index, place > 0 and bool(self._is_dict[place - 1]))

    def last_objects(self) -> list[int]:
        """The objects of the last lines, which are looked at for containers."""
        places = self._places[-_MOST_JUDGED:].tolist()
        return [self._path.steps[place].object_id for place in places]


class PathView:
    """The paths that were found and the one that is shown."""

    def __init__(self, session: Session, place: PathTo, paths: list[RootPath]) -> None:
        """Show the first."""
        self._session = session
        self.place = place
        self.paths = paths
        self.shown = 0
        self.raw = False
        self.freed = ""
        self._with_growth = False
        self._steps: dict[tuple[int, bool], Steps] = {}

    @property
    def steps(self) -> Steps:
        """The lines of the path that is shown."""
        key = (self.shown, self.raw)
        if key not in self._steps:
            self._steps[key] = Steps(self._session, self.path, raw=self.raw)
        return self._steps[key]

    @property
    def path(self) -> RootPath:
        """The path that is shown."""
        return self.paths[self.shown]

    def table(self) -> LazyTable:
        """The steps of the path that is shown, root first."""
        path, steps = self.path, self.steps
        self._with_growth = any(self._known_growth(one) for one in steps.last_objects())

        def make_row(index: int) -> Row:
            return self._root_row(path) if index == 0 else self._step_row(steps[index])

        columns = _COLUMNS_WITH_GROWTH if self._with_growth else _COLUMNS
        table = LazyTable("path from the root", columns, len(steps), make_row)
        table.cursor = len(steps) - 1
        return table

    def _root_row(self, path: RootPath) -> Row:
        root = self._session.graph.roots.row(path.root)
        kind = ROOT_KIND_NAMES[root.kind]
        return self._row(root.target, kind, safe(root.name) or "-", "", f"{kind} root")

    def _step_row(self, step: Step) -> Row:
        graph = self._session.graph
        if step.edge is None:
            raise ValueError("only the first step has no reference")
        reference = graph.reference(step.edge)
        label = entry_label(graph, reference, in_namespace=step.in_namespace)
        kind = EDGE_KIND_NAMES[reference.kind]
        among = f"1 of {format_count(siblings(graph, reference))}"
        shown = "__dict__" if is_namespace(reference) else safe(label or "-")
        return self._row(step.object_id, kind, shown, among, f"{kind} reference")

    def _row(self, object_id: int, kind: str, label: str, among: str, what: str) -> Row:
        graph = self._session.graph
        type_name = safe(graph.type_name(object_id))
        retained = graph.folded.shown_retained_size(object_id)
        known = self._known_growth(object_id)
        word = (safe(str(known or "")),) if self._with_growth else ()
        native = graph.folded.native_size(graph.folded.owner_of(object_id))
        cells = (kind, label, *word, type_name, sizes_text(retained, native), among)
        detail = f"{what} {label} to {self._session.names.of(object_id)}  @{object_id}"
        if native:
            detail = f"{detail}  {native_detail(retained, native)}"
        if known is not None:
            detail = f"{detail}  {safe(known.sentence)}"
        style = mark(self._session, object_id)
        return Row(cells, Inspect(object_id), object_id, style=style, detail=detail)

    def judge(self, progress: Progress) -> None:
        """Find out which containers on the paths grow; a `__dict__` is none."""
        for path in self.paths:
            steps = Steps(self._session, path, raw=False)
            self._session.growth.judge(steps.last_objects(), progress)

    def _known_growth(self, object_id: int) -> Growth | None:
        """What is known; a path is no place to say what is not."""
        growth = self._session.growth.of(object_id)
        return growth if growth is not None and growth.is_known else None

    def step_at(self, cursor: int) -> Step:
        """The step of a line."""
        return self.steps[min(cursor, len(self.steps) - 1)]

    def facts(self) -> list[tuple[str, str]]:
        """What is said above the steps."""
        session, place = self._session, self.place
        facts = [("object", session.names.of(place.object_id))]
        if self.paths:
            found = f"{self.shown + 1} of {len(self.paths)} found"
            length = len(self.path.steps) - 1
            facts.append(("path", f"{found}, {format_count(length)} references"))
        else:
            facts.append(("path", "none: no root leads here under these conditions"))
        without = list(place.exclude)
        if place.without:
            without.append(count_text(len(place.without), "single reference"))
        if without:
            facts.append(("without", ", ".join(without)))
        if self.freed:
            facts.append(("what if", self.freed))
        return facts


def build_root_path(session: Session, place: PathTo, progress: Progress) -> Page:
    """The page of an object's paths."""
    progress("paths from the roots", 0, 0)
    kinds = parse_exclusions(place.exclude)
    conditions = kinds
    if place.without:
        conditions = CutReferences(kinds.root_kinds, kinds.edge_kinds, frozenset(place.without))
    paths = session.graph.all_paths(place.object_id, MAX_PATHS, conditions)
    view = PathView(session, place, paths)
    page = Page(place, f"path to {session.names.of(place.object_id)}", object_id=place.object_id)
    _show(page, view)
    page.later = Later("what grows", lambda progress: _look_closer(page, view, progress))

    def words(target: str) -> list[str] | None:
        words, number = place.words(target), view.shown + 1
        return words if words is None or number == 1 else [*words, "--all", str(number)]

    page.words = words
    page.commands = PathCommands(session, page, view).by_name()
    return page


def _show(page: Page, view: PathView) -> None:
    page.facts = view.facts()
    page.left = [view.table()] if view.paths else []


def _look_closer(page: Page, view: PathView, progress: Progress) -> Callable[[], None]:
    view.judge(progress)

    def show() -> None:
        cursor = page.left[0].cursor if page.left else 0
        _show(page, view)
        if page.left:
            page.left[0].cursor = cursor

    return show


class PathCommands:
    """What the keys do on a page of paths."""

    def __init__(self, session: Session, page: Page, view: PathView) -> None:
        """Belong to a page."""
        self._session = session
        self._page = page
        self._view = view

    def by_name(self) -> dict[str, PageCommand]:
        """The commands, none where there is no path."""
        if not self._view.paths:
            return {}
        turns = {
            "next_path": PageCommand(lambda *_: self._turn(1)),
            "previous_path": PageCommand(lambda *_: self._turn(-1)),
        }
        return {
            **(turns if len(self._view.paths) > 1 else {}),
            "raw": PageCommand(lambda *_: self._toggle_raw()),
            "exclude_reference": PageCommand(lambda *_: self._exclude(by_kind=False)),
            "exclude_kind": PageCommand(lambda *_: self._exclude(by_kind=True)),
            "what_if": PageCommand(self._what_if, is_heavy=True),
        }

    @property
    def _step(self) -> Step:
        return self._view.step_at(self._page.left[0].cursor)

    def _turn(self, by: int) -> None:
        view = self._view
        view.shown = (view.shown + by) % len(view.paths)
        view.freed = ""
        _show(self._page, view)

    def _toggle_raw(self) -> None:
        self._view.raw = not self._view.raw
        _show(self._page, self._view)

    def _exclude(self, *, by_kind: bool) -> Place:
        """Paths without the reference at the cursor; at the root, without its kind."""
        place, edge = self._view.place, self._step.edge
        if edge is not None and not by_kind:
            return PathTo(place.object_id, place.exclude, (*place.without, edge))
        graph = self._session.graph
        if edge is None:
            kind = ROOT_KIND_NAMES[graph.roots.row(self._view.path.root).kind]
        else:
            kind = EDGE_KIND_NAMES[graph.reference(edge).kind]
        exclude = place.exclude if kind in place.exclude else (*place.exclude, kind)
        return PathTo(place.object_id, exclude, place.without)

    def _what_if(self, row: Row | None, progress: Progress) -> Notice | None:
        del row
        page, view, step = self._page, self._view, self._step
        if step.edge is None:
            return Notice("a root cannot be cut: go to a step below it")
        progress("what would be freed", 0, 0)
        freed = freed_without(self._session.graph, {*view.place.without, step.edge})
        also = " besides those left out" if view.place.without else ""
        view.freed = (
            f"cutting the reference to {self._session.names.of(step.object_id)}{also} frees "
            f"{format_size(freed.size)} in {format_count(freed.objects)} objects"
        )
        cursor = page.left[0].cursor
        _show(page, view)
        page.left[0].cursor = cursor
        return None
