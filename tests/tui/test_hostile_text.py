"""Whatever a target calls its things, the bytes that reach the terminal are heapgraph's own."""

from __future__ import annotations

import re
import unicodedata

import pytest

from heapgraph.analysis.registry import REGISTRY
from heapgraph.tui.pages.analyses import BY_OBJECT
from helpers.hostile_heaps import HOSTILE_TEXTS, write_hostile_snapshot
from helpers.terminal import Terminal, on_page, overview_is_complete

OWN_SEQUENCES = re.compile(
    rb"\x1b\[\??[0-9;]*[hl]"  # modes: other screen, mouse, cursor, paste
    rb"|\x1b\[[0-9]+;[0-9]+H"  # where to write
    rb"|\x1b\[[0-9;]*m"  # how
    rb"|\x1b\[[<>][0-9]*u|\x1b\[\?[0-9]+\$p"  # what the keyboard and the terminal can do
    rb"|\x1b\]22;[a-z]*\x07"  # the shape of the mouse pointer
)
"""All that Textual writes besides text; nothing of it can come from a heap, see below."""

CLIPBOARD = re.compile(rb"\x1b\]52;c;[A-Za-z0-9+/=]*\x07")
"""Written when something is copied, and never by itself."""

HARMLESS = frozenset("\r\n")
FORBIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Cn", "Mn", "Me", "Zl", "Zp"})
FORBIDDEN_DIRECTIONS = frozenset({"R", "AL", "AN", "RLE", "RLO", "RLI", "LRE", "LRO", "LRI"})
STYLES_OF_TARGET = (b"\x1b[31;7;5m", b"\x1b[2J", b"\x1bc", b"OWNED\x07", b"\x1bP", b"\x1b_")


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory):
    """Everything in it has a name out of HOSTILE_TEXTS, the process too."""
    return write_hostile_snapshot(tmp_path_factory.mktemp("hostile") / "evil.heapgraph")


@pytest.fixture
def terminal(snapshot):
    """The overview of it."""
    with Terminal("tui", snapshot, columns=120, lines=40, folder=snapshot.parent) as terminal:
        terminal.wait_for(overview_is_complete)
        yield terminal


def check(terminal, *allowed):
    """End the program; nothing it wrote may have been steered by the heap."""
    terminal.press("?", shows="keys that work here")  # all that was asked for before is drawn
    terminal.press("q", shows=lambda frame: "keys that work here" not in frame)
    assert terminal.quit() == 0
    raw = terminal.raw
    for pattern in (OWN_SEQUENCES, *allowed):
        raw = pattern.sub(b"", raw)
    foreign = {
        f"U+{ord(character):04X}"
        for character in set(raw.decode()) - HARMLESS
        if unicodedata.category(character) in FORBIDDEN_CATEGORIES
        or unicodedata.bidirectional(character) in FORBIDDEN_DIRECTIONS
    }
    assert not foreign
    assert not [text for text in STYLES_OF_TARGET if text in terminal.raw]
    assert b"MARKUP[/]" in raw or b"[bold red]" not in raw


def test_the_check_would_find_each_of_the_texts():
    """A check that passes everything would prove nothing."""
    for text in HOSTILE_TEXTS:
        left = OWN_SEQUENCES.sub(b"", text.encode()).decode()
        kinds = {unicodedata.category(character) for character in left}
        directions = {unicodedata.bidirectional(character) for character in left}
        is_found = kinds & FORBIDDEN_CATEGORIES or directions & FORBIDDEN_DIRECTIONS
        assert is_found or text.isprintable(), text


def test_the_facts_of_the_process_are_only_text(terminal):
    assert "\\x1b[2J\\x1b[31;7;5mRED\\x07" in terminal.frame
    check(terminal)


def test_names_and_values_are_only_text_in_the_tree_the_types_and_the_inspector(terminal):
    terminal.press("2", shows=on_page("dominator tree"))
    terminal.press("l", shows="EVIL")
    terminal.press("j", shows="app.EVIL  dict")
    terminal.press("l", shows="MARKUP")
    terminal.press("3", shows=on_page("types"))
    terminal.press("end", shows=on_page("types"))
    terminal.press("/", shows="expression")
    terminal.press("app.EVIL\r", shows=on_page("app.EVIL"))
    for key in ("j", "j", "enter", "p", "w", "d", "["):
        terminal.press(key)
    check(terminal)


ANALYSES = [name for name in REGISTRY if name not in BY_OBJECT]
PARTS = 3


def is_another_page(frame):
    """Whether something else than the list of analyses is shown, and all of it."""
    headline = frame.partition("\n")[0]
    is_done = "esc stops" not in headline and "esc cancel" not in frame
    return on_page("")(frame) and not headline.endswith("analyses") and is_done


@pytest.mark.parametrize("part", range(PARTS))
def test_what_analyses_find_is_only_text(terminal, part):
    """One program shows some of them after one another: to start it takes longer than to ask."""
    standing = 0
    for place in range(part, len(ANALYSES), PARTS):
        terminal.press("4", shows=on_page("analyses"))
        for _ in range(place - standing):
            terminal.press("j")
        standing = place  # the list is found again as it was left
        if ANALYSES[place] == "diff":
            terminal.press("enter", shows="enter go")
            # The page is there all the time: with the next key too early, esc is another key.
            terminal.press("esc", shows=lambda frame: "enter go" not in frame)
            terminal.wait_for(on_page("analyses"))
        else:
            terminal.press("enter", shows=is_another_page)
            for key in ("l", "j", "l", "j", "tab", "end"):
                terminal.press(key)
    check(terminal)


def test_what_is_searched_filtered_queried_and_copied_is_only_text(terminal):
    terminal.press("/", shows="expression")
    terminal.press("value:a\r", shows=on_page("value:a"))
    terminal.press("b", shows="marked")
    terminal.press("B", shows=on_page("bookmarks"))
    terminal.press("c", shows="copied")
    terminal.press("?", shows="keys that work here")
    terminal.press("esc", shows=lambda frame: "keys that work here" not in frame)
    terminal.press("3", shows=on_page("types"))
    terminal.press("f", shows="enter go")
    terminal.press("markup\r", shows=lambda frame: "enter go" not in frame)
    terminal.press("P", shows="holders of")
    terminal.press(":", shows="enter go")
    terminal.press("select * from objects\r", shows=on_page("sql"))
    terminal.press("G")
    terminal.press(":", shows="enter go")
    terminal.press("select '\u202e' || chr(27) || '[31m' as x, chr(7) as y\r", shows="31m")
    check(terminal, CLIPBOARD)
