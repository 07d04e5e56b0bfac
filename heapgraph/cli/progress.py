"""A progress bar on stderr, drawn on a terminal only, and only for what takes over a second."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING, Self

from heapgraph.cli.output import progress_console
from heapgraph.safe_text import printable

if TYPE_CHECKING:
    from types import TracebackType

    from rich.progress import Progress, TaskID

QUIET_S = 1.0
"""Seconds for which nothing is drawn."""


class TerminalProgress:
    """Shows phases of work; call it as (phase, done, total), with total 0 for unknown.

    The bar appears by itself after `QUIET_S`, also when one long phase reports nothing more.
    """

    def __init__(self, quiet_s: float = QUIET_S) -> None:
        """Draw nothing yet."""
        self._quiet_s = quiet_s
        self._lock = threading.Lock()
        self._timer: threading.Timer | None = None
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._state = ("working", 0, 0)
        self._is_over = False

    def __enter__(self) -> Self:
        """Begin to wait, if there is a terminal to draw on."""
        if sys.stderr.isatty():
            self._timer = threading.Timer(self._quiet_s, self._show)
            self._timer.daemon = True
            self._timer.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Remove the bar."""
        if self._timer is not None:
            self._timer.cancel()
        with self._lock:
            self._is_over = True
            if self._bar is not None:
                self._bar.stop()

    def __call__(self, phase: str, done: int, total: int) -> None:
        """Remember how far the work is, and show it if the bar is up."""
        with self._lock:
            self._state = (phase, done, total)
            self._update()

    def _show(self) -> None:
        # Most commands are over before this.
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn  # noqa: PLC0415

        with self._lock:
            if self._is_over:
                return
            self._bar = Progress(
                TextColumn("{task.description}", markup=False),
                BarColumn(),
                TimeElapsedColumn(),
                console=progress_console(),
                transient=True,
            )
            self._task = self._bar.add_task(printable(self._state[0]), total=None)
            self._update()
            self._bar.start()

    def _update(self) -> None:
        if self._bar is not None and self._task is not None:
            phase, done, total = self._state
            self._bar.update(
                self._task, description=printable(phase), completed=done, total=total or None
            )
