"""A receiver of OpenTelemetry's metrics over HTTP."""

from __future__ import annotations

import gzip
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest


@contextmanager
def collector(
    monkeypatch: pytest.MonkeyPatch, status: int = 200
) -> Iterator[list[ExportMetricsServiceRequest]]:
    """A receiver; what it got, decoded."""
    requests: list[ExportMetricsServiceRequest] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            requests.append(ExportMetricsServiceRequest.FromString(body))
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as there
            """Nothing is printed."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}"
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
        try:
            yield requests
        finally:
            server.shutdown()


def metrics_of(request: ExportMetricsServiceRequest) -> dict[str, tuple[str, str, dict[Any, Any]]]:
    """Kind, unit and points by name."""
    found = {}
    for metric in request.resource_metrics[0].scope_metrics[0].metrics:
        kind = metric.WhichOneof("data")
        points = {}
        for point in getattr(metric, kind).data_points:
            key = tuple(
                sorted(
                    (one.key, getattr(one.value, one.value.WhichOneof("value")))
                    for one in point.attributes
                )
            )
            points[key] = getattr(point, point.WhichOneof("value"))
        found[metric.name] = kind, metric.unit, points
    return found
