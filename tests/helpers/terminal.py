"""The program on a pseudo-terminal, as a user has it: keys go in, bytes come out, a screen is kept.

    with Terminal("tui", snapshot) as terminal:
        terminal.wait_for("leak suspects: 1 of")
        terminal.press("enter", shows="referred to by")
        assert "__main__.CACHE" in terminal.frame
        assert terminal.quit() == 0

Nothing here waits for time: a key is answered when the screen shows what it must show.
"""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from typing import TYPE_CHECKING, Self

import pyte
from wcwidth import wcwidth

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    Condition = str | Callable[[str], bool]

ANSWER_LIMIT_S = 60.0
"""Far above what any answer needs, so that only a hang reaches it."""

WIDE = 2
"""Columns of a wide character."""

KEYS = {
    "backspace": b"\x7f",
    "down": b"\x1b[B",
    "end": b"\x1b[F",
    "enter": b"\r",
    "esc": b"\x1b",
    "home": b"\x1b[H",
    "left": b"\x1b[D",
    "pagedown": b"\x1b[6~",
    "pageup": b"\x1b[5~",
    "right": b"\x1b[C",
    "space": b" ",
    "tab": b"\t",
    "up": b"\x1b[A",
}
"""What terminals send for keys that are not characters."""

_UNSET = ("COLORTERM", "NO_COLOR", "COLUMNS", "LINES")
"""Variables of whoever runs the tests that would change what is drawn."""


class Terminal:
    """`heapgraph ARGUMENTS` on a terminal of its own.

    Attributes:
        raw: all bytes the program has written.
        process: the Popen object.
    """

    def __init__(
        self,
        *arguments: object,
        columns: int = 80,
        lines: int = 24,
        env: Mapping[str, str] | None = None,
        folder: Path | None = None,
    ) -> None:
        """Start it.

        Args:
            *arguments: of heapgraph, converted with str().
            columns: width of the terminal.
            lines: its height.
            env: variables besides those of the test; TERM is xterm-256color unless it is here.
            folder: where it runs, and where it may keep its cache.
        """
        self.raw = b""
        self._screen = pyte.Screen(columns, lines)
        self._stream = pyte.ByteStream(self._screen)
        self._descriptor, inner = pty.openpty()
        self._set_size(columns, lines)
        kept = {name: text for name, text in os.environ.items() if name not in _UNSET}
        cache = {} if folder is None else {"XDG_CACHE_HOME": str(folder / "cache")}
        self.process = subprocess.Popen(
            # Only to the owner of a terminal the kernel tells that its size has changed.
            ["setsid", "--ctty", sys.executable, "-m", "heapgraph", *map(str, arguments)],
            stdin=inner,
            stdout=inner,
            stderr=inner,
            env={**kept, "TERM": "xterm-256color", **cache, **(env or {})},
            cwd=folder,
        )
        os.close(inner)
        self._poll = select.poll()  # select() takes no descriptor above 1023
        self._poll.register(self._descriptor, select.POLLIN)

    def __enter__(self) -> Self:
        """Nothing more to do."""
        return self

    def __exit__(self, *failure: object) -> None:
        """End the program if it has not ended."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self._descriptor)

    @property
    def frame(self) -> str:
        """What is on the screen, without the blanks at the ends of lines."""
        buffer, columns = self._screen.buffer, self._screen.columns
        return "\n".join(_text_of(buffer[y], columns) for y in range(self._screen.lines))

    @property
    def look(self) -> tuple[object, ...]:
        """All that can be seen: characters, colours, and where the cursor is."""
        screen = self._screen
        cells = [
            screen.buffer[line][column]
            for line in range(screen.lines)
            for column in range(screen.columns)
        ]
        return (*cells, screen.cursor.x, screen.cursor.y)

    @property
    def headline(self) -> str:
        """The first line of the screen."""
        return self.frame.partition("\n")[0]

    def wait_for(self, condition: Condition, limit_s: float = ANSWER_LIMIT_S) -> str:
        """Read until the screen shows a text or fits a condition; return the screen.

        Raises:
            TimeoutError: it never does; the message has the screen.
        """
        fits = (lambda frame: condition in frame) if isinstance(condition, str) else condition
        end = time.monotonic() + limit_s
        while not fits(self.frame):
            if time.monotonic() > end or not self.read(end - time.monotonic()):
                raise TimeoutError(f"the screen never showed {condition!r}:\n{self.frame}")
        return self.frame

    def press(self, key: str, shows: Condition | None = None) -> None:
        """Press a key by its name, or type a text; wait for what it makes the screen show.

        After "esc" there must be a wait: with the next key behind it, it is another key (alt).
        """
        os.write(self._descriptor, KEYS.get(key, key.encode()))
        if shows is not None:
            self.wait_for(shows)

    def resize(self, columns: int, lines: int) -> None:
        """Change the size of the terminal; the kernel tells the program."""
        self._screen.resize(lines, columns)
        self._set_size(columns, lines)

    def wait_for_end(self, limit_s: float = ANSWER_LIMIT_S) -> int:
        """Read what the program still writes; return how it ended."""
        end = time.monotonic() + limit_s
        while self.read(end - time.monotonic()):
            if time.monotonic() > end:
                raise TimeoutError(f"the program does not end:\n{self.frame}")
        return self.process.wait(max(0.1, end - time.monotonic()))

    def quit(self) -> int:
        """Leave with `q`; returns the exit code."""
        self.press("q")
        return self.wait_for_end()

    def read(self, timeout_s: float) -> bytes:
        """What the program writes next; nothing when it has ended, or writes nothing for long."""
        if not self._poll.poll(max(0.0, timeout_s) * 1000):
            return b""
        try:
            part = os.read(self._descriptor, 1 << 16)
        except OSError:  # the program has ended
            return b""
        self.raw += part
        self._stream.feed(part)
        return part

    def _set_size(self, columns: int, lines: int) -> None:
        size = struct.pack("HHHH", lines, columns, 0, 0)
        fcntl.ioctl(self._descriptor, termios.TIOCSWINSZ, size)


def on_page(title: str) -> Callable[[str], bool]:
    """Whether the page of this title is shown and nothing is computed for it any more."""

    def is_shown(frame: str) -> bool:
        headline = frame.partition("\n")[0]
        return headline.endswith(title) and _KEYS_END in frame

    return is_shown


def overview_is_complete(frame: str) -> bool:
    """Whether the overview is shown with its suspects, which come last."""
    return on_page("overview")(frame) and "looking ..." not in frame and "suspects" in frame


_KEYS_END = "? help"
"""The end of the last line, which is drawn last."""


def _text_of(cells: Mapping[int, pyte.screens.Char], columns: int) -> str:
    """A line without the blanks at its end.

    The second half of a wide character is an empty cell, which stays when its first half is
    written over: then it is a blank (pyte's own `display` fails on it).
    """
    parts = [cells[x].data for x in range(columns)]
    for x, part in enumerate(parts):
        if not part and (x == 0 or wcwidth(parts[x - 1][0]) != WIDE):
            parts[x] = " "
    return "".join(parts).rstrip()
