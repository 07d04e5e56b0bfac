"""A real daemon whose snapshot takes long: the page is there before it, and tells of it later."""

from __future__ import annotations

import os
import signal
import uuid
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from heapgraph.watch.drill.processes import command_line, descendants_of
from helpers.daemon_settings import webhook, write_private, write_settings
from helpers.processes import wait_until
from helpers.running_target import start_target
from helpers.service_story import receiver
from helpers.watching import running_daemon

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from helpers.service_story import Receiver


def dump_of(daemon: int) -> int:
    """The child of a daemon that takes a snapshot; 0 while there is none."""
    for pid in descendants_of(daemon):
        if "dump" in command_line(pid):
            return pid
    return 0


@contextmanager
def stopped_dump(daemon: int) -> Iterator[None]:
    """Its first dump stands still meanwhile."""
    found: list[int] = []

    def is_stopped() -> bool:
        pid = dump_of(daemon)
        if pid:
            os.kill(pid, signal.SIGSTOP)
            found.append(pid)
        return bool(pid)

    wait_until(is_stopped, "the dump has begun", 60)
    try:
        yield
    finally:
        with suppress(ProcessLookupError):  # it ends with its daemon
            os.kill(found[0], signal.SIGCONT)


def named(received: Receiver) -> list[dict[str, Any]]:
    """What was told of a cause; a census that was slow, too, may have come after the page."""
    every = (one.document["data"] for one in received.messages)
    return [one for one in every if one["suspect"] and one["status"] == "firing"]


def others(first: dict[str, Any], received: Receiver) -> list[dict[str, Any]]:
    """Further messages; a daemon that is killed sends one again that has arrived, with its id."""
    return [one for one in named(received) if one["id"] != first["id"]]


def settings_of(folder: Path, marker: str, url: str) -> Path:
    write_private(folder / "url", url)
    return write_settings(
        folder,
        marker,
        more=webhook("page"),
        more_watch='tell_within = "2s"',
        do=("snapshot", "report", "page"),
    )


def test_the_holder_is_told_while_the_snapshot_is_still_being_taken(tmp_path: Path):
    """Given a dump that does not go on, the page comes without it; then with it; then the end."""
    marker = f"page-first-{uuid.uuid4().hex}"
    with receiver() as received, start_target("watched_sessions.py", marker):
        settings = settings_of(tmp_path, marker, received.url)
        with running_daemon(settings) as daemon:
            with stopped_dump(daemon.process.pid):
                wait_until(lambda: bool(named(received)), "the page came", 60)
                [first] = named(received)
                assert first["snapshot"] == {"id": "", "state": "still being taken", "refused": ""}
                assert first["suspect"]["holder"] == "__main__.SESSIONS"
                assert "(snapshot: still being taken)" in daemon.wait_for("SESSIONS")
            wait_until(lambda: len(named(received)) > 1, "the snapshot is told", 60)
            second = named(received)[1]
            assert daemon.end() == 0
    assert second["snapshot"]["state"] == "taken"
    assert (tmp_path / "store" / f"{second['snapshot']['id']}.heapgraph").exists()
    assert second["incident"] == first["incident"]
    assert second["awaited"] == []


def test_a_daemon_that_is_killed_after_the_page_leaves_no_promise(tmp_path: Path):
    """Given SIGKILL while the snapshot is still being taken, the next says that there is none."""
    marker = f"page-first-{uuid.uuid4().hex}"
    with receiver() as received, start_target("watched_sessions.py", marker):
        settings = settings_of(tmp_path, marker, received.url)
        with running_daemon(settings) as daemon, stopped_dump(daemon.process.pid):
            wait_until(lambda: bool(named(received)), "the page came", 60)
            daemon.process.kill()
            daemon.process.wait()
        with running_daemon(settings) as daemon:
            first = named(received)[0]
            wait_until(lambda: others(first, received), "what became of it is told", 60)
            assert daemon.end() == 0
    second = others(first, received)[0]
    assert second["snapshot"]["state"] == "refused"
    assert "the daemon ended before it was whole" in second["snapshot"]["refused"]
    assert second["incident"] == first["incident"]
