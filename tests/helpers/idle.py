"""Tells when a program of Textual has nothing to do, by its event loop instead of by the clock.

Textual's own way sleeps 20 ms, and again as long as the process computes; so most of the time of a
test was waiting, and on a loaded machine it goes on too early.
"""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING
from unittest import mock

from textual._context import active_app
from textual.app import ScreenStackError

if TYPE_CHECKING:
    from collections.abc import Iterator

_QUIET_TURNS = 3
"""Turns of the loop in which nothing was to be done: one message may lead to another."""

_DRAWN_TIMES = 2
"""A drawing may ask for callbacks, which may ask for a drawing."""

_YIELD_S = 0.001
"""Not to take the processor from a thread that computes a page."""


@contextmanager
def idle_by_the_loop() -> Iterator[None]:
    """Let pilots wait for the loop."""
    with (
        mock.patch("textual.app.wait_for_idle", _until_idle),
        mock.patch("textual.pilot.wait_for_idle", _until_idle),
    ):
        yield


async def _until_idle(min_sleep: float = 0, max_sleep: float = 1) -> None:
    """Return when nothing is left to do but what a thread or a timer will bring."""
    del min_sleep, max_sleep
    app = active_app.get()
    for _ in range(_DRAWN_TIMES):
        await _quiet_loop()
        try:
            app.screen._on_timer_update()
        except ScreenStackError:  # it ends, or has not begun
            break
    await _quiet_loop()
    await asyncio.sleep(_YIELD_S)


async def _quiet_loop() -> None:
    """Give turns to the loop until some of them had nothing to do."""
    loop = asyncio.get_running_loop()
    quiet = 0
    while quiet < _QUIET_TURNS:
        await asyncio.sleep(0)
        quiet = 0 if loop._ready else quiet + 1  # type: ignore[attr-defined]
