"""One page on the screen: facts, block of shares, lists, the full text of the row at the cursor."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.text import Text
from textual.containers import Container, Vertical
from textual.message import Message
from textual.widgets import Static

from heapgraph.tui.cells import fit
from heapgraph.tui.widgets.row_list import RowList
from heapgraph.tui.widgets.share_block import ShareBlock

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from heapgraph.tui.cells import Row
    from heapgraph.tui.page import Page
    from heapgraph.tui.tables import Table

WIDE = 110
"""Columns from which lists stand side by side."""

_LABEL_WIDTH = 11
_FACTS_PART = 3
_FRAME_LINES = 2
"""Lines of a list besides its rows: its title and the titles of its columns."""

_NARROW = 60


class Lists(Container):
    """The lists of a page: their room changes with the facts above and the text below them."""

    class Resized(Message):
        """There is more room or less."""

    def on_resize(self) -> None:
        """Have the room shared out anew."""
        self.post_message(self.Resized())


class PageView(Vertical):
    """Shows one page at a time with the same widgets."""

    def __init__(self, *, id: str) -> None:  # noqa: A002 - Textual's name
        """Show nothing yet."""
        super().__init__(id=id)
        self.page: Page | None = None
        self._facts = Text()

    def compose(self) -> ComposeResult:
        """Places for everything a page may have."""
        yield Static(id="facts")
        yield ShareBlock(id="shares")
        with Lists(id="lists"):
            with Vertical(id="left"):
                yield RowList(id="list-0")
                yield RowList(id="list-1")
            with Vertical(id="right"):
                yield RowList(id="list-2")
                yield RowList(id="list-3")
        yield Static(id="detail")

    @property
    def row(self) -> Row | None:
        """The row at the cursor of the list that has the keys."""
        one = self._list_with_keys()
        return None if one is None else one.row

    def show(self, page: Page) -> None:
        """Show a page, at the list it was left at."""
        self.page = page
        self.query_one(ShareBlock).show(page.shares)
        self.refresh_page()
        self.focus_list()

    def refresh_page(self) -> None:
        """Draw the page again after it changed."""
        page = self.page
        if page is None:
            return
        facts = self.query_one("#facts", Static)
        is_narrow = self.app.size.width < _NARROW
        text = facts_text(page, self.size.width, is_narrow=is_narrow)
        if text != self._facts:
            self._facts = text
            facts.update(text)
        facts.styles.text_wrap = "nowrap" if is_narrow else "wrap"
        facts.styles.text_overflow = "ellipsis"
        self.query_one("#detail").styles.height = min(
            page.detail_lines, max(1, self.size.height // page.detail_part)
        )
        facts.styles.max_height = max(2, self.size.height // _FACTS_PART)
        for number in range(2):
            self._fill(f"#list-{number}", page.left, number)
            self._fill(f"#list-{number + 2}", page.right, number)
        self.query_one("#right").display = bool(page.right)
        self.call_after_refresh(self._share_room)
        self.show_detail()

    def show_detail(self) -> None:
        """Show the full text of the row at the cursor, and remember which list has the keys."""
        if self.page is None:
            return
        for index, one in enumerate(self._shown_lists()):
            if one.has_focus and self.page.focus != index:
                self.page.focus = index
                self._share_room()
        row = self.row
        detail = Text("" if row is None else row.detail)
        self.query_one("#detail", Static).update(detail, layout=False)

    def focus_list(self, steps: int = 0) -> None:
        """Give the keys to the list that had them last, or to the one so many further."""
        lists = self._shown_lists()
        if self.page is not None and lists:
            self.page.focus = (min(self.page.focus, len(lists) - 1) + steps) % len(lists)
            lists[self.page.focus].focus()
            self._share_room()
            self.show_detail()

    def on_resize(self) -> None:
        """Side by side where there is room."""
        self.set_class(self.size.width >= WIDE, "-wide")
        self.refresh_page()

    def on_lists_resized(self, message: Lists.Resized) -> None:
        """Share out the room there is now."""
        message.stop()
        self._share_room()

    def _fill(self, selector: str, tables: list[Table], number: int) -> None:
        table = tables[number] if number < len(tables) else None
        self.query_one(selector, RowList).show(table)

    def _shown_lists(self) -> list[RowList]:
        return [one for one in self.query(RowList) if one.table is not None]

    def _share_room(self) -> None:
        """Every list as long as it is, where there is room; else the one with the keys is long."""
        sides = {"#left": self._lists_in("#left"), "#right": self._lists_in("#right")}
        if self.has_class("-wide"):
            for selector, lists in sides.items():
                self.query_one(selector).styles.height = "100%"
                self._stack(lists)
            return
        self._stack([one for lists in sides.values() for one in lists])
        for selector, lists in sides.items():
            heights = [one.styles.height for one in lists]
            fixed = all(height is not None and height.is_cells for height in heights)
            total = sum(int(height.value) for height in heights if height is not None and fixed)
            self.query_one(selector).styles.height = total if fixed else "1fr"

    def _stack(self, lists: list[RowList]) -> None:
        """Give lists that stand below one another their heights."""
        room = self.query_one("#lists").size.height
        wanted = [0 if one.table is None else len(one.table) + _FRAME_LINES for one in lists]
        focus = next((n for n, one in enumerate(lists) if one is self._list_with_keys()), 0)
        for number, height in enumerate(share_lines(room, wanted, focus)):
            lists[number].styles.height = "1fr" if number == focus else height

    def _lists_in(self, selector: str) -> list[RowList]:
        lists = self.query(f"{selector} RowList").results(RowList)
        return [one for one in lists if one.table is not None]

    def _list_with_keys(self) -> RowList | None:
        lists = self._shown_lists()
        focus = self.page.focus if self.page is not None else 0
        return lists[min(focus, len(lists) - 1)] if lists else None


def share_lines(room: int, wanted: list[int], focus: int) -> list[int]:
    """Lines for lists below one another: the one with the keys first, then in their order.

    Args:
        room: lines there are.
        wanted: lines each list would fill.
        focus: the list with the keys.
    """
    least = max(1, room // (len(wanted) + 2)) if room >= len(wanted) + _FRAME_LINES else 0
    lines = [min(want, least) for want in wanted]
    for number in [focus, *range(len(wanted))] if wanted else []:
        lines[number] += max(0, min(wanted[number] - lines[number], room - sum(lines)))
    return lines


def facts_text(page: Page, width: int, *, is_narrow: bool) -> Text:
    """Names and values, one a line; without names where there is hardly room for values.

    A word that is longer than a line, as an expression with a long key is, keeps both ends.
    """
    room = max(_LABEL_WIDTH, width - 2 - (0 if is_narrow else _LABEL_WIDTH))
    text = Text()
    for name, value in page.facts:
        if text:
            text.append("\n")
        if not is_narrow:
            text.append(f"{name:<{_LABEL_WIDTH - 1}} ", "dim")
        text.append(" ".join(_at_most(word, room) for word in value.split(" ")))
    return text


def _at_most(word: str, room: int) -> str:
    return word if cell_len(word) <= room else fit(word, room, keep="both")
