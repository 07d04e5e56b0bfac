"""What Tab makes of a line."""

from __future__ import annotations

import pytest

from heapgraph.tui.completion import common_beginning, file_completer, word_completer

WORDS = ("select", "retained_size", "retained", "objects", "order")


@pytest.mark.parametrize(
    ("line", "lines"),
    [
        ("sel", ["select"]),
        ("SEL", ["select"]),
        ("select ret", ["select retained", "select retained_size"]),
        ("select retained", ["select retained_size"]),
        ("select max(obj", ["select max(objects"]),
        ("select objects.o", ["select objects.objects", "select objects.order"]),
        ("select ", []),
        ("", []),
        ("nothing", []),
    ],
)
def test_the_last_word_is_completed(line, lines):
    assert word_completer(WORDS)(line) == lines


@pytest.mark.parametrize(
    ("lines", "beginning"),
    [(["abc", "abd"], "ab"), (["abc"], "abc"), (["a", "ab", "abc"], "a"), (["a", "b"], "")],
)
def test_lines_have_a_common_beginning(lines, beginning):
    assert common_beginning(lines) == beginning


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with snapshots and other files, which is the present one."""
    for name in ("one.heapgraph", "other one.heapgraph", "notes.txt", ".hidden.heapgraph"):
        (tmp_path / name).write_text("")
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "first.heapgraph").write_text("")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("line", "lines"),
    [
        ("", ["old/", "one.heapgraph", "other\\ one.heapgraph"]),
        ("on", ["one.heapgraph"]),
        ("one.heapgraph ol", ["one.heapgraph old/"]),
        ("old/", ["old/first.heapgraph"]),
        ("other\\ o", ["other\\ one.heapgraph"]),
        (".h", [".hidden.heapgraph"]),
        ("notes", []),
        ("missing/", []),
    ],
)
def test_snapshots_and_folders_are_completed(folder, line, lines):
    assert file_completer()(line) == lines
    absolute = [f"{folder}/{found}" for found in lines] if " " not in line else []
    if absolute and " " not in "".join(map(str, folder.parts)):
        assert file_completer()(f"{folder}/{line}") == absolute


def test_the_home_folder_is_known(folder, monkeypatch):
    monkeypatch.setenv("HOME", str(folder / "old"))
    assert file_completer()("~/f") == ["~/first.heapgraph"]
