"""The terminal browser: composes the screens, the palette and the style."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.app import App, SystemCommand

from heapgraph.tui.keys import KEYS
from heapgraph.tui.places import Overview
from heapgraph.tui.screens.browser import Browser
from heapgraph.tui.screens.page_screen import parsed_action

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from textual.screen import Screen

    from heapgraph.graph.heap_graph import HeapGraph
    from heapgraph.tui.places import Place


class HeapgraphApp(App[None]):
    """Browses one snapshot.

    Args:
        file: the snapshot as it was given, for command lines.
        graph: open; nothing needs to be computed yet.
        first: where to begin.
    """

    CSS_PATH = "style.tcss"
    TITLE = "heapgraph"
    ENABLE_COMMAND_PALETTE = True
    COMMAND_PALETTE_BINDING: ClassVar[str] = "ctrl+p"

    def __init__(self, file: str, graph: HeapGraph, first: Place | None = None) -> None:
        """Compose nothing yet."""
        super().__init__()
        self.browser = Browser(file, graph, first or Overview())

    def on_mount(self) -> None:
        """Show the browser."""
        self.push_screen(self.browser)

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """The palette: what the keys do now, and Textual's own commands for the theme."""
        for key in KEYS:
            name, parameters = parsed_action(key.action)
            if screen is self.browser and self.browser.check_action(name, parameters):
                yield SystemCommand(key.help.capitalize(), key.keys, self._doing(key.action))
        for command in super().get_system_commands(screen):
            if command.title == "Theme":
                yield command

    def _doing(self, action: str) -> Callable[[], Awaitable[None]]:
        async def run() -> None:
            await self.browser.run_action(action)

        return run


def run(file: str, graph: HeapGraph) -> None:
    """Browse a snapshot until the user leaves."""
    HeapgraphApp(file, graph).run()
