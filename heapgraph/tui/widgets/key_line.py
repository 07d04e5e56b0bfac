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


ALWAYS = "help"
"""The action whose key is never left out."""


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
        for name, label, _ in self._shown():
            segments.append(Segment(f" {name}", key_style))
            segments.append(Segment(f" {label}", self.rich_style))
        return Strip(segments).adjust_cell_length(self.size.width, self.rich_style)

    def _shown(self) -> list[tuple[str, str, str]]:
        """The keys there is room for; the one that lists all the others always is."""
        last = [key for key in self._keys if key[2] == ALWAYS]
        room = self.size.width - sum(map(_width, last))
        shown = []
        for key in self._keys:
            if key[2] == ALWAYS:
                continue
            room -= _width(key)
            if room < 0:
                break
            shown.append(key)
        return shown + last

    def on_click(self, event: events.Click) -> None:
        """Do what was clicked."""
        end = 0
        for key in self._shown():
            end += _width(key)
            if event.x < end:
                self.post_message(self.Clicked(key[2]))
                return


def _width(key: tuple[str, str, str]) -> int:
    """Cells of a key with its label and the gaps before both."""
    return len(key[0]) + len(key[1]) + 2
