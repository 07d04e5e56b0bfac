"""The daemon with all that belongs to it: outbox, endpoint, metrics, signals; from start to end."""

from __future__ import annotations

import asyncio
import resource
import signal
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from heapgraph.errors import HeapgraphError
from heapgraph.private_folder import FolderRefused
from heapgraph.units import format_count
from heapgraph.watch.actions.outbox import Outbox
from heapgraph.watch.actions.spool import Spool
from heapgraph.watch.daemon.daemon import Daemon
from heapgraph.watch.daemon.deliveries import Deliveries
from heapgraph.watch.daemon.parts import make_parts
from heapgraph.watch.daemon.serving.exporting import export_metrics
from heapgraph.watch.daemon.serving.operations import Operations
from heapgraph.watch.daemon.serving.own_metrics import OwnMetrics
from heapgraph.watch.daemon.serving.served import ServedDaemon
from heapgraph.watch.needed_files import problems_of_webhooks
from heapgraph.watch.seldom import Seldom

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from heapgraph.watch.daemon.parts import Parts, Recorder
    from heapgraph.watch.http.endpoint import Endpoint
    from heapgraph.watch.settings.model import WatchSettings

LAST_TRIES_S = 30.0
"""How long messages are sent when a daemon ends because nothing is left to watch."""

_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


async def serve(
    settings: WatchSettings,
    *,
    say: Callable[[str], None],
    dry_run: bool = False,
    recorder: Recorder | None = None,
    ready: Callable[[], None] = lambda: None,
) -> str:
    """Watch until SIGTERM, SIGINT or SIGHUP, or until nothing is left to watch.

    Args:
        settings: checked ones.
        say: told what happens, one line each.
        dry_run: look and judge only; nothing is written, told, counted or served.
        recorder: writes looks down.
        ready: called when the first look is done and the endpoint listens.

    Returns:
        By which signal it was ended, and what waits for the next daemon, in one line.

    Raises:
        HeapgraphError: a folder is in use or cannot be used, or the address cannot be listened at.
    """
    _allow_descriptors()
    clock = time.monotonic
    deliveries = Deliveries(settings.actions, say)
    parts = make_parts(
        settings, outbox=deliveries, say=say, clock=clock, dry_run=dry_run, recorder=recorder
    )
    deliveries.audit = parts.audit
    for problem in parts.problems:
        say(problem)
    daemon = Daemon(settings, parts, say=say, clock=clock)
    loop, ended_by = asyncio.get_running_loop(), [""]
    loop.set_exception_handler(Seldom(say, clock).of_loop)

    def stop(number: signal.Signals) -> None:
        ended_by[0] = number.name
        daemon.stop()

    for number in _SIGNALS:
        loop.add_signal_handler(number, stop, number)
    endpoint, spool, tasks = None, None, []
    metrics = OwnMetrics(settings, parts, deliveries, clock)
    operations = Operations(parts.jobs, parts.watcher, metrics.count_snapshot)
    try:
        if parts.folder is not None:
            spool, outbox = _open_outbox(settings, parts.folder, deliveries, clock, say)
            deliveries.outbox = outbox
            _say_what_cannot_send(settings, say)
            tasks.append(asyncio.ensure_future(outbox.run()))
            exporting = export_metrics(
                metrics.state,
                interval_s=settings.interval_s,
                names="names" in settings.http.expose,
                say=say,
            )
            tasks.append(asyncio.ensure_future(exporting))
            served = ServedDaemon(settings, parts, operations, metrics.text, clock)
            endpoint = await _listen(settings, served, parts, parts.folder, say)
        await daemon.run(ready)
        if not ended_by[0] and deliveries.outbox is not None:
            await deliveries.outbox.settle(LAST_TRIES_S)
    finally:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)
        await operations.close()
        if endpoint is not None:
            await endpoint.stop()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        waiting = 0 if spool is None else len(spool.messages)
        if spool is not None:
            spool.close()
        parts.close()
    return _last_line(ended_by[0], waiting, parts)


def _open_outbox(
    settings: WatchSettings,
    folder: Path,
    deliveries: Deliveries,
    clock: Callable[[], float],
    say: Callable[[str], None],
) -> tuple[Spool, Outbox]:
    """Take over the messages that wait; nothing is sent yet."""
    spool = Spool(folder / "spool")
    if spool.damaged:
        say(f"{spool.damaged} messages that waited were damaged; their files are kept aside")
    return spool, Outbox(settings.actions, spool, deliveries.report, clock=clock)


def _say_what_cannot_send(settings: WatchSettings, say: Callable[[str], None]) -> None:
    for problem in problems_of_webhooks(settings.actions):
        text = "; ".join(problem.parts())
        say(f"a webhook cannot send anything until its file is mended: {text}")


def _last_line(ended_by: str, waiting: int, parts: Parts) -> str:
    text = f"ended by {ended_by or 'itself'}"
    if parts.folder is not None:
        text += f"; the next one goes on from {parts.folder}"
    if waiting == 1:
        return f"{text}, where 1 message waits"
    return text + (f", where {format_count(waiting)} messages wait" if waiting else "")


def _allow_descriptors() -> None:
    """Have room for two descriptors of each of thousands of processes, as far as that may be."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


async def _listen(
    settings: WatchSettings,
    served: ServedDaemon,
    parts: Parts,
    folder: Path,
    say: Callable[[str], None],
) -> Endpoint | None:
    if not settings.http.listen:
        return None
    from heapgraph.watch.http.endpoint import Endpoint  # noqa: PLC0415 - loads the server

    endpoint = Endpoint(settings.http, served, parts.audit, folder / "answers")
    try:
        where = await endpoint.start()
    except FolderRefused as error:
        raise HeapgraphError(
            f"{folder / 'answers'} cannot be used", str(error), "remove it, or name another store"
        ) from error
    except OSError as error:
        raise HeapgraphError(
            f"cannot listen at {settings.http.listen}",
            str(error.strerror or error),
            "listen = ... in [http]",
        ) from error
    say(f"listening at {where}")
    return endpoint
