"""A message over the lower end of the page, as wide as the screen, until the next key."""

from __future__ import annotations

from rich.text import Text
from textual.widgets import Static


class MessageBox(Static):
    """One message at a time; the newest is the one that is shown."""

    def __init__(self, *, id: str) -> None:  # noqa: A002 - Textual's name
        """Show nothing yet."""
        super().__init__(id=id)
        self.display = False
        self.text = ""

    def show(self, text: str, *, is_error: bool = False) -> None:
        """Show a text as it is: nothing in it is read as markup."""
        self.text = text
        self.set_class(is_error, "-error")
        self.update(Text(f"error: {text}" if is_error else text))
        self.display = True

    def close(self) -> None:
        """Show no message."""
        self.text = ""
        self.display = False
