"""The line at the bottom where searches, filters, queries and parameters are typed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.suggester import Suggester
from textual.widgets import Input

from heapgraph.tui.messages import PromptAnswered, PromptChanged, PromptClosed

if TYPE_CHECKING:
    from collections.abc import Iterable

_KEPT_LINES = 100
_LAST_WORD = re.compile(r"\w+$")


class WordSuggester(Suggester):
    """Completes the last word of a line.

    Args:
        words: the words that are known.
    """

    def __init__(self, words: Iterable[str]) -> None:
        """Sort the words, so that the same one is offered every time."""
        super().__init__(use_cache=False, case_sensitive=True)
        self._words = sorted(words)

    async def get_suggestion(self, value: str) -> str | None:
        """The line with its last word completed, or None."""
        match = _LAST_WORD.search(value)
        if match is None:
            return None
        begun = match[0]
        found = next(
            (word for word in self._words if word.startswith(begun) and word != begun), None
        )
        return None if found is None else value[: match.start()] + found


class Prompt(Input):
    """Hidden until something is asked for."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "close", "close", show=True),
        Binding("up", "recall(-1)", "line before", show=False),
        Binding("down", "recall(1)", "line after", show=False),
    ]

    keys: ClassVar[tuple[tuple[str, str, str], ...]] = (
        ("enter", "go", "submit"),
        ("esc", "close", "close"),
        ("up", "line before", "recall(-1)"),
        ("right", "complete", "cursor_right"),
    )
    """What works while a line is typed, for the line of keys."""

    def __init__(self, *, id: str) -> None:  # noqa: A002 - Textual's name
        """Hide."""
        super().__init__(id=id, compact=True, select_on_focus=False)
        self.display = False
        self._purpose = ""
        self._lines: dict[str, list[str]] = {}
        self._at = 0

    def ask(self, purpose: str, question: str, text: str = "", words: Iterable[str] = ()) -> None:
        """Ask for a line.

        Args:
            purpose: comes back with the answer; lines are remembered by it.
            question: what to type, shown while the line is empty.
            text: what it begins with.
            words: completions of the last word; the right arrow takes one.
        """
        self._purpose = purpose
        self._at = len(self._lines.get(purpose, []))
        self.placeholder = question
        self.suggester = WordSuggester(words)
        self.value = text
        self.cursor_position = len(text)
        self.display = True
        self.focus()

    def action_close(self) -> None:
        """Give up."""
        self.display = False
        self.post_message(PromptClosed())

    def action_recall(self, steps: int) -> None:
        """Show a line entered before."""
        lines = self._lines.get(self._purpose, [])
        self._at = max(0, min(self._at + steps, len(lines)))
        self.value = lines[self._at] if self._at < len(lines) else ""
        self.cursor_position = len(self.value)

    def on_input_changed(self, event: Input.Changed) -> None:
        """Pass on what is typed."""
        event.stop()
        if self.display:
            self.post_message(PromptChanged(self._purpose, event.value))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Pass on what was entered."""
        event.stop()
        self.display = False
        if event.value.strip():
            lines = self._lines.setdefault(self._purpose, [])
            lines.append(event.value)
            del lines[:-_KEPT_LINES]
        self.post_message(PromptAnswered(self._purpose, event.value))
