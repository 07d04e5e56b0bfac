"""Measures the terminal browser on a snapshot: first frame, every key of a long walk, peak memory.

    python -m benchmarks.tui_walk FILE.heapgraph [OTHER.heapgraph] [--keystrokes 500]

The program runs on a pseudo-terminal of 80x24, as a user has it, with the cache of derived arrays
filled. The walk goes through every kind of page; OTHER is what FILE is compared with, by default
FILE itself. A key is answered when the screen changed; its repaint ends with the last byte before
the program is silent, and where a key starts long work its repaint says so. The next key is pressed
when that work is over. Every key of the walk has something to do: one that is not answered is a
failure, is named, and ends the benchmark with 1.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from heapgraph.graph.heap_graph import HeapGraph
from heapgraph.tui.state import Session

# Terminal and keys are those of the tests.
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from helpers.terminal import Terminal, on_page

KEYSTROKES = 500
WORK_LIMIT_S = 600.0
SILENCE_S = 0.04
ANSWER_LIMIT_S = 10.0
"""A key that has changed nothing after this time is not answered."""

BUSY = "esc stops"
"""Said in the first line while something is computed."""

FILE, OTHER = "walk.heapgraph", "other.heapgraph"
"""What the snapshots are called where the program runs: names that are quickly typed."""

QUERY = "select type, count(*) from objects group by type"

WALK = (
    ("overview", "1 tab j k tab j k tab j k tab"),
    ("object", "enter j k tab tab end home tab R R [ ] b b"),
    ("path", "p k w j w x [ R R d j k ["),
    ("tree", "2 j k l h l j k h end home g l h g g g s s s e R R"),
    ("types", "3 j k pagedown pagedown pageup end home s s s s f t y p enter f backspace enter"),
    ("types, unfiltered", "f backspace backspace enter"),
    ("objects of a type", "enter j k s s s t [ P ["),
    ("search", "/ t y p e : d i c t enter j k P [ S"),
    ("threads", "6 j k h l"),
    ("waste", "7 j k l h end home"),
    ("comparison", f"8 {' '.join(OTHER)} enter"),
    ("memory", "9 j k"),
    ("suspects", "5 l h"),
    ("SQL", f": {' '.join(QUERY.replace(' ', '_'))} enter j k end home"),
    ("analyses", "4 j k end home ? j k q B [ ]"),
)
"""Where the keys lead, and the keys with spaces between; `_` is the space bar. Each part leaves its
page as it found it, so that the walk can be walked again.
"""


@dataclass(frozen=True)
class Press:
    """One key of the walk: where, which, and seconds until the repaint; None without an answer."""

    where: str
    key: str
    seconds: float | None


class WalkingTerminal(Terminal):
    """A terminal that measures how long a key takes."""

    def press_and_measure(self, key: str) -> float | None:
        """Seconds until the screen had answered; None when nothing changed."""
        before = self.look
        begun = time.perf_counter()
        self.press(" " if key == "_" else key)
        last, changed = begun, False
        while (left := begun + ANSWER_LIMIT_S - time.perf_counter()) > 0:
            # What still comes of the key before is no answer: the screen must change.
            if not self.read(SILENCE_S if changed else left):
                break
            last = time.perf_counter()
            changed = changed or self.look != before
        self.wait_for(lambda frame: BUSY not in frame, WORK_LIMIT_S)
        while self.read(SILENCE_S):
            pass
        return last - begun if changed else None

    def peak_memory(self) -> int:
        """The most resident memory the program had so far, in bytes."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024


def walk(terminal: WalkingTerminal, keystrokes: int) -> tuple[list[Press], int]:
    """Press so many keys; also returns the peak of memory before the first comparison."""
    presses: list[Press] = []
    peak = 0
    while True:
        for where, keys in WALK:
            if where == "comparison" and not peak:
                peak = terminal.peak_memory()
            for key in keys.split():
                if len(presses) == keystrokes:
                    return presses, peak or terminal.peak_memory()
                presses.append(Press(where, key, terminal.press_and_measure(key)))


def describe(presses: list[Press]) -> str:
    """Median, 95th percentile and the slowest keys in milliseconds."""
    answered = [(press.seconds, press) for press in presses if press.seconds is not None]
    seconds = sorted(second for second, _ in answered)
    p95 = seconds[int(len(seconds) * 0.95)] * 1e3
    median = statistics.median(seconds) * 1e3
    slowest = sorted(answered, key=lambda pair: -pair[0])[:5]
    worst = ", ".join(
        f"{press.key} ({press.where}) {second * 1e3:.0f}" for second, press in slowest
    )
    failures = len(presses) - len(answered)
    return f"| {len(presses)} | {failures} | {median:.0f} | {p95:.0f} | {worst} |"


def failures_of(presses: list[Press]) -> list[str]:
    """The keys without an answer, each with where it was pressed and as the how manyth key."""
    return [
        f"key {number}, {press.key}, in {press.where}: not answered"
        for number, press in enumerate(presses, 1)
        if press.seconds is None
    ]


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tui_walk", description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("other", type=Path, nargs="?")
    parser.add_argument("--keystrokes", type=int, default=KEYSTROKES)
    return parser.parse_args()


def main() -> None:
    """Measure and print a table."""
    arguments = parse_arguments()
    graph = HeapGraph.open(str(arguments.file))
    Session(str(arguments.file), graph).prepare(lambda *_: None)  # fills the cache
    objects = max(1, graph.object_count)
    del graph
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / FILE).symlink_to(arguments.file.resolve())
        (folder / OTHER).symlink_to((arguments.other or arguments.file).resolve())
        os.chdir(folder)
        begun = time.perf_counter()
        with WalkingTerminal("tui", FILE) as terminal:
            terminal.wait_for("overview")
            first_frame = time.perf_counter() - begun
            terminal.wait_for("roots")
            overview = time.perf_counter() - begun
            terminal.wait_for(on_page("overview"), WORK_LIMIT_S)
            presses, peak = walk(terminal, arguments.keystrokes)
            peak_compared = terminal.peak_memory()
    print(f"{objects:,} objects: first frame {first_frame:.2f} s, overview {overview:.2f} s,")
    print(f"peak memory {peak / 2**20:.0f} MiB, {peak / objects:.0f} bytes an object;")
    print(f"with the other snapshot open beside it {peak_compared / 2**20:.0f} MiB\n")
    print("| keys | not answered | median, ms | 95th percentile | slowest |")
    print("|---|---|---|---|---|")
    print(describe(presses))
    failures = failures_of(presses)
    for failure in failures:
        print(failure, file=sys.stderr)
    sys.exit(bool(failures))


if __name__ == "__main__":
    main()
