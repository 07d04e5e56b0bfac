"""Which characters are written out, and that nothing is lost by it."""

from __future__ import annotations

import json
import sys
import unicodedata

import pytest

from heapgraph.safe_text import cell_text, json_text, printable, shortened, storable

UNSAFE = {"Cc", "Cf", "Cs", "Cn", "Zl", "Zp"}
FIRST_PLANE = "".join(map(chr, range(0x10000)))
FARTHER = "".join(map(chr, (*range(0x1F000, 0x1FA00), *range(0xE0000, 0xE0200), sys.maxunicode)))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain \u00e9 \u65e5\u672c \U0001f600", "plain \u00e9 \u65e5\u672c \U0001f600"),
        ("\x1b[2J\x07", r"\x1b[2J\x07"),
        ("\x9b31m\x7f\x85", r"\x9b31m\x7f\x85"),
        ("a\tb\r\n", r"a\tb\r\n"),
        ("\u2028\u2029\u202e\u2066\u200b\ufeff", r"\u2028\u2029\u202e\u2066\u200b\ufeff"),
        ("\ud800x\udcff", r"\ud800x\udcff"),
        ("\U000e0041\ufffe", r"\U000e0041\ufffe"),
    ],
)
def test_what_steers_is_written_out(text, shown):
    assert printable(text) == shown
    assert printable(shown) == shown


def test_no_character_that_steers_is_left_of_all_there_are():
    for function in (printable, cell_text):
        assert (
            not {unicodedata.category(character) for character in function(FIRST_PLANE + FARTHER)}
            & UNSAFE
        )


def test_json_is_safe_to_look_at_and_loses_nothing():
    # Two halves of a surrogate pair are one character to every reader of JSON.
    texts = [FIRST_PLANE[:0xD801], FIRST_PLANE[0xE000:] + FARTHER]
    document = {FIRST_PLANE[0x100:0xD801]: texts, "n": [1, None]}
    text = json_text(document)
    left = {unicodedata.category(character) for character in text.replace("\n", "")}
    assert not left & UNSAFE
    assert json.loads(text) == document
    assert json.loads(json_text(document, ascii_only=True)) == document


def test_json_is_indented_and_has_no_numbers_that_json_lacks():
    assert json_text({"a": [1]}) == '{\n  "a": [\n    1\n  ]\n}'
    with pytest.raises(ValueError, match="JSON"):
        json_text({"a": float("nan")})


def test_bytes_that_are_no_text_can_be_stored():
    storable("caf\udce9 \U0001f600").encode()
    assert storable("plain") == "plain"


def test_text_is_shortened_from_the_front():
    assert shortened("abcdefghij", 8) == "...fghij"
    assert shortened("short", 8) == "short"
