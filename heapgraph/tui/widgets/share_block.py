"""The biggest holders as a block of fields whose width is their share of the heap."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rich.segment import Segment
from textual.strip import Strip
from textual.widget import Widget

from heapgraph.tui.cells import fit
from heapgraph.tui.messages import PlaceChosen
from heapgraph.units import format_share

if TYPE_CHECKING:
    from textual import events

    from heapgraph.tui.page import Share

_MIN_WIDTH = 3
_REST = "rest"


class ShareBlock(Widget):
    """Fields side by side, the largest first; what is left is the rest of the heap."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "share-block--even",
        "share-block--odd",
        "share-block--rest",
    }

    def __init__(self, *, id: str) -> None:  # noqa: A002 - Textual's name
        """Show nothing yet."""
        super().__init__(id=id)
        self._shares: list[Share] = []

    def show(self, shares: list[Share]) -> None:
        """Show fields; without any the block takes no room."""
        self._shares = shares
        self.display = bool(shares)
        self.refresh()

    def on_click(self, event: events.Click) -> None:
        """Open the field that was clicked."""
        offset, right = event.get_content_offset(self), 0
        if offset is None:  # at the edge
            return
        for share, width in zip(self._shares, self._widths(), strict=False):
            right += width
            if offset.x < right:
                self.post_message(PlaceChosen(share.place))
                return

    def render_line(self, y: int) -> Strip:
        """One line: names in the first, shares in the second."""
        segments = []
        labels = [share.label for share in self._shares] + [_REST]
        shares = [share.share for share in self._shares]
        shares.append(max(0.0, 1 - sum(shares)))
        for index, width in enumerate(self._widths()):
            is_rest = index == len(self._shares)
            name = "rest" if is_rest else "odd" if index % 2 else "even"
            style = self.get_component_rich_style(f"share-block--{name}")
            text = labels[index] if y == 0 else format_share(shares[index])
            keep = "end" if y == 0 and not is_rest else "start"
            inner = fit(text, max(0, width - 1), keep=keep)
            segments.append(Segment(fit("▏" + inner, width), style))
        return Strip(segments).adjust_cell_length(self.size.width)

    def _widths(self) -> list[int]:
        """Columns for each field and for the rest; together the whole width."""
        room = self.size.width
        widths = [max(_MIN_WIDTH, int(share.share * room)) for share in self._shares]
        while sum(widths) > room and len(widths) > 1:
            widths[widths.index(max(widths))] -= 1
        return [*widths, max(0, room - sum(widths))]
