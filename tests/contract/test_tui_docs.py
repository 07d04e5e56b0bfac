"""docs/tui.md: its keys are those of the browser, its frames are of the walk it describes."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from heapgraph.tui.keys import KEYS, MOVING_KEYS

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE = (DOCS / "tui.md").read_text(encoding="utf-8")
MAX_KEYSTROKES = 6
LONGEST_PICTURE = 64 * 1024


def written(key):
    """A key as its row in the documentation, all its names first."""
    names = " ".join(f"`{replace(key, keys=name).shown}`" for name in key.keys.split(","))
    return f"| {names} | {key.help} |"


def frames():
    """The recorded frames by name, in order."""
    found = re.findall(r"<!-- recorded: (\w+) -->\n```text\n((?:.*\n)*?)```\n", PAGE)
    return {name: text.splitlines() for name, text in found}


def test_the_tables_have_every_key_and_no_other():
    rows = re.findall(r"^\| `.*\|$", PAGE, re.MULTILINE)
    assert rows == [written(key) for key in (*KEYS, *MOVING_KEYS)]


def test_the_guilty_global_is_found_within_six_keystrokes():
    """Its pages are shown in the frame that the first key leads to."""
    described = PAGE.partition("<!-- recorded: inspector -->")[0].partition(
        "<!-- recorded: overview"
    )[2]
    keys = re.findall(r"\*\*`(.+?)`\*\*", described)
    assert 1 <= len(keys) <= MAX_KEYSTROKES
    inspector = frames()["inspector"]
    assert inspector[0].endswith("overview > __main__.RENDERED_PAGES")
    assert any(re.search(r"refers to: 1 of 6\d\d", line) for line in inspector)


def test_every_frame_is_one_of_a_terminal_of_eighty_columns():
    shown = frames()
    assert {"overview", "inspector", "path", "tree", "threads", "waste", "diff", "sql"} <= set(
        shown
    )
    for name, lines in shown.items():
        assert len(lines) == 24, name
        assert max(map(len, lines)) <= 80, name


@pytest.mark.parametrize("picture", sorted(DOCS.glob("pictures/tui-*.svg")), ids=lambda p: p.stem)
def test_a_picture_is_small_is_linked_and_asks_no_server_for_anything(picture):
    text = picture.read_text(encoding="utf-8")
    assert len(text) < LONGEST_PICTURE
    assert f"pictures/{picture.name}" in PAGE
    assert re.findall(r"https?://[^\"' )]+", text) == ["http://www.w3.org/2000/svg"]
    assert "__main__.RENDERED_PAGES" in text.replace("&#160;", " ") or "RENDERED_PAGES" in text
