"""The program on a real pseudo-terminal: kinds of terminals, sizes, and snapshots hard to show."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from heapgraph.graph.heap_graph import HeapGraph
from helpers.app_heap import app_heap
from helpers.browser import FILE, SMALL, drive, press, standing_text
from helpers.heaps import draw_heap
from helpers.hostile_heaps import write_long_list
from helpers.terminal import Terminal, on_page, overview_is_complete

KEYS = ("2", "l", "3", "4", "B")
DEEP = 1_000_000


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory):
    """The heap of helpers/app_heap.py in a file of the name that the pilot's screens show."""
    return app_heap().write(tmp_path_factory.mktemp("terminal") / FILE)


def expected_frames(snapshot, size=SMALL):
    """The overview, and the page after each key, as they must look in the end."""
    graph = HeapGraph.open(snapshot)

    async def read(app, pilot):
        frames = [await standing_text(app, pilot)]
        for key in KEYS:
            await press(app, pilot, [key])
            frames.append(await standing_text(app, pilot))
        return frames

    return drive(graph, size=size, then=read)


@pytest.fixture(scope="module")
def usual(snapshot):
    """What an ordinary terminal must show."""
    return expected_frames(snapshot)


def walk(snapshot, frames, size=SMALL, env=None):
    """Wait for each frame, press the keys between them, leave; return the raw bytes of it all."""
    columns, lines = size
    with Terminal(
        "tui", snapshot.name, columns=columns, lines=lines, env=env, folder=snapshot.parent
    ) as terminal:
        terminal.wait_for(frames[0])
        for key, frame in zip(KEYS, frames[1:], strict=True):
            terminal.press(key, shows=frame)
        assert terminal.quit() == 0
        return terminal.raw


@pytest.mark.parametrize(
    "env",
    [
        {"TERM": "xterm-256color"},
        {"TERM": "xterm-256color", "COLORTERM": "truecolor"},
        {"TERM": "vt100"},
        {"TERM": "linux"},
        {"TERM": "screen"},
    ],
    ids=lambda env: "-".join(env.values()),
)
def test_every_kind_of_terminal_shows_the_same(snapshot, usual, env):
    assert walk(snapshot, usual, env=env)


@pytest.mark.parametrize("size", [(160, 50), (40, 12)], ids=lambda size: "x".join(map(str, size)))
def test_every_size_shows_what_the_pilot_sees(snapshot, size):
    assert walk(snapshot, expected_frames(snapshot, size), size)


def test_nothing_is_said_by_colour_alone(snapshot, usual):
    raw = walk(snapshot, usual, env={"NO_COLOR": "1"})
    colours = {int(colour) for colour in re.findall(rb"[34]8;5;(\d+)", raw)}
    assert colours
    assert all(map(_is_grey, colours))
    assert not re.search(rb"[34]8;2;(\d+);(?!\1;\1\b)", raw)
    cursors = [sum(line.startswith(">") for line in frame.splitlines()) for frame in usual[:-1]]
    assert cursors == [1] * (len(usual) - 1)  # there are no bookmarks to be at


def _is_grey(colour: int) -> bool:
    """Whether a colour of the palette of 256 has no hue."""
    red, green, blue = (colour - 16) // 36, (colour - 16) // 6 % 6, (colour - 16) % 6
    return colour in (0, 7, 8, 15) or colour >= 232 or red == green == blue


@pytest.mark.parametrize("term", ["dumb", "unknown"])
def test_a_terminal_that_cannot_be_drawn_on_is_refused(snapshot, term):
    with Terminal("tui", snapshot, env={"TERM": term}) as terminal:
        assert terminal.wait_for_end() == 2
        assert b"\x1b[?" not in terminal.raw
        assert b"\x1b]" not in terminal.raw
        assert f"TERM={term}" in terminal.frame


def test_without_a_terminal_it_says_so_and_does_not_wait_for_keys(snapshot):
    done = subprocess.run(
        [sys.executable, "-m", "heapgraph", "tui", str(snapshot)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert [line[:6] for line in done.stderr.splitlines()] == ["error:", "cause:", "next: "]
    assert "terminal" in done.stderr


def test_a_terminal_resized_while_open_is_drawn_again_and_back(snapshot):
    sizes = ((160, 50), (20, 6), SMALL)
    expected = {size: expected_frames(snapshot, size)[0] for size in sizes}
    with Terminal("tui", snapshot.name, folder=snapshot.parent) as terminal:
        terminal.wait_for(expected[SMALL])
        for size in sizes:
            terminal.resize(*size)
            terminal.wait_for(expected[size])
        terminal.press("2", shows=on_page("dominator tree"))
        assert terminal.quit() == 0


def test_forty_columns_show_what_holds_and_how_much(snapshot):
    with Terminal("tui", snapshot, columns=40, lines=15, folder=snapshot.parent) as terminal:
        terminal.wait_for(lambda frame: "4.00 MiB" in frame and "[3]" in frame)
        terminal.press("2", shows=on_page("dominator tree"))
        terminal.wait_for("app.sessions")
        terminal.press("enter", shows=on_page("app.sessions"))
        terminal.wait_for("CACHE")
        assert terminal.quit() == 0


@pytest.mark.parametrize(
    ("drawing", "count"),
    [("* -> a -> b -> c -> d\na -> e, f, g\nd -> h, i, j", 10), ("* -> a", 1), ("", 0)],
)
def test_a_snapshot_of_few_objects_or_none_can_be_browsed(tmp_path, drawing, count):
    snapshot = draw_heap(drawing).write(tmp_path / FILE)
    frames = expected_frames(snapshot)
    assert f"objects    {count}, " in frames[0]
    walk(snapshot, frames)


def test_lists_a_million_deep_are_opened_followed_and_cut(tmp_path):
    snapshot = write_long_list(tmp_path / "deep.heapgraph", DEEP)
    last = DEEP + 2
    with Terminal("tui", snapshot, folder=tmp_path) as terminal:
        terminal.wait_for(overview_is_complete)
        terminal.press("2", shows=on_page("dominator tree"))
        terminal.press("e", shows=".HEAD")
        terminal.press("j", shows=": 2 of 3")
        terminal.press("e", shows="[0]")
        terminal.press("/", shows="expression")
        terminal.press(f"@{last}\r", shows=f"@{last} ")
        terminal.press("p", shows=f"{DEEP + 1:,} references")
        terminal.press("end", shows=f"{DEEP + 1:,} of {DEEP + 1:,}")
        terminal.press("w", shows=joined("frees 64 B in 1 objects"))
        terminal.press("home", shows=f": 1 of {DEEP + 1:,}")
        terminal.press("j", shows=f": 2 of {DEEP + 1:,}")
        terminal.press("w", shows=joined(f"in {DEEP:,} objects"))
        terminal.press("d", shows="dominates")
        assert terminal.quit() == 0


def joined(text):
    """Whether the screen shows a text, on however many lines."""
    return lambda frame: text in " ".join(frame.split())
