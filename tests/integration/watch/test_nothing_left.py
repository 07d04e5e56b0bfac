"""A daemon of processes that were named by their pids ends with the last of them."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from typing import TYPE_CHECKING

from heapgraph.watch.sampling.sampler import Sampler
from heapgraph.watch.settings.model import TargetSpec
from helpers.daemon_settings import webhook, write_private, write_settings
from helpers.processes import wait_until
from helpers.running_target import start_target
from helpers.service_story import receiver

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from helpers.running_target import RunningTarget

GONE = '\n[[rule]]\nname = "gone"\nevent = "exit"\ndo = ["page"]\n'
OVER = "nothing is left to watch: every process that was named has ended\n"


def start_daemon(*arguments: str, env: dict[str, str] | None = None) -> subprocess.Popen[str]:
    command = [sys.executable, "-P", "-m", "heapgraph", "watch", *arguments]
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | (env or {}),
    )


def watched_to_the_end(
    target: RunningTarget, *arguments: str, env: dict[str, str] | None = None
) -> tuple[str, str]:
    """What a daemon says on both streams whose target is killed when it is ready; it ends well."""
    process = start_daemon(*arguments, env=env)
    try:
        assert process.stdout is not None
        assert any(line.endswith(" ready\n") for line in process.stdout)
        target.process.kill()
        target.process.wait()
        said, errors = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0
    return said, errors


def test_it_ends_when_the_process_has_ended(tmp_path: Path) -> None:
    with start_target("collector_counts.py") as target:
        said, errors = watched_to_the_end(
            target, str(target.pid), env={"XDG_STATE_HOME": str(tmp_path)}
        )
    assert said.endswith(OVER)
    assert "ended by itself" in errors.splitlines()[-1]


def test_what_is_to_be_told_is_told_before_it_ends(tmp_path: Path) -> None:
    with receiver() as received, start_target("collector_counts.py") as target:
        write_private(tmp_path / "url", received.url)
        settings = write_settings(tmp_path, "", more=webhook("page") + GONE, above=2**40)
        text = settings.read_text().replace('match = ""', f"pid = {target.pid}")
        write_private(settings, text)
        said, _ = watched_to_the_end(target, "--config", str(settings))
    assert OVER in said
    assert [one.document["data"]["rule"] for one in received.messages] == ["gone"]


def test_whoever_gets_the_pid_next_is_not_watched(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given two targets, when a process with the pid of the one that ended comes, then the other
    goes on alone."""
    name = "heapgraph.watch.sampling.sampler.matching"
    with start_target("collector_counts.py") as named, start_target("collector_counts.py") as other:
        sampler = Sampler([TargetSpec("named", pid=named.pid), TargetSpec("other", pid=other.pid)])
        try:
            assert len(sampler.look(0.0).samples) == 2
            named.process.kill()
            named.process.wait()
            wait_until(lambda: len(sampler.look(1.0).samples) == 1, "its end was seen")
            assert not sampler.is_over
            with start_target("collector_counts.py") as next_one:
                monkeypatch.setattr(
                    name, lambda spec, _: [next_one.pid] if spec.name == "named" else []
                )
                assert [one.worker.target for one in sampler.look(2.0).samples] == ["other"]
        finally:
            sampler.close()


def test_it_is_over_also_where_the_process_was_watched_no_more() -> None:
    """Given one that becomes a program without Python and ends, then nothing is left."""
    with start_target("becomes_sleep.py") as target:
        sampler = Sampler([TargetSpec("named", pid=target.pid)])
        try:
            assert len(sampler.look(0.0).samples) == 1
            target.send("go")
            wait_until(lambda: bool(sampler.look(1.0).replaced), "it runs another program")
            assert not sampler.is_over
            assert sampler.look(2.0).samples == []
            target.process.kill()
            target.process.wait()
            sampler.look(3.0)
            assert sampler.is_over
        finally:
            sampler.close()


def test_what_cannot_be_looked_at_is_not_over(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_: int) -> int:
        raise OSError(errno.EMFILE, "Too many open files")

    with start_target("collector_counts.py") as target:
        sampler = Sampler([TargetSpec("named", pid=target.pid)])
        try:
            monkeypatch.setattr("heapgraph.watch.sampling.sampler._started", fails)
            sampler.look(0.0)
            assert not sampler.is_over
        finally:
            sampler.close()
