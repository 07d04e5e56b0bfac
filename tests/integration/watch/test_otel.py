"""A real receiver of OTLP gets the same values, under the names of OpenTelemetry's conventions."""

from __future__ import annotations

import logging
from contextlib import contextmanager

import pytest

pytest.importorskip("opentelemetry.sdk")

from opentelemetry.semconv._incubating.attributes import cpython_attributes
from opentelemetry.semconv._incubating.metrics import cpython_metrics

from heapgraph.watch.metrics.families import FAMILIES
from heapgraph.watch.metrics.otel import PAUSE_TIME, PAUSES, OtelExport, otel_name
from helpers.metric_states import LEAK, state
from helpers.otlp_collector import collector, metrics_of


@contextmanager
def exporting(**options):
    export = OtelExport(interval_s=3600, **options)
    try:
        yield export
    finally:
        export.stop()


def test_a_collector_gets_every_metric(monkeypatch):
    with collector(monkeypatch) as requests, exporting(names=True) as export:
        export.publish(state())
        assert export.flush()
        found = metrics_of(requests[0])
        assert export.failures == 0
    names = {otel_name(one)[0] for one in FAMILIES if one.kind != "histogram"}
    assert set(found) == names | {PAUSES, PAUSE_TIME}
    worker = (("heapgraph.target", "web"), ("heapgraph.worker", "0"))
    assert found["heapgraph.resident_memory"][:2] == ("gauge", "By")
    assert found["heapgraph.resident_memory"][2][worker] == 100e6
    assert found["heapgraph.holder"][2] == {(("heapgraph.holder", LEAK), *worker): 1_000_000}
    assert found[PAUSES][2] == {(): 2}
    attributes = requests[0].resource_metrics[0].resource.attributes
    assert {one.key: one.value.string_value for one in attributes}["service.name"] == "heapgraph"


def test_the_collector_of_cpython_has_the_names_of_the_conventions(monkeypatch):
    with collector(monkeypatch) as requests, exporting(names=True) as export:
        export.publish(state())
        assert export.flush()
        found = metrics_of(requests[0])
    for name in (
        cpython_metrics.CPYTHON_GC_COLLECTIONS,
        cpython_metrics.CPYTHON_GC_COLLECTED_OBJECTS,
        cpython_metrics.CPYTHON_GC_UNCOLLECTABLE_OBJECTS,
    ):
        kind, _, points = found[name]
        assert kind == "sum"
        generations = {dict(key)[cpython_attributes.CPYTHON_GC_GENERATION] for key in points}
        assert generations == {0, 1, 2}


def test_without_names_none_are_sent(monkeypatch):
    with collector(monkeypatch) as requests, exporting(names=False) as export:
        export.publish(state())
        assert export.flush()
        assert LEAK.encode() not in requests[0].SerializeToString()
        assert "heapgraph.suspects" in metrics_of(requests[0])


def test_a_collector_that_refuses_is_counted_and_nothing_is_printed(monkeypatch, caplog, capfd):
    caplog.set_level(logging.INFO)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer planted-secret")
    with collector(monkeypatch, status=400), exporting(names=True) as export:
        export.publish(state())
        export.flush()
        assert export.failures == 1
    said = caplog.text + "".join(capfd.readouterr())
    assert said == ""
