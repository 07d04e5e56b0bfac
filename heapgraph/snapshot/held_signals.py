"""Signals that end a program, kept from coming between two steps that belong together."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType, TracebackType

    _Handler = Callable[[int, FrameType | None], object] | int | signal.Handlers | None

# SIGINT first: once it waits, nothing of the following can raise.
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""What a terminal, a shell and a service manager send to end a program."""


class signals_held:  # noqa: N801 - a context manager that is used like a function
    """Let the signals of `ENDING` wait until the block is over, then do what they do.

    A signal that is ignored stays ignored. Outside the main thread nothing is held: Python runs
    handlers in the main thread only, so that none raises here, and none of them can be changed.

    Not made of a generator: between the steps of contextlib a signal could come through.
    """

    def __init__(self) -> None:
        """Hold nothing yet."""
        self._waiting: list[int] = []
        self._before: dict[int, _Handler] = {}

    def __enter__(self) -> None:
        """Begin; what comes while this is not done yet is held or does what it does."""
        if threading.current_thread() is not threading.main_thread():
            return
        try:
            for ending in ENDING:
                # None is a handler that was not set from Python, and could not be set again.
                if signal.getsignal(ending) not in (signal.SIG_IGN, None):
                    self._before[ending] = signal.signal(ending, self._remember)
        except BaseException:
            self._release()
            raise

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Put the handlers back and let come what came."""
        self._release()

    def _remember(self, number: int, frame: FrameType | None) -> None:
        del frame
        self._waiting.append(number)

    def _release(self) -> None:
        for number, handler in reversed(self._before.items()):
            signal.signal(number, handler)
        for number in dict.fromkeys(self._waiting):
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
