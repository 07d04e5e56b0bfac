"""History, bookmarks, selection and command lines of a session."""

from __future__ import annotations

import subprocess

import pytest

from heapgraph.errors import ObjectNotFound
from heapgraph.tui import places
from heapgraph.tui.jobs import Cancelled, Job, JobThread
from heapgraph.tui.page import Page
from heapgraph.tui.pages import build_page
from heapgraph.tui.search import find_members, find_object
from heapgraph.tui.state import MAX_PAGES, History, Session, object_of
from helpers.app_heap import graph_of
from helpers.browser import page_of, quiet


def page(title):
    """A page that only has a title."""
    return Page(places.Overview(), title)


def test_history_goes_back_and_forward_and_forgets_what_was_ahead():
    history = History()
    for title in "abc":
        history.visit(page(title))
    assert history.move(-1)
    assert history.move(-1)
    assert not history.move(-1)
    assert history.titles == ["a"]
    assert history.can_move(1)
    history.visit(page("d"))
    assert history.titles == ["a", "d"]
    assert not history.can_move(1)


def test_history_has_an_end():
    history = History()
    for number in range(MAX_PAGES + 10):
        history.visit(page(str(number)))
    assert len(history.titles) == MAX_PAGES
    assert history.titles[-1] == str(MAX_PAGES + 9)


def test_a_bookmark_is_set_and_removed(session):
    assert session.toggle_bookmark(3)
    assert session.bookmarks == [3]
    assert not session.toggle_bookmark(3)
    assert session.bookmarks == []


@pytest.mark.parametrize(
    ("place", "line"),
    [
        (places.Overview(), "heapgraph summary app.heapgraph"),
        (places.DominatorsOf(), "heapgraph dominators app.heapgraph --of '<roots>'"),
        (places.Types(), "heapgraph histogram app.heapgraph"),
        (places.MergedPathsTo("type:dict"), "heapgraph path app.heapgraph type:dict"),
        (places.AnalysisOf("verify"), "heapgraph verify app.heapgraph"),
    ],
)
def test_a_page_has_the_command_line_that_shows_the_same(session, place, line):
    assert session.command_line(page_of(session, place)) == line


@pytest.mark.parametrize("text", ["it's", 'a "b"', "$(rm)'", "`x`'", "a\\'", "ev!'", "", "a b"])
def test_a_shell_reads_a_command_line_as_it_was_meant(text):
    line = places.command_line("my file.heapgraph", ["sql", text])
    shown = subprocess.run(
        ["bash", "-c", f"heapgraph() {{ printf '%s\\0' \"$@\"; }}; {line}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout.split("\0")[:-1] == ["sql", "my file.heapgraph", text]


def test_command_lines_name_objects_by_expression_where_it_is_python(session, heap):
    cache, rows = heap.ids["CACHE"], heap.ids["rows"]
    shown = session.command_line(page_of(session, places.Inspect(cache)))
    assert shown == "heapgraph show app.heapgraph app.sessions.CACHE"
    below = session.command_line(page_of(session, places.DominatorsOf(cache)))
    assert below == "heapgraph dominators app.heapgraph --of app.sessions.CACHE"
    path = session.command_line(page_of(session, places.PathTo(rows, ("weak",))))
    assert path == f"heapgraph path app.heapgraph @{rows} --exclude weak"
    merged = page_of(session, places.MergedPathsTo("value:Ada"))
    assert session.command_line(merged) is None


def test_keys_are_about_the_row_or_about_the_object_of_the_page(session, heap):
    inspector = page_of(session, places.Inspect(heap.ids["CACHE"]))
    assert object_of(inspector, inspector.tables[0].row(0)) == heap.ids["CACHE"]
    tree = page_of(session, places.DominatorsOf())
    assert object_of(tree, tree.tables[0].row(0)) == tree.tables[0].row(0).object_id


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("type:app.sessions.User", {"user", "second"}),
        ("value:ad", {"ada"}),
        ("app.sessions.CACHE", {"CACHE"}),
        ("Respon", {"response"}),
        ("BOB", {"bob"}),
    ],
)
def test_a_search_finds_types_expressions_and_values(session, heap, text, names):
    found = set(find_members(session.graph, text).members.tolist())
    assert {heap.ids[name] for name in names} <= found
    if ":" in text or "." in text:
        assert found == {heap.ids[name] for name in names}


def test_a_search_finds_an_address_and_an_id(session, heap):
    cache = heap.ids["CACHE"]
    address = f"{int(session.graph.addresses[cache]):#x}"
    assert find_object(session.graph, address) == cache
    assert find_object(session.graph, f" @{cache} ") == cache
    assert find_object(session.graph, "no such thing") is None


@pytest.mark.parametrize(
    "text", ["@99999999", "0x1", "type:nothing.Here", "value:never there", "§"]
)
def test_a_search_without_a_result_says_so(session, text):
    with pytest.raises(ObjectNotFound):
        find_object(session.graph, text) or find_members(session.graph, text)


def test_the_set_found_last_is_marked_in_other_lists(session, heap):
    page_of(session, places.ObjectSet("type:app.sessions.User"))
    inspector = page_of(session, places.Inspect(heap.ids["CACHE"]))
    styles = {row.object_id: row.style for row in map(inspector.tables[0].row, range(3))}
    assert styles[heap.ids["user"]] == styles[heap.ids["second"]] == "marked"
    assert styles[heap.ids["by_pair"]] == ""


def test_a_job_reports_and_is_cancelled_where_it_reports():
    jobs, job, seen = JobThread(), Job("work"), []

    def work(progress):
        progress("phase", 1, 2)
        seen.append(job.describe())
        job.is_cancelled = True
        progress("phase", 2, 2)
        seen.append("never")

    future = jobs.submit(job, work)
    with pytest.raises(Cancelled):
        future.result(timeout=10)
    assert seen == ["work: phase (1 of 2)"]
    assert jobs.submit(Job("next"), lambda _: 7).result(timeout=10) == 7


def test_a_job_that_was_given_up_while_it_waited_is_not_begun():
    job = Job("work")
    job.is_cancelled = True
    with pytest.raises(Cancelled):
        JobThread().submit(job, lambda _: 1).result(timeout=10)


@pytest.mark.parametrize("text", ["value:a", "type:app.*"])
def test_holders_and_types_of_a_set_can_be_given_up(heap, text):
    reports = []

    def stop(phase, *_):
        reports.append(phase)
        if len(reports) > 1:
            raise Cancelled

    for place in (places.MergedPathsTo(text), places.Types(text)):
        reports.clear()
        session = Session("app.heapgraph", graph_of(heap))
        session.prepare(quiet)
        with pytest.raises(Cancelled):
            build_page(session, place, stop)


def test_a_search_reports_how_far_it_is(session):
    seen = []
    find_members(session.graph, "value:ada", lambda *report: seen.append(report))
    assert seen == [("values", 0, session.graph.object_count)]
