"""Says what may come again and again at most once a minute: a log is for reading."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Callable

EVERY_S = 60.0

MOST = 100
"""Texts that are remembered; more different ones in a minute are not said."""


class Seldom:
    """Passes each text on, and then not again for a while.

    Args:
        say: told what happens, one line each.
        clock: steady.
    """

    def __init__(
        self, say: Callable[[str], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Nothing was said yet."""
        self._say, self._clock = say, clock
        self._said: dict[str, float] = {}

    def __call__(self, text: str) -> None:
        """Say it, unless it was said less than a minute ago."""
        now = self._clock()
        self._said = {one: at for one, at in self._said.items() if now - at < EVERY_S}
        if text not in self._said and len(self._said) < MOST:
            self._said[text] = now
            self._say(text)

    def of_loop(self, _loop: AbstractEventLoop, context: dict[str, object]) -> None:
        """Take what an event loop would print with a traceback, as one line."""
        error = context.get("exception")
        why = error.strerror if isinstance(error, OSError) else ""
        if error is not None and not why:
            why = f"{type(error).__name__}: {error}"
        self(": ".join(filter(None, (str(context.get("message", "")), why))))
