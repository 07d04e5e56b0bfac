"""Each program of fixtures/leaks is dumped while it runs: the first suspect is its known holder.

And goes on to be, while more leaks. Its twin, the same program with the bug repaired, is dumped as
well: nothing names that holder. test_leak_kinds.py runs the programs by themselves, on every build.
"""

from __future__ import annotations

import pytest

from heapgraph.analysis.diff import diff_snapshots
from heapgraph.analysis.paths import paths_to
from heapgraph.analysis.suspects import find_suspects
from heapgraph.export.pictures import draw
from heapgraph.export.svg import render_svg
from helpers.chromium import needs_chromium
from helpers.fonts import ALL, needs_fonts
from helpers.graphviz_program import needs_dot
from helpers.interpreters import is_exhaustive
from helpers.leak_programs import LeakProgram, LiveAnswer, ask_live, grow_live, leak_programs
from helpers.picture_view import picture_view
from helpers.printed_names import misread, printed_by_questions

FONTS = ("DejaVu Sans Mono", "Liberation Mono", "DejaVu Sans")
COUNTS = (2, 3, 2, 4)
RUN_TWICE = 4
"""One program of so many has a second run, all in the long form."""


def turn_of(program: LeakProgram) -> int:
    """Its place among all: what takes turns, goes by it."""
    return [each.name for each in leak_programs()].index(program.name)


def counts_of(program: LeakProgram) -> tuple[int, ...]:
    """How many snapshots of a program are compared: mostly two, three or four by turns."""
    return (2, 3, 4) if is_exhaustive() else (COUNTS[turn_of(program) // len(FONTS) % len(COUNTS)],)


def parameter(program: LeakProgram):
    """A program as a parameter; without its packages it cannot run, and says so."""
    missing = ", ".join(program.missing)
    marks = [pytest.mark.skip(reason=f"needs {missing}: pip install {missing}")] if missing else []
    return pytest.param(program, id=program.name, marks=marks)


def has_chain(graph, object_id, chain: list[str]) -> bool:
    """Whether the path to an object has these labels in this order."""
    paths = paths_to(graph, objects=[int(object_id)]).paths
    labels = iter([str(step.label) for path in paths for step in path.steps])
    return all(label in labels for label in chain)


def fingerprints_of(program: LeakProgram, suspects) -> set[str]:
    """Those of the suspects that name the known holder."""
    return {suspect.fingerprint for suspect in suspects if program.names_holder(suspect)}


@pytest.fixture(scope="module", params=map(parameter, leak_programs()))
def program(request) -> LeakProgram:
    return request.param


@pytest.fixture(scope="module")
def graphs(program, tmp_path_factory):
    """Snapshots of one run, in which other containers grow as well, by a twentieth."""
    return grow_live(program, tmp_path_factory.mktemp("growth"), max(counts_of(program)))


@pytest.fixture(scope="module")
def answer(graphs) -> LiveAnswer:
    """The first of them, and its suspects."""
    return LiveAnswer(graphs[0], find_suspects(graphs[0]).suspects)


def test_the_first_suspect_is_the_holder(program, answer):
    assert answer.suspects, "no suspect at all"
    first = answer.suspects[0]
    assert program.names_holder(first), first.expression
    assert first.retained_size >= 2**20
    assert first.path is not None
    assert first.path.steps


def test_the_reason_says_what_is_held_and_how_much(program, answer):
    first = answer.suspects[0]
    assert first.expression in first.reason
    assert "of the heap" in first.reason
    assert program.is_reason(first.reason), first.reason
    if first.path.root.kind == "module":
        assert program.expected.get("held_by", "(application code, ") in first.reason


def test_a_leaked_object_is_reached_by_name(program, answer):
    """The labels on the way from the root to a leaked object contain the known chain in order."""
    objects = answer.graph.objects_of_type(program.expected["leaked_type"])
    assert len(objects) >= program.expected["objects_at_ready"]
    retained = answer.graph.dominators.retained_sizes[objects]
    largest = objects[retained.argsort()[::-1]]
    assert any(has_chain(answer.graph, leaked, program.expected["chain"]) for leaked in largest)


@pytest.fixture(scope="module")
def view(tmp_path_factory):
    """One browser for the pictures of all programs, on a machine with all fonts."""
    with picture_view(ALL, tmp_path_factory.mktemp("view")) as view:
        yield view


@needs_dot
@needs_fonts
@needs_chromium
def test_its_pictures_can_be_read_with_its_font(program, answer, view):
    """Nothing is outside its box: see test_pictures.py. Each program has one font by turns."""
    graph = answer.graph
    path = answer.suspects[0].path
    assert path is not None
    holder = path.steps[-1].id
    for options in ({"count": 3}, {"dominators": True}):
        picture = render_svg(draw(graph, holder, **options))
        for font in FONTS if is_exhaustive() else (FONTS[turn_of(program) % len(FONTS)],):
            sight = view.look_at(picture, font)
            assert sight.faults == [], font
            assert sight.shown == sight.texts, font


def test_the_twin_has_no_suspect_that_names_the_holder(program, tmp_path):
    twin = ask_live(program, tmp_path, fixed=True)
    named = [s.expression for s in twin.suspects if program.names_holder(s)]
    assert not named


def test_a_comparison_names_the_growing_holder_first(program, graphs):
    """Of two snapshots, of three, of four: each program by turns."""
    for newer in [graphs[1:count] for count in counts_of(program)]:
        first = diff_snapshots(graphs[0], new=newer[0], newer=newer[1:]).holders[0]
        assert program.is_growing_holder(first.expression), (len(newer) + 1, first.expression)
        assert first.grows_each_time


def test_the_fingerprint_is_the_same_when_more_has_leaked_and_in_every_run(
    program, answer, graphs, tmp_path
):
    """Later there may be several suspects of one kind. In the other run nothing else grows."""
    expected = {answer.suspects[0].fingerprint}
    later = find_suspects(graphs[-1]).suspects
    assert fingerprints_of(program, answer.suspects + later) == expected
    if is_exhaustive() or turn_of(program) % RUN_TWICE == 0:
        assert fingerprints_of(program, ask_live(program, tmp_path).suspects) == expected


def test_what_is_printed_of_it_is_accepted(answer):
    assert not misread(answer.graph, printed_by_questions(answer.graph, answer.suspects))
