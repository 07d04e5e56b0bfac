"""The keys that work on the page below."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen

from heapgraph.tui.cells import Column, Row
from heapgraph.tui.tables import RowTable
from heapgraph.tui.widgets.row_list import RowList

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.app import ComposeResult

_COLUMNS = (Column("key", 20), Column("what it does"))


class HelpScreen(ModalScreen[None]):
    """A list of keys over the page."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark,q,enter", "dismiss", "close", key_display="esc"),
    ]

    def __init__(self, keys: Sequence[tuple[str, str]]) -> None:
        """Show these keys.

        Args:
            keys: key and what it does.
        """
        super().__init__()
        rows = [Row(pair) for pair in keys]
        self.table = RowTable("keys that work here; esc closes", _COLUMNS, rows)

    def compose(self) -> ComposeResult:
        """One list."""
        with Vertical(id="help"):
            yield RowList(id="help-keys")

    def on_mount(self) -> None:
        """Fill the list."""
        keys = self.query_one(RowList)
        keys.show(self.table)
        keys.focus()
