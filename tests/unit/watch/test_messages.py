"""What a message says, in both formats, whatever names a target has made."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from heapgraph.watch.actions.messages import (
    MAX_BODY_BYTES,
    MAX_WORKERS,
    alert_document,
    alertmanager_document,
    body_of,
)
from heapgraph.watch.daemon.alerts import make_alert
from heapgraph.watch.model import Observation, RuleState, Transition, WorkerName
from helpers.alerts import SUSPECT, alert
from helpers.hostile_heaps import HOSTILE_TEXTS
from helpers.watched import census

PAGE = Path(__file__).resolve().parents[3] / "docs" / "watch-alerts.md"
OTHERS = tuple(WorkerName("web", slot) for slot in range(1, 4))


def test_our_own_format():
    document = json.loads(body_of(alert(others=OTHERS), "heapgraph"))
    assert document["schema"] == "heapgraph.alert/1"
    assert document["type"] == "heapgraph.alert.firing"
    data = document["data"]
    assert data["worker"] == {"target": "web", "slot": 0}
    assert [one["slot"] for one in data["others"]] == [1, 2, 3]
    assert data["suspect"]["path"][1] == "[*] (app.Response)"
    assert data["suspect"]["code"] == ["handle() at app.py:17"]
    assert data["observation"] == {
        "metric": "cgroup_ratio",
        "value": 0.86,
        "limit": 0.8,
        "times": 3,
        "text": "cgroup_ratio was 86 %",
    }
    assert data["seconds_to_limit"] == 900


def test_every_field_is_on_the_page():
    def names(value, above=""):
        for name, inner in value.items():
            yield f"{above}{name}"
            if isinstance(inner, dict):
                yield from names(inner, f"{above}{name}.")

    documented = set(re.findall(r"^\| `([\w.]+)`", PAGE.read_text(), re.MULTILINE))
    assert set(names(alert_document(alert()))) <= documented


def test_what_alertmanager_sends():
    document = alertmanager_document(alert(others=OTHERS))
    assert document["version"] == "4"
    assert document["status"] == "firing"
    assert [one["labels"]["worker"] for one in document["alerts"]] == ["0", "1", "2", "3"]
    first = document["alerts"][0]
    assert first["labels"]["alertname"] == "near-limit"
    assert first["startsAt"] == "2026-01-02T03:04:05+00:00"
    assert first["endsAt"] == "0001-01-01T00:00:00Z"
    assert first["annotations"]["holder"] == "app.UNFINISHED"
    assert first["annotations"]["path"].endswith("-> .connection (app.Connection)")
    assert len({one["fingerprint"] for one in document["alerts"]}) == 4
    assert document["groupKey"] == "heapgraph:00c0ffee00c0ffee"
    resolved = alertmanager_document(alert(status="resolved", created="2026-01-02T04:00:00+00:00"))
    assert resolved["alerts"][0]["endsAt"] == "2026-01-02T04:00:00+00:00"
    # The fingerprint is that of the labels: the same when it fires and when it is over.
    assert resolved["alerts"][0]["fingerprint"] == first["fingerprint"]


def test_more_workers_than_a_message_has_are_counted():
    many = tuple(WorkerName("web", slot) for slot in range(1, 500))
    own, foreign = alert_document(alert(others=many)), alertmanager_document(alert(others=many))
    assert len(own["data"]["others"]) == MAX_WORKERS
    assert own["data"]["others_count"] == 499
    assert len(foreign["alerts"]) == MAX_WORKERS
    assert foreign["truncatedAlerts"] == 500 - MAX_WORKERS


@pytest.mark.parametrize("form", ["heapgraph", "alertmanager"])
def test_hostile_names_are_printable_and_short(form):
    long = "é" * 10_000
    texts = tuple(HOSTILE_TEXTS) + (long,) * 100
    suspect = replace(SUSPECT, holder=long, path=texts, code=texts, growth=HOSTILE_TEXTS[0])
    hostile = alert(suspect=suspect, verdict=HOSTILE_TEXTS[1] * 100, host=HOSTILE_TEXTS[2])
    many = tuple(WorkerName(long, slot) for slot in range(300))
    body = body_of(replace(hostile, others=many), form)
    assert len(body) < MAX_BODY_BYTES
    assert body.isascii()
    assert all(text.isprintable() for text in _texts(json.loads(body)))


def _texts(value):
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            yield from _texts(one)


def test_growth_that_is_not_known_is_not_said():
    known = alert_document(alert())["data"]["suspect"]
    assert known["growth"] == "growing"
    unknown = alert_document(alert(suspect=replace(SUSPECT, growth="unknown")))["data"]["suspect"]
    assert "growth" not in unknown
    assert {**unknown, "growth": "growing"} == known


@pytest.mark.parametrize(
    ("metric", "grown", "growth"),
    [
        ("holder app.UNFINISHED", 4, "growing"),
        ("holder app.UNFINISHED", 0, "unknown"),
        ("holder app.OTHER", 4, "unknown"),
        ("rss_bytes", 0, "unknown"),
    ],
)
def test_what_a_rule_saw_grow_is_said_to_grow(metric, grown, growth):
    """Given a holder whose members tell no age, then censuses do; of another one they do not."""
    seen = Observation(metric, 9.0, 1.0, 4, "it grew", grown)
    worker = WorkerName("web", 0)
    change = Transition("grows", worker, RuleState.PENDING, RuleState.FIRING, 1.0, seen)
    found = replace(census(0.0), suspects=(replace(SUSPECT, growth="unknown"),))
    made = make_alert(change, found, message_id="1", status="firing", seconds_to_limit=None)
    assert made.suspect == replace(SUSPECT, growth=growth)
    assert ("still grows" in made.verdict) == (growth == "growing")


def test_what_is_not_finite_is_unknown():
    seen = replace(alert().observation, value=float("inf"), limit=float("nan"))
    data = alert_document(alert(observation=seen, seconds_to_limit=float("inf")))["data"]
    assert data["observation"]["value"] is data["observation"]["limit"] is None
    assert data["seconds_to_limit"] is None


def test_without_a_suspect():
    assert alert_document(alert(suspect=None))["data"]["suspect"] is None
    notes = alertmanager_document(alert(suspect=None))["commonAnnotations"]
    assert "holder" not in notes
