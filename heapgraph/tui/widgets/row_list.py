"""A list of rows with a cursor; only the rows in sight are worded and drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rich.segment import Segment
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from heapgraph.tui.cells import GAP, Bar, Indented, bar, fit, fit_indented, lay_out
from heapgraph.tui.keys import MOVING_KEYS
from heapgraph.tui.tables import current_row, row_of
from heapgraph.tui.widgets.cell_segments import segments_apart
from heapgraph.units import format_count

if TYPE_CHECKING:
    from rich.style import Style
    from textual import events

    from heapgraph.tui.cells import Column, Row
    from heapgraph.tui.tables import Table

_MIN_WITH_HEADER = 4
"""Lines from which a list that does not have the keys still shows its column titles."""

_KEPT_STRIPS = 500

CURSOR, NO_CURSOR = ">", " "
"""The cursor has a sign besides its colour: there are terminals without any."""


class RowList(ScrollView, can_focus=True, inherit_bindings=False):
    """Shows one table."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(key.keys, key.action, key.help, show=False) for key in MOVING_KEYS
    ]
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "row-list--header",
        "row-list--cursor",
        "row-list--bar",
        "row-list--dim",
        "row-list--strong",
        "row-list--more",
        "row-list--marked",
    }

    class Moved(Message):
        """The cursor is at another row."""

        def __init__(self, row: Row | None) -> None:
            """Remember the row."""
            super().__init__()
            self.row = row

    class Chosen(Message):
        """The row at the cursor was clicked a second time."""

    def __init__(self, *, id: str) -> None:  # noqa: A002 - Textual's name
        """Show nothing yet."""
        super().__init__(id=id)
        self.table: Table | None = None
        self._layout: list[tuple[int, Column]] = []
        self._laid_out_width = -1
        self._strips: dict[tuple[int, bool], Strip] = {}

    def show(self, table: Table | None) -> None:
        """Show a table, at its own cursor."""
        self.table = table
        self.display = table is not None
        if table is not None:
            self.refresh_rows()

    def refresh_rows(self) -> None:
        """Draw the table again after it changed."""
        self._strips.clear()
        if self.table is None:
            return
        self.table.cursor = max(0, min(self.table.cursor, len(self.table) - 1))
        self._measure()
        self._lay_out()
        self._show_position()
        self.refresh()
        self.call_after_refresh(self._scroll_to_cursor)

    @property
    def row(self) -> Row | None:
        """The row at the cursor."""
        return current_row(self.table)

    def on_resize(self) -> None:
        """Share out the columns anew."""
        self._lay_out()
        self._measure()
        self._scroll_to_cursor()

    def on_focus(self) -> None:
        """Say which row has the keys now."""
        self._measure()
        self.post_message(self.Moved(self.row))

    def on_blur(self) -> None:
        """A short list without the keys shows no column titles."""
        self._measure()

    def on_click(self, event: events.Click) -> None:
        """Go to the clicked row; a click at the cursor opens it."""
        offset = event.get_content_offset(self)
        if self.table is None or offset is None or offset.y < self._header_lines:
            return
        index = offset.y + int(self.scroll_offset.y) - self._header_lines
        if index >= len(self.table):
            return
        if index == self.table.cursor:
            self.post_message(self.Chosen())
        else:
            self._go_to(index)

    def action_move(self, steps: int) -> None:
        """Move the cursor."""
        if self.table is not None:
            self._go_to(self.table.cursor + steps)

    def action_page(self, pages: int) -> None:
        """Move the cursor by what is in sight."""
        self.action_move(pages * max(1, self._rows_in_sight - 1))

    def action_edge(self, direction: int) -> None:
        """Go to the first or the last row."""
        if self.table is not None:
            self._go_to(0 if direction < 0 else len(self.table) - 1)

    def render_line(self, y: int) -> Strip:
        """One line of the terminal."""
        width = self._width
        if width != self._laid_out_width:  # a scroll bar came or went
            self._lay_out()
        if self.table is None:
            return Strip.blank(width, self.rich_style)
        if y < self._header_lines:
            return self._header(width)
        index = y - self._header_lines + int(self.scroll_offset.y)
        if index >= len(self.table):
            return Strip.blank(width, self.rich_style)
        key = (index, self.has_focus and index == self.table.cursor)
        if key not in self._strips:
            if len(self._strips) > _KEPT_STRIPS:
                self._strips.clear()
            self._strips[key] = self._line(index, width)
        return self._strips[key]

    def notify_style_update(self) -> None:
        """Other colours."""
        self._strips.clear()
        super().notify_style_update()

    @property
    def _width(self) -> int:
        return self.scrollable_content_region.width

    @property
    def _header_lines(self) -> int:
        return int(self.has_focus or self.size.height >= _MIN_WITH_HEADER)

    @property
    def _rows_in_sight(self) -> int:
        return max(1, self.size.height - self._header_lines)

    def _measure(self) -> None:
        """Tell how long the list is; the scroll bar hears of it only when the size changes too."""
        if self.table is None:
            return
        self.virtual_size = Size(self._width, len(self.table) + self._header_lines)
        if self.show_vertical_scrollbar:
            self.vertical_scrollbar.window_virtual_size = self.virtual_size.height
            self.vertical_scrollbar.window_size = self.size.height

    def _lay_out(self) -> None:
        columns = self.table.columns if self.table is not None else ()
        self._laid_out_width = self._width
        self._strips.clear()
        self._layout = lay_out(columns, max(1, self._width - len(CURSOR)))

    def _header(self, width: int) -> Strip:
        style = self.get_component_rich_style("row-list--header")
        segments = [Segment(NO_CURSOR, style)]
        for place, (_, column) in enumerate(self._layout):
            segments += [Segment(" " * GAP, style)] * bool(place) + segments_apart(
                column.header, style
            )
        return Strip(segments).adjust_cell_length(width, style)

    def _line(self, index: int, width: int) -> Strip:
        if self.table is None:
            raise ValueError("a list without a table has no lines")
        row = row_of(self.table, index)
        is_cursor = index == self.table.cursor
        style = self._style_of(row, is_cursor=is_cursor)
        bar_style = style + self.get_component_rich_style("row-list--bar", partial=True)
        segments = [Segment(CURSOR if is_cursor and self.has_focus else NO_CURSOR, style)]
        for place, (cell_index, column) in enumerate(self._layout):
            if place:
                segments.append(Segment(" " * GAP, style))
            cell = row.cells[cell_index]
            if isinstance(cell, Bar):
                segments.append(Segment(bar(cell.share, column.width), bar_style))
            elif isinstance(cell, Indented):
                segments += segments_apart(
                    fit_indented(cell, column.width, keep=column.keep), style
                )
            else:
                text = fit(cell, column.width, align=column.align, keep=column.keep)
                segments += segments_apart(text, style)
        return Strip(segments).adjust_cell_length(width, style)

    def _style_of(self, row: Row, *, is_cursor: bool) -> Style:
        style = self.rich_style
        if row.style:
            style += self.get_component_rich_style(f"row-list--{row.style}", partial=True)
        if is_cursor and self.has_focus:
            style += self.get_component_rich_style("row-list--cursor", partial=True)
        return style

    def _go_to(self, index: int) -> None:
        if self.table is None or not len(self.table):
            return
        before = self.table.cursor
        self.table.cursor = max(0, min(index, len(self.table) - 1))
        if self.table.cursor != before:
            self._scroll_to_cursor()
            self._show_position()
            self.refresh()
            self.post_message(self.Moved(self.row))

    def _scroll_to_cursor(self) -> None:
        if self.table is None:
            return
        top = int(self.scroll_offset.y)
        cursor, room = self.table.cursor, self._rows_in_sight
        if cursor < top:
            self.scroll_to(y=cursor, animate=False, force=True)
        elif cursor >= top + room:
            self.scroll_to(y=cursor - room + 1, animate=False, force=True)
        self.refresh()

    def _show_position(self) -> None:
        """`referrers: 3 of 40,312` in the border."""
        if self.table is None:
            return
        count = len(self.table)
        position = f"{format_count(self.table.cursor + 1)} of {format_count(count)}"
        left_out = self.table.left_out
        count_left_out = "" if left_out is True else f"{format_count(left_out)} "
        more = f" and {count_left_out}more" if left_out else ""
        # Textual reads markup in a title, and this one may be text of the target.
        title = f"{self.table.title}: {position if count else 'none'}{more}"
        self.border_title = title.replace("[", "\\[")
