"""The dominator tree, unfolded where the user wants to look."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from heapgraph.analysis.object_rows import share_of_heap
from heapgraph.tui.cells import SIGN_CELLS, Bar, Row, safe
from heapgraph.tui.page import Later, Notice, Page, PageCommand
from heapgraph.tui.rows.grouping import GROUPINGS, group_objects
from heapgraph.tui.rows.object_rows import (
    HOLDER_COLUMNS,
    NAME,
    OBJECT_COLUMNS,
    object_cells_row,
)
from heapgraph.tui.rows.tree_nodes import (
    ORDERS,
    Line,
    MoreLine,
    Node,
    TreeSource,
    open_node,
    show_more,
)
from heapgraph.units import format_count, format_share, format_size

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from heapgraph.analysis.registry import Progress
    from heapgraph.tui.cells import Cell, Column
    from heapgraph.tui.places import DominatorsOf, Place
    from heapgraph.tui.state import Session


def _columns(columns: Sequence[Column]) -> list[Column]:
    return [replace(one, lead=SIGN_CELLS) if one is NAME else one for one in columns]


_COLUMNS, _COLUMNS_WITH_GROWTH = _columns(OBJECT_COLUMNS), _columns(HOLDER_COLUMNS)
_DEEPEST_INDENT = 12
_FORK_STEPS = 200
"""How far `e` unfolds objects with a single child: a linked list has no end."""


class TreeTable:
    """The lines of the tree that are unfolded.

    Args:
        session: what is open.
        top: the object whose children are the first lines; None for the roots.
    """

    def __init__(self, session: Session, top: int | None) -> None:
        """Show the first level."""
        self.title = "dominates"
        self.columns: Sequence[Column] = _COLUMNS
        self.cursor = 0
        self.left_out = 0
        self.grouping, self.order, self.raw = "", ORDERS[0], False
        self._session = session
        self._top = top
        self._lines: list[Line] = []
        self.with_growth = False
        self.rebuild()

    def __len__(self) -> int:
        """How many lines there are."""
        return len(self._lines)

    def rebuild(self) -> None:
        """Begin again after a change of grouping, order or folding."""
        self._source = TreeSource(self._session.graph, raw=self.raw, order=self.order)
        top = Node(self._top, -1)
        lines = open_node(self._source, top)
        if self.grouping and top.children is not None and top.sizes is not None:
            groups = group_objects(self._session.graph, top.children, top.sizes, self.grouping)
            lines = [
                Node(None, 0, top, group.label, group.members, group.retained_size)
                for group in groups
            ]
        self._lines = lines
        self.cursor = 0

    def objects(self) -> list[int]:
        """Objects that have a line."""
        nodes = (line for line in self._lines if isinstance(line, Node))
        return [node.object_id for node in nodes if node.object_id is not None]

    def show_growth(self) -> None:
        """Say from now on what is known of the growth of containers."""
        self.with_growth = True
        self.columns = _COLUMNS_WITH_GROWTH
        for line in self._lines:
            if isinstance(line, Node):
                line.row = None

    def line(self, index: int) -> Line | None:
        """What stands in a line."""
        return self._lines[index] if 0 <= index < len(self._lines) else None

    def row(self, index: int) -> Row:
        """One line as a row."""
        line = self._lines[index]
        if isinstance(line, MoreLine):
            return self._more_row(line.node)
        if line.row is None:
            line.row = self._worded(line)
        return line.row

    def _worded(self, line: Node) -> Row:
        indent = "  " * min(line.depth, _DEEPEST_INDENT)
        sign = "▾ " if line.is_open else "▸ " if self._source.has_children(line) else "  "
        if line.members is not None:
            return self._group_row(line, indent + sign)
        return self._object_row(line, indent + sign)

    def _object_row(self, node: Node, before: str) -> Row:
        object_id = node.object_id
        if object_id is None:
            raise ValueError("the top of the tree has no line")
        parent = node.parent
        above = self._top if parent is None or parent.object_id is None else parent.object_id
        name = self._session.names.below(above, object_id)
        retained = None if self.raw else node.retained_size
        return object_cells_row(
            self._session,
            object_id,
            name=name,
            lead=before,
            retained=retained,
            raw=self.raw,
            with_growth=self.with_growth,
        )

    def _group_row(self, node: Node, before: str) -> Row:
        share = share_of_heap(self._session.graph, node.retained_size)
        count = 0 if node.members is None else len(node.members)
        noun = "object" if count == 1 else "objects"
        label = safe(node.label)
        cells: tuple[Cell, ...] = (
            format_size(node.retained_size),
            format_share(share),
            Bar(share),
            *self._no_growth(),
            before + label,
            f"{format_count(count)} {noun}",
            "",
        )
        text = f"type:{node.label}" if self.grouping == "type" else None
        detail = f"{self.grouping} {label}: {format_count(count)} {noun} at the top of this tree"
        return Row(cells, set_text=text, style="strong", detail=detail)

    def _more_row(self, node: Node) -> Row:
        share = share_of_heap(self._session.graph, node.hidden_size)
        indent = "  " * min(node.depth + 1, _DEEPEST_INDENT)
        text = f"{indent}  {format_count(node.hidden_count)} more"
        sizes = (format_size(node.hidden_size), format_share(share), Bar(share))
        cells: tuple[Cell, ...] = (*sizes, *self._no_growth(), text, "", "")
        return Row(cells, style="more", detail="Enter shows more of them")

    def _no_growth(self) -> tuple[str, ...]:
        return ("",) if self.with_growth else ()

    def toggle(self, index: int) -> None:
        """Open or close the line; on "N more" show more."""
        line = self.line(index)
        if isinstance(line, Node) and line.is_open:
            self.close(index)
        else:
            self.open(index)

    def open(self, index: int) -> None:
        """Show what is below a line."""
        line = self.line(index)
        if isinstance(line, MoreLine):
            self._lines[index : index + 1] = show_more(line.node)
        elif isinstance(line, Node) and not line.is_open and self._source.has_children(line):
            self._lines[index + 1 : index + 1] = open_node(self._source, line)

    def close(self, index: int) -> None:
        """Hide what is below a line; on a closed line go to the line above it."""
        line = self.line(index)
        node = line.node if isinstance(line, MoreLine) else line
        if node is None:
            return
        if isinstance(line, MoreLine) or not node.is_open:
            above = node if isinstance(line, MoreLine) else node.parent
            if above is not None and above.depth >= 0:
                self.cursor = self._lines.index(above)
            return
        end = index + 1
        while end < len(self._lines) and self._is_below(self._lines[end], node):
            end += 1
        del self._lines[index + 1 : end]
        node.is_open, node.shown, node.row = False, 0, None

    def open_to_fork(self, index: int) -> None:
        """Unfold single children until there are several, and go there."""
        for _ in range(_FORK_STEPS):
            line = self.line(index)
            if not isinstance(line, Node):
                break
            self.open(index)
            self.cursor = index
            if not line.is_open or line.children is None or len(line.children) != 1:
                break
            index += 1

    @staticmethod
    def _is_below(line: Line, node: Node) -> bool:
        depth = line.node.depth + 1 if isinstance(line, MoreLine) else line.depth
        return depth > node.depth


def build_tree(session: Session, place: DominatorsOf, progress: Progress) -> Page:
    """The tree below an object or below the roots."""
    progress("children", 0, 0)
    graph, top = session.graph, place.object_id
    if top is not None:
        top = graph.folded.owner_of(top)
    table = TreeTable(session, top)
    page = Page(place, "dominator tree", left=[table], object_id=top)
    if top is not None:
        page.title = f"dominated by {session.names.of(top)}"
    _describe(session, page, table)
    page.commands = _commands(session, page, table)
    _look_closer(session, page, table)

    def words(target: str) -> list[str] | None:
        if table.grouping or table.order != ORDERS[0]:
            return None
        raw = ["--raw"] if table.raw else []
        return [*place.words(target), *raw]

    page.words = words
    return page


def _look_closer(session: Session, page: Page, table: TreeTable) -> None:
    """Have the containers judged that have a line and were not judged yet."""
    growth = session.growth
    objects = [one for one in table.objects() if not growth.is_judged(one)]

    def work(progress: Progress) -> Callable[[], None]:
        has_containers = growth.judge(objects, progress)
        return table.show_growth if has_containers else lambda: None

    if objects or (not table.with_growth and any(map(growth.of, table.objects()))):
        page.later = Later("what grows", work)


def _describe(session: Session, page: Page, table: TreeTable) -> None:
    graph, top = session.graph, page.object_id
    what = "everything reachable" if top is None else session.names.of(top)
    size = graph.reachable_size if top is None else graph.folded.retained_size(top)
    view = "raw" if table.raw else "each __dict__ with its owner"
    by = f", by {table.grouping}" if table.grouping else ""
    page.facts = [
        ("tree of", f"{what}, {format_size(size)}"),
        ("shown", f"{view}{by}, sorted by {table.order} size".replace("type size", "type")),
    ]


def _commands(session: Session, page: Page, table: TreeTable) -> dict[str, PageCommand]:
    def on_line(method: str) -> PageCommand:
        def change(row: Row | None, progress: Progress) -> Place | Notice | None:
            del row, progress
            getattr(table, method)(table.cursor)
            _look_closer(session, page, table)
            return None

        return PageCommand(change)

    def changed(row: Row | None, progress: Progress) -> None:
        del row
        progress("children", 0, 0)
        table.rebuild()
        _describe(session, page, table)
        _look_closer(session, page, table)

    def regroup(row: Row | None, progress: Progress) -> None:
        table.grouping = GROUPINGS[(GROUPINGS.index(table.grouping) + 1) % len(GROUPINGS)]
        changed(row, progress)

    def sort(row: Row | None, progress: Progress) -> None:
        table.order = ORDERS[(ORDERS.index(table.order) + 1) % len(ORDERS)]
        changed(row, progress)

    def toggle_raw(row: Row | None, progress: Progress) -> None:
        table.raw = not table.raw
        changed(row, progress)

    return {
        "open_row": on_line("toggle"),
        "expand": on_line("open"),
        "collapse": on_line("close"),
        "expand_to_fork": on_line("open_to_fork"),
        "regroup": PageCommand(regroup, is_heavy=True),
        "sort": PageCommand(sort, is_heavy=True),
        "raw": PageCommand(toggle_raw, is_heavy=True),
    }
