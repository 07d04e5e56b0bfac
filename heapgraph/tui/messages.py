"""Messages between widgets and the browser."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.message import Message

if TYPE_CHECKING:
    from heapgraph.tui.places import Place


class PlaceChosen(Message):
    """Something that leads to a place was clicked."""

    def __init__(self, place: Place) -> None:
        """Remember where it leads."""
        super().__init__()
        self.place = place


class PromptAnswered(Message):
    """A line was entered.

    Attributes:
        purpose: what was asked for.
        text: what was entered.
    """

    def __init__(self, purpose: str, text: str) -> None:
        """Remember both."""
        super().__init__()
        self.purpose = purpose
        self.text = text


class PromptChanged(PromptAnswered):
    """A line is being typed."""


class PromptClosed(Message):
    """A line was given up."""
