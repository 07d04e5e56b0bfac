"""Room for texts, names that are cut and say so, and colours that can be read."""

from __future__ import annotations

import pytest

from heapgraph.export.colours import DARK, LIGHT
from heapgraph.export.drawing import Line, Look, Role
from heapgraph.export.text_room import (
    cells,
    cut_end,
    cut_middle,
    cut_start,
    mono_width,
    room,
    wrapped,
)

READABLE, SEEN = 4.5, 3.0
"""Contrast of text and of signs by WCAG 2, level AA."""


@pytest.mark.parametrize(
    ("text", "width"),
    [("abc", 3), ("", 0), ("naïve Щ", 7), ("日本", 4), ("👩a", 3)],
)
def test_wide_letters_take_two_cells(text, width):
    assert cells(text) == width


def test_there_is_room_for_proportional_letters_that_are_wide():
    assert room("WWW", 10) > mono_width("WWW", 10) == pytest.approx(18.06)
    assert room("iii", 10) == mono_width("iii", 10)


@pytest.mark.parametrize(
    ("cut", "shown"),
    [(cut_end, "abcdefg..."), (cut_start, "...tuvwxyz"), (cut_middle, "abc...wxyz")],
)
def test_a_name_that_is_cut_says_so(cut, shown):
    assert cut("abcdefghijklmnopqrstuvwxyz", 10) == shown
    assert cut("abcdefghij", 10) == "abcdefghij"
    assert cells(cut("日本語日本語日本語", 10)) <= 10


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("short", ["short"]),
        ("app.sessions.CACHE['user:42']", ["app.sessions", ".CACHE['user", ":42']"]),
        ("one two three four", ["one two", "three four"]),
        ("x" * 40, ["x" * 12, "x" * 12, "...xxxxxxxxx"]),
    ],
)
def test_lines_break_where_names_do(text, lines):
    assert wrapped(text, 12, 3) == lines


def test_a_line_steers_nothing():
    shown = Line("a\x1b[2J\u202eb\u0301", Role.PLAIN).text
    assert shown == r"a\x1b[2J\u202eb\u0301"


def luminance(colour: str) -> float:
    """Relative luminance by WCAG 2."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return sum(w * p for w, p in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
def test_what_is_written_can_be_read(palette):
    assert contrast(palette.text, palette.ground) >= READABLE
    assert contrast(palette.line, palette.ground) >= SEEN
    for look, box in palette.boxes.items():
        assert contrast(box.text, box.fill) >= READABLE, look
        assert contrast(box.border, palette.ground) >= SEEN, look
        if look is not Look.ROOT:
            assert contrast(palette.quiet, box.fill) >= READABLE, look


def test_looks_differ_by_more_than_colour():
    borders = [(box.thickness, box.radius, box.dashes) for box in LIGHT.boxes.values()]
    assert len(set(borders)) == len(Look)
