"""The terminal browser: composes the screens, the palette and the style."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.app import App, SystemCommand

from heapgraph.errors import HeapgraphError
from heapgraph.tui.jobs import JobThread
from heapgraph.tui.keys import KEYS
from heapgraph.tui.places import Overview
from heapgraph.tui.screens.browser import Browser
from heapgraph.tui.screens.opening import OpeningScreen
from heapgraph.tui.screens.page_screen import parsed_action
from heapgraph.tui.screens.working import explained

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping

    from textual.actions import ActionParseResult
    from textual.dom import DOMNode
    from textual.driver import Driver
    from textual.screen import Screen

    from heapgraph.tui.places import Place
    from heapgraph.tui.screens.opening import Opened, PendingSnapshot


class HeapgraphApp(App[HeapgraphError]):
    """Browses one snapshot; returns why it could not be opened, or None.

    Args:
        opening: the snapshot, to be opened when the screen is there.
        first: where to begin.
        driver: what draws and reads keys; None for the terminal.

    Attributes:
        browser: the screen of pages, once the snapshot is open.
    """

    CSS_PATH = "style.tcss"
    TITLE = "heapgraph"
    ENABLE_COMMAND_PALETTE = True
    COMMAND_PALETTE_BINDING: ClassVar[str] = "ctrl+p"

    def __init__(
        self,
        opening: PendingSnapshot,
        first: Place | None = None,
        driver: type[Driver] | None = None,
    ) -> None:
        """Open nothing yet."""
        super().__init__(driver_class=driver)
        self.browser: Browser | None = None
        self._opening = opening
        self._first = first or Overview()
        self._jobs = JobThread()

    def on_mount(self) -> None:
        """Open the snapshot."""
        self.push_screen(OpeningScreen(self._opening, self._browse, self._jobs))

    def _browse(self, opened: Opened) -> None:
        self.browser = Browser(opened.file, opened.graph, self._first, self._jobs)
        self.browser.notes = opened.notes
        self.switch_screen(self.browser)

    async def run_action(
        self,
        action: str | ActionParseResult,
        default_namespace: DOMNode | None = None,
        namespaces: Mapping[str, DOMNode] | None = None,
    ) -> bool:
        """Do what a key, a click or the palette asks for; a defect in it is said, not fatal."""
        try:
            return await super().run_action(action, default_namespace, namespaces)
        except Exception as failure:
            if self.browser is None or self.screen is not self.browser:
                raise
            self.browser.work_failed(explained(failure))
            return True

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """The palette: what the keys do now, and Textual's own command for the theme."""
        browser = self.browser
        if browser is None or screen is not browser:
            return
        for key in KEYS:
            if browser.check_action(*parsed_action(key.action)):
                title = f"{key.label[0].upper()}{key.label[1:]}: {key.help}"
                yield SystemCommand(title, f"key {key.shown}", self._doing(browser, key.action))
        for command in super().get_system_commands(screen):
            if command.title == "Theme":
                yield command

    @staticmethod
    def _doing(browser: Browser, action: str) -> Callable[[], Awaitable[None]]:
        async def run() -> None:
            await browser.run_action(action)

        return run


def run(opening: PendingSnapshot, driver: type[Driver] | None = None) -> None:
    """Browse a snapshot until the user leaves.

    Args:
        opening: the snapshot.
        driver: what draws and reads keys; None for the terminal.

    Raises:
        HeapgraphError: it cannot be opened.
    """
    failure = HeapgraphApp(opening, driver=driver).run()
    if failure is not None:
        raise failure
