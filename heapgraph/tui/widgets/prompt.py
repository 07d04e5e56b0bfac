"""The line at the bottom where searches, filters, queries and parameters are typed."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.suggester import Suggester
from textual.widgets import Input

from heapgraph.tui.completion import common_beginning
from heapgraph.tui.messages import PromptAnswered, PromptChanged, PromptClosed

if TYPE_CHECKING:
    from heapgraph.tui.completion import Completer

_KEPT_LINES = 100


class FirstCompletion(Suggester):
    """Offers the first of what a completer knows, behind the cursor."""

    def __init__(self, completer: Completer) -> None:
        """Ask this completer."""
        super().__init__(use_cache=False, case_sensitive=True)
        self._completer = completer

    async def get_suggestion(self, value: str) -> str | None:
        """The line as it might go on, or None."""
        # Textual draws what stands behind the cursor, so only what goes on from there will do.
        return next((line for line in self._completer(value) if line.startswith(value)), None)


class Prompt(Input):
    """Hidden until something is asked for."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "close", "close", show=True),
        Binding("up", "recall(-1)", "line before", show=False),
        Binding("down", "recall(1)", "line after", show=False),
        Binding("tab", "complete", "complete", show=False),
        Binding("shift+tab", "complete", "complete", show=False),
    ]

    def __init__(self, *, id: str) -> None:  # noqa: A002 - Textual's name
        """Hide."""
        super().__init__(id=id, compact=True, select_on_focus=False)
        self.display = False
        self._purpose = ""
        self._lines: dict[str, list[str]] = {}
        self._at = 0
        self._draft = ""
        self._completer: Completer | None = None
        self._offered: list[str] = []

    @property
    def keys(self) -> list[tuple[str, str, str]]:
        """What works while a line is typed, for the line of keys."""
        keys = [("enter", "go", "submit"), ("esc", "close", "close")]
        if self._completer is not None:
            keys.append(("tab", "complete", "complete"))
        if self._lines.get(self._purpose):
            keys.append(("up", "line before", "recall(-1)"))
        return keys

    def ask(
        self, purpose: str, question: str, text: str = "", completer: Completer | None = None
    ) -> None:
        """Ask for a line.

        Args:
            purpose: comes back with the answer; lines are remembered by it.
            question: what to type, shown while the line is empty.
            text: what it begins with.
            completer: Tab completes by it; the right arrow takes what is offered.
        """
        self._purpose = purpose
        self._at = len(self._lines.get(purpose, []))
        self._draft = text
        self._completer = completer
        self._offered = []
        self.placeholder = question
        self.suggester = None if completer is None else FirstCompletion(completer)
        self._write(text)
        self.display = True
        self.focus()

    def action_close(self) -> None:
        """Give up."""
        self.display = False
        self.post_message(PromptClosed())

    def action_recall(self, steps: int) -> None:
        """Show a line entered before; behind the last one stands what was being typed."""
        lines = self._lines.get(self._purpose, [])
        if self._at == len(lines):
            self._draft = self.value
        self._at = max(0, min(self._at + steps, len(lines)))
        self._write(lines[self._at] if self._at < len(lines) else self._draft)

    def action_complete(self) -> None:
        """Complete what stands before the cursor as far as it is clear, then offer one by one."""
        begun, rest = self.value[: self.cursor_position], self.value[self.cursor_position :]
        if begun in self._offered:
            following = self._offered.index(begun) + 1
            self._write(self._offered[following % len(self._offered)], rest)
            return
        lines = self._completer(begun) if self._completer is not None else []
        if not lines:
            return
        common = common_beginning(lines)
        if len(common) > len(begun):
            self._offered = []
            self._write(common, rest)
        else:
            self._offered = lines
            self._write(lines[0], rest)

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
            if event.value in lines:
                lines.remove(event.value)
            lines.append(event.value)
            del lines[:-_KEPT_LINES]
        self.post_message(PromptAnswered(self._purpose, event.value))

    def _write(self, before: str, after: str = "") -> None:
        self.value = before + after
        self.cursor_position = len(before)
