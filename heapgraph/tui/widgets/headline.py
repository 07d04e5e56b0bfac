"""The first line: where the user is, and what is being worked on."""

from __future__ import annotations

from rich.segment import Segment
from textual.strip import Strip
from textual.widget import Widget

from heapgraph.tui.cells import fit, safe

_SEPARATOR = " > "
_MIN_TRAIL = 20


class Headline(Widget):
    """File and breadcrumb on the left, progress on the right."""

    def __init__(self, file: str, *, id: str) -> None:  # noqa: A002 - Textual's name
        """Begin without a trail."""
        super().__init__(id=id)
        self._file = safe(file)
        self._trail: list[str] = []
        self._work = ""

    def show_trail(self, titles: list[str]) -> None:
        """Show where the user is; the last titles stay when there is no room."""
        self._trail = titles
        self.refresh()

    def show_work(self, text: str) -> None:
        """Show what is being worked on; "" for nothing."""
        if text != self._work:
            self._work = text
            self.refresh()

    def render_line(self, y: int) -> Strip:
        """The line."""
        del y
        width = self.size.width
        work = f" {self._work} " if self._work else ""
        work = fit(work, min(len(work), max(0, width - _MIN_TRAIL)))
        trail = f" {self._file}: {_SEPARATOR.join(self._trail)}"
        left = fit(trail, width - len(work), keep="end")
        style = self.rich_style
        return Strip([Segment(left, style), Segment(work, style + style.from_color())])
