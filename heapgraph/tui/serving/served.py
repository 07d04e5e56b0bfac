"""The program of one window of a served browser.

    python -I -m heapgraph.tui.serving.served FILE BYTES

`heapgraph.tui.serving.window` starts it. It draws for a page instead of a terminal, and ends with
the server however that ends.
"""

from __future__ import annotations

import ctypes
import resource
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from textual import events, messages
from textual.drivers.web_driver import WebDriver
from textual.geometry import Size

from heapgraph.errors import HeapgraphError
from heapgraph.safe_text import printable
from heapgraph.tui.loading import load
from heapgraph.tui.screens.opening import PendingSnapshot
from heapgraph.tui.screens.working import explained
from heapgraph.tui.serving.serve_limits import clamped

if TYPE_CHECKING:
    from collections.abc import Mapping

    from textual.message import Message

_SET_DEATH_SIGNAL = 1
"""PR_SET_PDEATHSIG of prctl(2)."""

_FIRST_TO_GO = "1000"
"""For oom_score_adj: where memory runs out, a window is the least loss on the machine."""


class ServedDriver(WebDriver):
    """Draws for a page: takes no size but what can be drawn, and gives it no files."""

    def send_message(self, message: Message) -> None:
        """Pass an event on. A size may come among the keys as well, as some terminals report it."""
        if isinstance(message, events.Resize):
            size = Size(*clamped(*message.size))
            message = events.Resize(size, size)
        super().send_message(message)

    def on_meta(self, packet_type: str, payload: Mapping[str, object]) -> None:
        """Do what the server asks for; it asks for no file."""
        if packet_type == "resize":
            self._size = clamped(_number(payload["width"]), _number(payload["height"]))
            size = Size(*self._size)
            self.send_message(events.Resize(size, size))
        elif packet_type in ("focus", "blur"):
            super().on_meta(packet_type, dict(payload))

    def run_input_thread(self) -> None:
        """Read what the server sends; when nothing more can come, leave."""
        super().run_input_thread()
        with suppress(RuntimeError):  # it is leaving already
            self.send_message(messages.ExitApp())

    def open_url(self, url: str, new_tab: bool = True) -> None:
        """Open nothing: the page is for one program only."""

    def deliver_binary(self, *_: object, **__: object) -> None:
        """Deliver nothing: what is served can be looked at, not taken away as a file."""


def _number(value: object) -> int:
    return value if isinstance(value, int) else 1


def limit_itself(most_bytes: int) -> None:
    """End when the server ends, reserve no more memory than this, leave no core file."""
    ctypes.CDLL(None).prctl(_SET_DEATH_SIGNAL, signal.SIGKILL)
    resource.setrlimit(resource.RLIMIT_DATA, (most_bytes, most_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(OSError):  # a /proc that is read-only
        Path("/proc/self/oom_score_adj").write_text(_FIRST_TO_GO)


def browse(file: str) -> None:
    """Browse a snapshot until the page is closed.

    Raises:
        HeapgraphError: it cannot be opened.
    """
    from heapgraph.tui.app import run  # noqa: PLC0415 - after the limits

    run(PendingSnapshot(file, lambda progress: load(file, progress)), driver=ServedDriver)


def main() -> None:
    """Browse the snapshot that is the first argument; the second is how much memory there is.

    Raises:
        SystemExit: with the failure's own code, after its parts on stderr.
    """
    file, most_bytes = sys.argv[1], int(sys.argv[2])
    limit_itself(most_bytes)
    try:
        browse(file)
    except (HeapgraphError, MemoryError) as error:
        failure = explained(error)
        sys.stderr.write("\n".join(map(printable, failure.parts())))
        sys.exit(failure.exit_code)


if __name__ == "__main__":
    main()
