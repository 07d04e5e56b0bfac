"""A daemon whose lines nobody can read any more watches on, and tells."""

from __future__ import annotations

import errno
import os
import signal
import socket
import subprocess
import sys
import uuid
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING

from heapgraph.watch.daemon.recording import FileRecorder
from helpers.daemon_settings import webhook, write_private, write_settings
from helpers.processes import wait_until
from helpers.running_target import start_target
from helpers.service_story import receiver
from helpers.watched import census

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

    from helpers.service_story import Receiver

GONE = '\n[[rule]]\nname = "gone"\nevent = "exit"\ndo = ["page"]\n'


@contextmanager
def daemon_with(settings: Path, stdout: IO[bytes] | int, errors: Path) -> Iterator[None]:
    """A daemon that writes there and is ready, as it tells systemd; it ends well at the end."""
    place = settings.with_name("notify")
    command = [sys.executable, "-P", "-m", "heapgraph", "watch", "--config", str(settings)]
    with errors.open("wb") as stderr, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(place))
        systemd.settimeout(60)
        environment = {**os.environ, "NOTIFY_SOCKET": str(place)}
        process = subprocess.Popen(command, stdout=stdout, stderr=stderr, env=environment)
        try:
            assert systemd.recv(100) == b"READY=1"
        except BaseException:
            process.kill()
            process.wait()
            raise
    try:
        yield
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()


def settings_of(folder: Path, marker: str, url: str) -> Path:
    write_private(folder / "url", url)
    return write_settings(folder, marker, more=webhook("page") + GONE, above=2**40, warm_up="1h")


def told(received: Receiver) -> list[str]:
    return [one.document["data"]["rule"] for one in received.messages]


def test_an_alert_arrives_also_when_the_reader_of_the_lines_is_gone(tmp_path: Path):
    """Given a closed pipe, a rule that fires is told, and the other stream says why it is quiet."""
    marker = f"quiet-{uuid.uuid4().hex}"
    reads, writes = os.pipe()
    with receiver() as received, start_target("collector_counts.py", marker) as target:
        settings = settings_of(tmp_path, marker, received.url)
        with daemon_with(settings, writes, tmp_path / "errors"):
            os.close(writes)
            os.close(reads)
            target.process.kill()
            target.process.wait()
            wait_until(lambda: bool(told(received)), "the end was told", 60)
    assert told(received) == ["gone"]
    errors = (tmp_path / "errors").read_text()
    assert errors.count("stdout cannot be written to (Broken pipe)") == 1
    assert "ended by SIGTERM" in errors


def test_a_reader_that_stops_to_read_holds_nothing_up(tmp_path: Path):
    """Given a pipe that is full, the daemon starts, tells, and ends as it was told to."""
    marker = f"full-{uuid.uuid4().hex}"
    reads, writes = os.pipe()
    os.set_blocking(writes, False)
    with suppress(BlockingIOError):
        while True:
            os.write(writes, b"x" * 4096)
    with suppress(BlockingIOError):
        while True:
            os.write(writes, b"x")
    os.set_blocking(writes, True)
    with receiver() as received, start_target("collector_counts.py", marker) as target:
        settings = settings_of(tmp_path, marker, received.url)
        with daemon_with(settings, writes, tmp_path / "errors"):
            target.process.kill()
            target.process.wait()
            wait_until(lambda: bool(told(received)), "the end was told", 60)
    os.close(writes)
    os.close(reads)
    assert told(received) == ["gone"]
    assert "ended by SIGTERM" in (tmp_path / "errors").read_text()


def test_a_daemon_on_a_full_disk_watches_on(tmp_path: Path):
    """Given /dev/full for its lines, the daemon starts, tells, and ends as it was told to."""
    marker = f"full-{uuid.uuid4().hex}"
    with receiver() as received, start_target("collector_counts.py", marker) as target:
        settings = settings_of(tmp_path, marker, received.url)
        with Path("/dev/full").open("wb") as full, daemon_with(settings, full, tmp_path / "errors"):
            target.process.kill()
            target.process.wait()
            wait_until(lambda: bool(told(received)), "the end was told", 60)
    assert told(received) == ["gone"]
    assert (
        "stdout cannot be written to (No space left on device)" in (tmp_path / "errors").read_text()
    )


def test_a_record_that_cannot_be_written_ends_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Given a disk that becomes full, whole lines stay, and it is said once."""
    said: list[str] = []
    path = tmp_path / "samples.jsonl"
    recorder = FileRecorder(path, said.append)
    recorder.write_census(census(1.0))
    whole = path.read_bytes()

    def fail(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as full:
        full.setattr(os, "write", fail)
        recorder.write_census(census(2.0))
    recorder.write_census(census(3.0))
    assert path.read_bytes() == whole
    assert said == [f"{path} is not written on: No space left on device"]
