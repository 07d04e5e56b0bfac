"""Names that leave the machine hold what occurs in code, and nothing of a program's data."""

from __future__ import annotations

import pytest

from heapgraph.watch.census.names import general_name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("app.CACHE['user:42'].history[3]", "app.CACHE[*].history[*]"),
        ("app.CACHE[('a', [1, 2])].x", "app.CACHE[*].x"),
        ("app.CACHE['it\\'s ] here'].x", "app.CACHE[*].x"),
        ('app.CACHE["]"][b"["]', "app.CACHE[*][*]"),
        (
            "<thread 'worker-3' in handle() at app.py:88> rows[5]",
            "<thread * in handle() at app.py:88> rows[*]",
        ),
        ("<held by C code, 2 references> list[0]", "<held by C code, * references> list[*]"),
        ("<5,000 of alike>", "<*,* of alike>"),
        ("<event loop of MainThread>._ready[0]", "<event loop of MainThread>._ready[*]"),
        ("<event loop of thread 'ann@b.c'>.x", "<event loop of thread *>.x"),
        ("app.f.<locals>.g", "app.f.<locals>.g"),
        ("utf8.table2[0x7f]", "utf8.table2[*]"),
        ("app.X[", "app.X[*]"),
        ("a]b", "ab"),
    ],
)
def test_keys_texts_and_numbers_are_left_out(text: str, name: str):
    assert general_name(text) == name
