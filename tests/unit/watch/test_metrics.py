"""The series of the daemon: their names, labels and number, and that they are right."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as openmetrics_families,
)
from prometheus_client.parser import text_string_to_metric_families

from heapgraph.watch.metrics.chosen_names import OTHER, STAYS, TOP, ChosenNames
from heapgraph.watch.metrics.families import FAMILIES
from heapgraph.watch.metrics.prometheus import PrometheusText
from heapgraph.watch.metrics.state import PAUSE_BOUNDS_S, Pauses, WorkerMetrics
from heapgraph.watch.model import WorkerName
from helpers.hostile_heaps import HOSTILE_TEXTS
from helpers.metric_states import LEAK, WEB, census, sample, state

PAGE = Path(__file__).resolve().parents[3] / "docs" / "metrics.md"
OPENMETRICS = "application/openmetrics-text; version=1.0.0, text/plain;version=0.0.4;q=0.5"


def series(given=None, *, names: bool = True, text: PrometheusText | None = None):
    """Value by name and labels."""
    body, _ = (text or PrometheusText()).render(given or state(), names=names)
    return {
        (one.name, *sorted(one.labels.items())): one.value
        for family in text_string_to_metric_families(body.decode())
        for one in family.samples
    }


def of(found, name: str) -> dict:
    return {key[1:]: value for key, value in found.items() if key[0] == f"heapgraph_{name}"}


def label(row, name: str) -> str:
    return dict(row).get(name, "")


def test_the_page_has_every_metric_and_no_other():
    rows = re.findall(
        r"^\| `(heapgraph_\w+)`(?: \{([\w, ]+)\})? \| (\w+) \|", PAGE.read_text(), re.MULTILINE
    )
    documented = {name: (tuple(labels.split(", ")), kind) for name, labels, kind in rows}
    assert documented == {one.name: (one.labels or ("",), one.kind) for one in FAMILIES}


def test_values_are_those_of_the_state():
    found = series()
    worker = (("target", "web"), ("worker", "0"))
    assert of(found, "resident_memory_bytes")[worker] == 100e6
    assert of(found, "target_up") == {
        worker: 1,
        (("target", "web"), ("worker", "1")): 1,
        (("target", "jobs"), ("worker", "")): 0,
    }
    assert of(found, "gc_collections_total")[("generation", "2"), *worker] == 2
    assert of(found, "gc_uncollectable_objects_total")[("generation", "2"), *worker] == 1
    assert of(found, "memory_bytes")[("part", "c heap"), *worker] == 500_000
    assert of(found, "holder_bytes") == {(("holder", LEAK), *worker): 1_000_000}
    assert of(found, "type_objects")[("target", "web"), ("type", OTHER), ("worker", "0")] == 500
    assert of(found, "type_bytes")[("target", "web"), ("type", OTHER), ("worker", "0")] == 10_000
    assert of(found, "rule_state")[("rule", "near-limit"), *worker] == 2
    assert of(found, "suspects") == {worker: 1}
    assert of(found, "snapshots_total")[(("outcome", "done"),)] == 2
    assert of(found, "actions_total")[("action", "page"), ("outcome", "given_up")] == 1
    assert of(found, "budget_refusals_total") == {(("reason", "cpu"),): 4}
    assert of(found, "store_bytes") == {(): 123456}


def test_what_is_not_known_has_no_series():
    one = WorkerMetrics(WEB, sample=replace(sample(), values={"rss_bytes": 5.0}, generations=()))
    found = series(state(workers=(one,), store_bytes=None))
    for name in ("private_memory_bytes", "gc_collections_total", "suspects", "store_bytes"):
        assert of(found, name) == {}
    endless = replace(sample(), values={"seconds_to_limit": float("inf")})
    assert (
        of(series(state(workers=(WorkerMetrics(WEB, sample=endless),))), "seconds_to_limit") == {}
    )


def test_no_process_id_is_anywhere():
    assert not [key for key in series() if "4711" in str(key) or "pid" in str(key)]


def test_without_names_no_type_and_no_holder_is_shown():
    body, _ = PrometheusText().render(state(), names=False)
    assert LEAK.encode() not in body
    assert b"bytearray" not in body
    assert b"heapgraph_suspects" in body


def test_openmetrics_is_given_to_who_asks_for_it():
    text = PrometheusText()
    body, content_type = text.render(state(), names=True, accept=OPENMETRICS)
    assert content_type.startswith("application/openmetrics-text")
    families = {one.name: one for one in openmetrics_families(body.decode())}
    assert families["heapgraph_snapshots"].type == "counter"
    assert body.endswith(b"# EOF\n")
    for accept in ("", "*/*", "text/html", "x" * 10_000, "\x00,;;q=,"):
        assert text.render(state(), names=True, accept=accept)[1].startswith("text/plain")


def test_pauses_are_a_histogram():
    pauses = Pauses()
    for pause_ms in (0.1, 0.5, 3.0, 40.0, 5000.0, -1.0):
        pauses = pauses.with_pause(pause_ms)
    found = of(series(state(pauses=pauses)), "pause_seconds_bucket")
    assert found[(("le", "0.0005"),)] == 3
    assert found[(("le", "0.005"),)] == 4
    assert found[(("le", "1.0"),)] == 5
    assert found[(("le", "+Inf"),)] == 6
    assert len(found) == len(PAUSE_BOUNDS_S) + 1


def test_hostile_names_are_labels_and_nothing_else():
    texts = [*HOSTILE_TEXTS, 'a"} 1\nheapgraph_fake 7', "\\", "x" * 5000, OTHER]
    made = census(types=[(text, 10) for text in texts], holders=[(text, 5) for text in texts])
    body, _ = PrometheusText().render(
        state(workers=(WorkerMetrics(WEB, census=made),), targets=()), names=True
    )
    lines = body.decode().splitlines()
    assert not [line for line in lines if line.startswith("heapgraph_fake")]
    assert all(len(line) < 1000 and line.isprintable() for line in lines)
    list(openmetrics_families(_openmetrics(made)))


def _openmetrics(made) -> str:
    given = state(workers=(WorkerMetrics(WEB, census=made),))
    return PrometheusText().render(given, names=True, accept=OPENMETRICS)[0].decode()


def test_names_that_are_cut_alike_are_one_series():
    types = [("app." + "x" * 300 + end, 100) for end in "ab"]
    found = of(
        series(state(workers=(WorkerMetrics(WEB, census=census(types=types)),))), "type_bytes"
    )
    assert sorted(found.values()) == [200, 10_000]


def test_each_worker_has_the_largest_names_and_the_rest():
    types = [(f"app.T{number:02d}", 1000 - number) for number in range(40)]
    holders = [(f"app.H{number:02d}", 1000 - number) for number in range(15)]
    made = census(types=types, holders=holders)
    found = series(state(workers=(WorkerMetrics(WEB, census=made),)))
    shown = of(found, "type_bytes")
    assert len(shown) == TOP + 1
    assert sum(shown.values()) == made.objects_size
    assert sum(of(found, "type_objects").values()) == made.objects
    assert sum(of(found, "holder_bytes").values()) == sum(size for _, size in holders)


def test_two_names_of_one_size_do_not_take_turns():
    text = PrometheusText()
    ever = set()
    for number in range(20):
        types = [(f"app.T{place:02d}", 1000 - place) for place in range(TOP - 1)]
        types += [("app.A", 500 + number % 2), ("app.B", 501 - number % 2)]
        given = state(workers=(WorkerMetrics(WEB, census=census(taken_at=number, types=types)),))
        shown = {label(row, "type") for row in of(series(given, text=text), "type_bytes")}
        assert len(shown) == TOP + 1
        ever |= shown
    assert len(ever) == TOP + 1


def test_a_name_that_falls_far_behind_gives_its_place_away():
    text = PrometheusText()
    first = [(f"app.Old{place:02d}", 1000 - place) for place in range(TOP)]
    later = [(f"app.New{place:02d}", 2000 - place) for place in range(STAYS)]
    for taken_at, types in ((1.0, first), (2.0, [*later, *first])):
        given = state(workers=(WorkerMetrics(WEB, census=census(taken_at=taken_at, types=types)),))
        shown = {label(row, "type") for row in of(series(given, text=text), "type_bytes")}
    assert shown == {name for name, _ in later[:TOP]} | {OTHER}


def test_the_number_of_series_has_a_cap_and_what_is_left_out_is_counted():
    chosen = ChosenNames(max_named=25)
    workers = [WorkerName("web", slot) for slot in range(5)]
    types = [(f"app.T{place}", 100 - place) for place in range(TOP)]
    censuses = {one: census(one, types=types, holders=[]) for one in workers}
    chosen.update(censuses)
    assert chosen.dropped == 25
    chosen.update(censuses)  # the same ones: nothing is counted twice
    assert chosen.dropped == 25
    last = chosen.split(workers[4], "type", types)
    assert last == {OTHER: sum(size for _, size in types)}
    # A worker that is gone gives its places back.
    del censuses[workers[0]]
    censuses[workers[4]] = census(workers[4], 2.0, types=types, holders=[])
    chosen.update(censuses)
    assert len(chosen.split(workers[4], "type", types)) == TOP


@pytest.mark.parametrize("order", [1, -1])
def test_series_do_not_depend_on_the_order_of_workers(order):
    given = state()
    assert series(replace(given, workers=given.workers[::order])) == series(given)
