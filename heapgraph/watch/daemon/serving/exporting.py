"""The metrics for OpenTelemetry, where the daemon's environment says where they go."""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from heapgraph.watch.metrics.state import MetricsState

VARIABLES = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT")
"""One of them set: OpenTelemetry's own words for where to."""


async def export_metrics(
    read: Callable[[], MetricsState],
    *,
    interval_s: float,
    names: bool,
    say: Callable[[str], None],
) -> None:
    """Publish what is known, look after look, until this is cancelled; then once more.

    Args:
        read: what is known now; called in the thread of the event loop.
        interval_s: between two looks.
        names: with names of types and holders.
        say: told when it cannot be done, and when it begins to fail.
    """
    if not any(os.environ.get(name) for name in VARIABLES):
        return
    try:
        from heapgraph.watch.metrics.otel import OtelExport  # noqa: PLC0415 - an extra
    except ImportError:
        say("no metrics go to OpenTelemetry: pip install 'heapgraph[watch-otel]'")
        return
    export, told = OtelExport(names=names), 0
    try:
        while True:
            export.publish(read())
            if export.failures > told:
                say(f"{export.failures - told} exports to OpenTelemetry have failed")
                told = export.failures
            with suppress(TimeoutError):
                async with asyncio.timeout(interval_s):
                    await asyncio.Event().wait()
    finally:
        export.publish(read())
        await asyncio.to_thread(export.stop)
