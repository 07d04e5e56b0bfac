"""Measures the terminal browser on a snapshot: first frame, every key of a long walk, peak memory.

    python -m benchmarks.tui_walk FILE.heapgraph

The program runs on a pseudo-terminal of 80x24, as a user has it, with the cache of derived arrays
filled. A key's repaint ends with the last byte the program writes before it is silent; keys that
change nothing on the screen do not count. Where a key starts long work its repaint says so.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import pty
import select
import statistics
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path
from typing import Self

from heapgraph.graph.heap_graph import HeapGraph
from heapgraph.tui.state import Session

KEYSTROKES = 500
LINES, COLUMNS = 24, 80
LONGEST_S = 60.0
SILENCE_S = 0.04
ANSWER_S = 0.5
"""A key that has changed nothing after this time changes nothing."""

NAMED_KEYS = {
    "tab": b"\t",
    "enter": b"\r",
    "esc": b"\x1b",
    "space": b" ",
    "down": b"\x1b[B",
    "end": b"\x1b[F",
    "home": b"\x1b[H",
    "pgdn": b"\x1b[6~",
    "pgup": b"\x1b[5~",
}

WALK = """
1 j tab j tab j tab tab enter j j j tab j tab j [ ] p j k w n N R [ d l j l j j e h h
2 l j l j j l pgdn pgdn pgup end home g l j g g g s s s R R
3 j j s s s s f i n t enter j enter s j P j enter tab down down
/ t y p e : s t r enter end home t j [ P 4 j j j j enter j l j [ ? esc b B
"""
"""Keys with spaces between, through all kinds of pages; repeated until there are enough."""


class Terminal:
    """The program on a pseudo-terminal."""

    def __init__(self, file: str) -> None:
        """Start it."""
        self.descriptor, inner = pty.openpty()
        fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
        self.started = time.perf_counter()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "heapgraph", "tui", file],
            stdin=inner,
            stdout=inner,
            stderr=inner,
            env={**os.environ, "TERM": "xterm-256color"},
            start_new_session=True,
        )
        os.close(inner)

    def __enter__(self) -> Self:
        """Nothing more to do."""
        return self

    def __exit__(self, *failure: object) -> None:
        """End the program if it has not ended."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.descriptor)

    def read(self, timeout: float) -> bytes:
        """What the program writes next; nothing when it is silent for so many seconds."""
        if not select.select([self.descriptor], [], [], timeout)[0]:
            return b""
        try:
            return os.read(self.descriptor, 1 << 16)
        except OSError:  # the program has ended
            return b""

    def read_until(self, mark: bytes) -> float:
        """Seconds since the start until the program had written a text."""
        seen = b""
        while mark not in seen:
            part = self.read(LONGEST_S)
            if not part:
                raise TimeoutError(f"the program never showed {mark!r}")
            seen = seen[-len(mark) :] + part
        return time.perf_counter() - self.started

    def press(self, key: bytes) -> float | None:
        """Seconds until the screen had answered; None when nothing changed."""
        begun = last = time.perf_counter()
        os.write(self.descriptor, key)
        timeout = ANSWER_S
        while self.read(timeout):
            last, timeout = time.perf_counter(), SILENCE_S
        return last - begun if last > begun else None

    def quit(self) -> int:
        """Leave; returns the peak of resident memory in bytes."""
        os.write(self.descriptor, b"q")
        while self.read(1):
            pass
        _, _, usage = os.wait4(self.process.pid, 0)
        self.process.returncode = 0
        return usage.ru_maxrss * 1024


def describe(times: list[tuple[str, float]]) -> str:
    """Median, 95th percentile and the slowest keys in milliseconds."""
    seconds = sorted(second for _, second in times)
    p95 = seconds[int(len(seconds) * 0.95)] * 1e3
    slowest = sorted(times, key=lambda pair: -pair[1])[:5]
    worst = ", ".join(f"{key} {second * 1e3:.0f}" for key, second in slowest)
    median = statistics.median(seconds) * 1e3
    return f"| {KEYSTROKES} | {len(times)} | {median:.0f} | {p95:.0f} | {worst} |"


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tui_walk", description=__doc__)
    parser.add_argument("file", type=Path)
    file = str(parser.parse_args().file)
    graph = HeapGraph.open(file)
    Session(file, graph).prepare(lambda *_: None)  # fills the cache
    objects = max(1, graph.object_count)
    del graph
    repaints: list[tuple[str, float]] = []
    keys = WALK.split()
    with Terminal(file) as terminal:
        first_frame = terminal.read_until(b"overview")
        overview = terminal.read_until(b"roots")
        while terminal.read(SILENCE_S):
            pass
        for number in range(KEYSTROKES):
            key = keys[number % len(keys)]
            seconds = terminal.press(NAMED_KEYS.get(key, key.encode()))
            if seconds is not None:
                repaints.append((key, seconds))
        peak = terminal.quit()
    print(f"{objects:,} objects: first frame {first_frame:.2f} s, overview {overview:.2f} s,")
    print(f"peak memory {peak / 2**20:.0f} MiB, {peak / objects:.0f} bytes an object\n")
    print("| keys | that changed the screen | median, ms | 95th percentile | slowest |")
    print("|---|---|---|---|---|")
    print(describe(repaints))


if __name__ == "__main__":
    main()
