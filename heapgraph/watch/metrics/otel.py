"""The metrics for OpenTelemetry: pushed over OTLP to whatever collects them (`watch-otel`).

The same values as for Prometheus, under names as OpenTelemetry has them: where its conventions have
one for CPython (`cpython.gc.*`) that, else `heapgraph.*`.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import (
    MetricExportResult,
    MetricsData,
    PeriodicExportingMetricReader,
)
from opentelemetry.sdk.resources import Resource

from heapgraph import __version__
from heapgraph.watch.metrics.chosen_names import ChosenNames
from heapgraph.watch.metrics.families import FAMILIES, PREFIX, Family, Values, values_of
from heapgraph.watch.metrics.state import MetricsState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from opentelemetry.metrics import Meter

INTERVAL_S = 60.0
"""Between two pushes: the default of OpenTelemetry."""

_CPYTHON = {
    "heapgraph_gc_collections_total": ("cpython.gc.collections", "{collection}"),
    "heapgraph_gc_collected_objects_total": ("cpython.gc.collected_objects", "{object}"),
    "heapgraph_gc_uncollectable_objects_total": ("cpython.gc.uncollectable_objects", "{object}"),
}
"""Name and unit of OpenTelemetry's semantic conventions for CPython."""

_GENERATION = "cpython.gc.generation"
_UNITS = {"_bytes": "By", "_seconds": "s"}
PAUSES, PAUSE_TIME = "heapgraph.pauses", "heapgraph.pause.time"
"""Instead of the histogram, which is only there as counts: how many pauses, and how long in all."""


class OtelExport:
    """Pushes what was published last, every minute, from a thread of its own.

    Where to and with which headers say the variables of OpenTelemetry: OTEL_EXPORTER_OTLP_ENDPOINT,
    OTEL_EXPORTER_OTLP_HEADERS, OTEL_RESOURCE_ATTRIBUTES and others.

    Args:
        names: with metrics that name types and holders.
        interval_s: between two pushes.

    Attributes:
        failures: pushes that did not arrive. Their values are in the next one.
    """

    def __init__(self, *, names: bool, interval_s: float = INTERVAL_S) -> None:
        """Begin to push."""
        # Its errors have addresses and stacks in them; `failures` says what there is to know.
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL + 1)
        self._state = MetricsState()
        self._names = names
        self._chosen = ChosenNames()
        self._found: tuple[MetricsState, dict[str, Values]] | None = None
        self._exporter = _CountingExporter()
        reader = PeriodicExportingMetricReader(
            self._exporter, export_interval_millis=interval_s * 1000
        )
        resource = Resource.create({"service.name": "heapgraph", "service.version": __version__})
        self._provider = MeterProvider([reader], resource=resource, shutdown_on_exit=False)
        meter = self._provider.get_meter("heapgraph", __version__)
        for family in FAMILIES:
            if family.kind != "histogram" and (names or not family.has_names):
                _instrument(meter, family, self._callback(family))
        meter.create_observable_counter(
            PAUSES, [lambda _: [Observation(sum(self._state.pauses.counts))]], "{pause}"
        )
        meter.create_observable_counter(
            PAUSE_TIME, [lambda _: [Observation(self._state.pauses.total_s)]], "s"
        )

    @property
    def failures(self) -> int:
        """See above."""
        return self._exporter.failures

    def publish(self, state: MetricsState) -> None:
        """This is what is known now. May be called from any thread."""
        self._state = state

    def flush(self, timeout_s: float = 5.0) -> bool:
        """Push now; whether it arrived in time."""
        return self._provider.force_flush(int(timeout_s * 1000))

    def stop(self, timeout_s: float = 5.0) -> None:
        """Push a last time and end."""
        self._provider.shutdown(int(timeout_s * 1000))

    def _callback(self, family: Family) -> Callable[[CallbackOptions], Iterable[Observation]]:
        def observe(_options: CallbackOptions) -> list[Observation]:
            keys = [_attribute(family, label) for label in family.labels]
            points = self._values()[family.name].points
            return [
                Observation(value, dict(zip(keys, _values(family, labels), strict=True)))
                for labels, value in points.items()
            ]

        return observe

    def _values(self) -> dict[str, Values]:
        """Of the state that was published last, once for all instruments."""
        state = self._state
        if self._found is None or self._found[0] is not state:
            values = values_of(state, self._chosen, names=self._names)
            self._found = state, {one.family.name: one for one in values}
        return self._found[1]


class _CountingExporter(OTLPMetricExporter):
    """Counts what did not arrive."""

    failures = 0

    def export(
        self,
        metrics_data: MetricsData,
        timeout_millis: float | None = 10_000,
        **kwargs: Any,  # noqa: ANN401 - as there
    ) -> MetricExportResult:
        try:
            result = super().export(metrics_data, timeout_millis, **kwargs)
        except Exception:  # noqa: BLE001 - the next push has the same values and newer ones
            result = MetricExportResult.FAILURE
        self.failures += result is not MetricExportResult.SUCCESS
        return result


def _instrument(
    meter: Meter, family: Family, observe: Callable[[CallbackOptions], Iterable[Observation]]
) -> None:
    name, unit = otel_name(family)
    if family.kind == "counter":
        meter.create_observable_counter(name, [observe], unit, family.help)
    else:
        meter.create_observable_gauge(name, [observe], unit, family.help)


def otel_name(family: Family) -> tuple[str, str]:
    """Name and unit of a metric as OpenTelemetry has them: no unit is in a name."""
    if family.name in _CPYTHON:
        return _CPYTHON[family.name]
    name = family.name.removeprefix(PREFIX).removesuffix("_total")
    for suffix, unit in _UNITS.items():
        if name.endswith(suffix):
            return f"heapgraph.{name.removesuffix(suffix)}", unit
    return f"heapgraph.{name}", "s" if name == "seconds_to_limit" else "1"


def _attribute(family: Family, label: str) -> str:
    if family.name in _CPYTHON and label == "generation":
        return _GENERATION
    return f"heapgraph.{label}"


def _values(family: Family, labels: tuple[str, ...]) -> list[str | int]:
    """Values of labels as attributes: a generation is a number there."""
    rows = zip(family.labels, labels, strict=True)
    return [int(value) if name == "generation" else value for name, value in rows]
