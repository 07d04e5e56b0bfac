"""Signals that end a program, kept from coming between two steps that belong together."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

    _Handler = Callable[[int, FrameType | None], object] | int | signal.Handlers | None

# SIGINT first: once it waits, nothing of the following can raise.
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""What a terminal, a shell and a service manager send to end a program."""


@contextmanager
def signals_held() -> Iterator[None]:
    """Let the signals of `ENDING` wait until the block is over, then do what they do.

    A signal that is ignored stays ignored. Outside the main thread nothing is held: Python runs
    handlers in the main thread only, so that none raises here, and none of them can be changed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    waiting: list[int] = []

    def remember(number: int, frame: FrameType | None) -> None:
        del frame
        waiting.append(number)

    before: dict[int, _Handler] = {}
    try:
        for ending in ENDING:
            # None is a handler that was not set from Python, and could not be set again.
            if signal.getsignal(ending) not in (signal.SIG_IGN, None):
                before[ending] = signal.signal(ending, remember)
        yield
    finally:
        for number, handler in reversed(before.items()):
            signal.signal(number, handler)
        for number in dict.fromkeys(waiting):
            signal.raise_signal(number)


class EndingAsInterrupt:
    """Makes the signals of `ENDING` raise KeyboardInterrupt, once, while there is much to tidy up.

    A second one, of an impatient user, does not disturb the tidying. `restore` puts back what was
    before and sends a SIGTERM or SIGHUP that came once more: the program ends of the signal, as
    whoever sent it expects, but tidied up. Signals that have a handler of their own, or are
    ignored, are left alone, and so are all outside the main thread.
    """

    _DEFAULTS = (signal.SIG_DFL, signal.default_int_handler)

    def __init__(self) -> None:
        """Change nothing yet."""
        self._came: list[int] = []
        self._has_raised = False
        self._is_over = False
        self._before: dict[int, _Handler] = {}

    def install(self) -> None:
        """From now on they raise."""
        if threading.current_thread() is not threading.main_thread():
            return
        for number in ENDING:
            handler = signal.getsignal(number)
            if handler in self._DEFAULTS:
                self._before[number] = handler
                signal.signal(number, self._interrupt)

    def restore(self) -> None:
        """Put everything back; does not return when SIGTERM or SIGHUP came."""
        self._is_over = True  # what comes while this works is noted, and raised when it is done
        for number, handler in list(self._before.items()):
            signal.signal(number, handler)
            del self._before[number]
        for number in list(self._came):
            # A SIGINT may be on its way up already, as the KeyboardInterrupt.
            if number != signal.SIGINT or not self._has_raised:
                signal.raise_signal(number)

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        del frame
        self._came.append(number)
        if not (self._has_raised or self._is_over):
            self._has_raised = True
            raise KeyboardInterrupt
