"""The metrics as text for Prometheus, in whichever of its formats the scraper asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.exposition import choose_encoder

from heapgraph.watch.metrics.chosen_names import ChosenNames
from heapgraph.watch.metrics.families import values_of
from heapgraph.watch.metrics.state import PAUSE_BOUNDS_S

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client.metrics_core import Metric

    from heapgraph.watch.metrics.families import Values
    from heapgraph.watch.metrics.state import MetricsState

MAX_ACCEPT = 1000
"""Characters of an Accept header that are looked at."""


class PrometheusText:
    """Makes the text; remembers which names have series. One for the whole daemon."""

    def __init__(self) -> None:
        """No name has a series yet."""
        self._chosen = ChosenNames()

    def render(self, state: MetricsState, *, names: bool, accept: str = "") -> tuple[bytes, str]:
        """The text of all metrics, and its content type.

        Args:
            state: what the daemon knows.
            names: with the metrics that name types and holders of the target's code.
            accept: header of the request: OpenMetrics where that is asked for, else the text format
                0.0.4.

        Cost: 10 us a series.
        """
        encode, content_type = choose_encoder(accept[:MAX_ACCEPT])
        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Collector(values_of(state, self._chosen, names=names)))
        return encode(registry), content_type


class _Collector:
    """Hands one state's values to the library, which knows the formats."""

    def __init__(self, values: list[Values]) -> None:
        self._values = values

    def describe(self) -> list[Metric]:
        """Nothing: names are not looked for twice in a registry of one."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Every metric that has a value."""
        for one in self._values:
            if one.pauses is not None or one.points:
                yield _metric(one)


def _metric(values: Values) -> Metric:
    family = values.family
    if values.pauses is not None:
        buckets, count = [], 0
        for bound, here in zip((*PAUSE_BOUNDS_S, "+Inf"), values.pauses.counts, strict=True):
            count += here
            buckets.append((str(bound), count))
        return HistogramMetricFamily(
            family.name, family.help, buckets=buckets, sum_value=values.pauses.total_s
        )
    kind = CounterMetricFamily if family.kind == "counter" else GaugeMetricFamily
    metric = kind(family.name, family.help, labels=family.labels)
    for labels, value in values.points.items():
        metric.add_metric(labels, value)
    return metric
