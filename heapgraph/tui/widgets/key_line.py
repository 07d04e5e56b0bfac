"""The last line: keys that do something now. One line drawn at once; a click does what it says."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rich.segment import Segment
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual import events


class KeyLine(Widget):
    """Keys and what they do, as many as there is room for."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"key-line--key"}

    class Clicked(Message):
        """A key was clicked."""

        def __init__(self, action: str) -> None:
            """Remember what it does."""
            super().__init__()
            self.action = action

    def __init__(self, *, id: str) -> None:  # noqa: A002 - Textual's name
        """Show nothing yet."""
        super().__init__(id=id)
        self._keys: tuple[tuple[str, str, str], ...] = ()

    def show(self, keys: Sequence[tuple[str, str, str]]) -> None:
        """Show keys: the key's name, what it does in a word, its action."""
        if tuple(keys) != self._keys:
            self._keys = tuple(keys)
            self.refresh()

    def render_line(self, y: int) -> Strip:
        """The line."""
        del y
        key_style = self.get_component_rich_style("key-line--key")
        segments = []
        for name, label, _ in self._keys:
            segments.append(Segment(f" {name}", key_style))
            segments.append(Segment(f" {label}", self.rich_style))
        return Strip(segments).adjust_cell_length(self.size.width, self.rich_style)

    def on_click(self, event: events.Click) -> None:
        """Do what was clicked."""
        end = 0
        for name, label, action in self._keys:
            end += len(name) + len(label) + 2
            if event.x < end:
                self.post_message(self.Clicked(action))
                return
