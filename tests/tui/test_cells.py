"""Text, widths and bars of rows."""

from __future__ import annotations

import pytest
from rich.cells import cell_len

from heapgraph.tui.cells import Column, bar, fit, lay_out, safe


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain [b]text[/b]", "plain [b]text[/b]"),
        ("\x1b[31mred\x07\n", "\\x1b[31mred\\x07\\n"),
        ("\u202eevil\u202c", "\\u202eevil\\u202c"),
        ("שלום", "\\u05e9\\u05dc\\u05d5\\u05dd"),
        ("مرحبا"[:1], "\\u0645"),
        ("e\u0301", "e\\u0301"),
        ("日本語 é ü", "日本語 é ü"),
        ("\u2028", "\\u2028"),
    ],
)
def test_text_of_the_target_cannot_steer_the_terminal(text, shown):
    assert safe(text) == shown


@pytest.mark.parametrize("text", ["", "ab", "abcdefghij", "日本語テキスト", "a" * 500])
@pytest.mark.parametrize("keep", ["start", "end", "both"])
@pytest.mark.parametrize("width", [0, 1, 2, 7, 12])
def test_a_cell_has_exactly_its_width(text, keep, width):
    assert cell_len(fit(text, width, keep=keep)) == width


def test_a_cut_text_keeps_the_end_that_was_asked_for():
    assert fit("abcdef", 4) == "abc…"
    assert fit("abcdef", 4, keep="end") == "…def"
    assert fit("abcdefgh", 5, keep="both") == "ab…gh"
    assert fit("ab", 4, align="right") == "  ab"


def test_a_bar_is_as_long_as_its_share():
    assert bar(0, 4) == "    "
    assert bar(0.5, 4) == "██  "
    assert bar(1, 4) == bar(7, 4) == "████"
    assert bar(1 / 32, 4) == "▏   "


COLUMNS = (
    Column("size", 9),
    Column("share", 6, rank=2),
    Column("name", weight=2),
    Column("type", 20, rank=4),
    Column("note", rank=1),
)


@pytest.mark.parametrize("width", [30, 40, 60, 80, 120, 400])
def test_columns_fill_the_width_and_the_least_worthy_go_first(width):
    chosen = lay_out(COLUMNS, width)
    assert sum(column.width for _, column in chosen) + len(chosen) - 1 == width
    assert {0, 2} <= {index for index, _ in chosen}
    ranks = {COLUMNS[index].rank for index in range(5)} - {column.rank for _, column in chosen}
    assert all(left_out > 0 for left_out in ranks)


def test_a_narrow_list_keeps_only_what_has_no_rank():
    assert [index for index, _ in lay_out(COLUMNS, 36)] == [0, 2]
    assert [index for index, _ in lay_out(COLUMNS, 400)] == [0, 1, 2, 3, 4]
