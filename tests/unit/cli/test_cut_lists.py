"""Every list that a command cuts says how many more there are."""

from __future__ import annotations

import re

import pytest

from heapgraph.cli.questions import COMMANDS_OF_QUESTIONS
from helpers.app_heap import app_heap, items, module, set_global
from helpers.cli import invoke

ARGUMENTS = {
    "show": ["app.sessions.CACHE['user:42'].history[3]"],
    "path": ["type:dict"],
    "diff": ["NEWER"],
    "sql": ["select id from objects"],
}
"""What a command needs besides the snapshot."""

UNCOUNTED = {
    "path": r"[\d,]+ more objects are held elsewhere",
    "sql": "only the first 1 rows",
}
"""What is said where the rows that are left out were never made."""

LIMITED = [
    name
    for name, analysis in COMMANDS_OF_QUESTIONS.items()
    if analysis.parameter("limit") is not None
]


@pytest.fixture(scope="module")
def snapshots(tmp_path_factory):
    """A snapshot with several of everything, and a newer one with more of it."""
    older, newer = app_heap(), app_heap()
    for number in range(3):
        module(newer, f"more{number}", f"/srv/more{number}.py")
        rows = newer.object("list", size=88)
        items(newer, rows, *(newer.object(f"app.Row{number}", size=2**19) for _ in range(30)))
        set_global(newer, f"more{number}", "ROWS", rows)
    folder = tmp_path_factory.mktemp("cut")
    return [heap.write(folder / f"{n}.heapgraph") for n, heap in enumerate((older, newer))]


def asked(snapshots, command, *options):
    older, newer = snapshots
    first = older if command == "diff" else newer
    arguments = [newer if one == "NEWER" else one for one in ARGUMENTS.get(command, [])]
    outcome = invoke(command, first, *arguments, *options)
    assert outcome.code == 0, outcome.stderr
    return outcome


def lists_of(document):
    return {key: len(value) for key, value in document.items() if isinstance(value, list)}


@pytest.mark.parametrize("command", LIMITED)
def test_a_cut_list_says_how_many_more(snapshots, command):
    whole = lists_of(asked(snapshots, command, "--limit", 10_000, "--json").document)
    cut = lists_of(asked(snapshots, command, "--limit", 1, "--json").document)
    said = asked(snapshots, command, "--limit", 1).stderr
    left_out = {key: whole[key] - cut[key] for key in whole if whole[key] > cut[key]}
    assert left_out or command in {"waste", "threads"}, "the heap has too little to cut"
    if command in UNCOUNTED:
        assert re.search(UNCOUNTED[command], said)
        return
    counts = sorted(
        int(number.replace(",", "")) for number in re.findall(r"^([\d,]+) more", said, re.MULTILINE)
    )
    assert counts == sorted(left_out.values()), (left_out, said)


@pytest.mark.parametrize("command", LIMITED)
def test_a_whole_list_says_nothing_of_more(snapshots, command):
    assert not re.search(
        r"\d more|only the first", asked(snapshots, command, "--limit", 10_000).stderr
    )
