"""The census server: forked for each census, replaced when it ends, gone when none is wanted."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import signal
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from heapgraph.errors import TargetError
from heapgraph.watch.census.client import CensusServer
from heapgraph.watch.census.runner import run_census
from heapgraph.watch.model import ProcessKey, WorkerName
from heapgraph.watch.sampling.process_handle import ProcessHandle
from helpers.processes import children_of, state_of, wait_until
from helpers.running_target import start_target

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from heapgraph.watch.model import Census

NAME = WorkerName("web", 0)
STANDARD = ("input", "output", "errors")

WITHOUT_ARROW = """
import sys
sys.modules["pyarrow"] = None
from heapgraph.watch.census.child import take_census
raise SystemExit(take_census(sys.argv[1:]))
"""


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def key(stack: ExitStack) -> ProcessKey:
    target = stack.enter_context(start_target("watched_sessions.py", "secret"))
    with ProcessHandle(target.pid) as handle:
        return handle.key


def opened(pid: int) -> list[str]:
    """What the descriptors of a process lead to."""
    return [str(each.readlink()) for each in Path(f"/proc/{pid}/fd").iterdir()]


def descriptors() -> int:
    """How many are open here."""
    return len([*Path("/proc/self/fd").iterdir()])


async def until(condition: Callable[[], bool]) -> None:
    """Let the loop go on until something is so."""
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - the system tells nobody
            await asyncio.sleep(0)


async def census(server: CensusServer, key: ProcessKey, **options: object) -> Census:
    return await run_census(NAME, key, **{"max_pause_ms": 1000.0, "server": server, **options})


def test_one_server_is_forked_for_each_census(key: ProcessKey):
    """Given two censuses at once and one more, one process serves all; nothing of them stays."""

    async def take() -> None:
        own: set[int] = set()
        server = CensusServer(own)
        first, second = await asyncio.gather(census(server, key), census(server, key))
        pid = server.pid
        assert pid is not None
        assert own == {pid}
        before = server.processor_time()
        third = await census(server, key)
        assert server.pid == pid
        assert server.processor_time() > before
        assert {each.holders[0].expression for each in (first, second, third)} == {
            "__main__.SESSIONS"
        }
        folder = Path(f"/proc/{pid}")
        assert "Threads:\t1\n" in (folder / "status").read_text()
        wait_until(lambda: len(opened(pid)) == 1 + len(STANDARD), "nothing of a census is open")
        assert sum(name.startswith("socket:") for name in opened(pid)) == 1
        assert not children_of(pid)
        server.close()
        assert not own
        assert server.processor_time() == 0.0

    asyncio.run(take())
    assert children_of(os.getpid()) == [key.pid]  # the target


def test_a_server_that_is_killed_is_replaced(key: ProcessKey):
    """Given SIGKILL of the server between two censuses, or within one, a census is taken."""

    async def take() -> None:
        server = CensusServer(set())
        await census(server, key)
        first = server.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        assert (await census(server, key)).quality == "good"
        second = server.pid
        assert second not in (None, first)
        running = asyncio.ensure_future(census(server, key))
        await until(lambda: bool(children_of(second)))
        os.kill(second, signal.SIGKILL)
        assert (await running).holders[0].expression == "__main__.SESSIONS"
        server.close()

    asyncio.run(take())
    assert children_of(os.getpid()) == [key.pid]  # the target


def test_where_there_is_no_server_a_program_takes_the_census(
    key: ProcessKey, monkeypatch: pytest.MonkeyPatch
):
    """Given a server that ends at once, each time, the census is taken all the same."""
    monkeypatch.setattr("heapgraph.watch.census.client._MODULE", "heapgraph.no_such_module")

    async def take() -> None:
        server = CensusServer(set())
        assert (await census(server, key)).quality == "good"
        server.close()

    asyncio.run(take())


def test_a_census_that_takes_too_long_is_ended_with_its_child(key: ProcessKey):
    """Given no time, the child of the server is gone, and the server takes the next one."""

    async def take() -> None:
        own: set[int] = set()
        server = CensusServer(own)
        await census(server, key)
        pid = server.pid
        with pytest.raises(TargetError) as caught:
            await census(server, key, longest_s=0.05)
        assert "longer than" in caught.value.cause
        assert own == {pid}
        assert (await census(server, key)).quality == "good"
        assert server.pid == pid
        server.close()

    asyncio.run(take())


def test_a_server_that_nobody_wants_ends(key: ProcessKey):
    async def take() -> None:
        server = CensusServer(set(), idle_s=0.01)
        await census(server, key)
        pid = server.pid
        assert pid is not None
        await until(lambda: server.pid is None)
        assert state_of(pid) == ""
        assert (await census(server, key)).quality == "good"
        server.close()

    asyncio.run(take())


def test_server_and_census_end_with_a_daemon_that_is_killed(key: ProcessKey):
    """Given SIGKILL of whoever had it started, neither goes on."""
    daemon = (
        "import asyncio, sys\n"
        "from heapgraph.watch.census.client import CensusServer\n"
        "async def take():\n"
        "    server = CensusServer(set())\n"
        "    await server.run(sys.argv[1:], longest_s=60.0)\n"
        "    print(server.pid, flush=True)\n"
        "    while True:\n"
        "        await server.run(sys.argv[1:], longest_s=60.0)\n"
        "asyncio.run(take())\n"
    )
    command = [sys.executable, "-c", daemon, str(key.pid), str(key.started)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            server = int(process.stdout.readline())
            wait_until(lambda: bool(children_of(server)), "a census has begun")
            taking = children_of(server)
        finally:
            process.kill()
    for pid in (server, *taking):
        wait_until(lambda pid=pid: state_of(pid) in ("", "Z"), "it has ended")


def test_a_census_needs_no_arrow(key: ProcessKey, tmp_path: Path):
    """Given a Python without pyarrow, a census with its profile is whole: it is not even loaded."""
    with (tmp_path / "profile.pb.gz").open("wb") as profile:
        arguments = [str(key.pid), str(key.started), "--profile", str(profile.fileno())]
        done = subprocess.run(
            [sys.executable, "-c", WITHOUT_ARROW, *arguments],
            pass_fds=[profile.fileno()],
            capture_output=True,
            check=False,
        )
    assert (done.returncode, done.stderr) == (0, b"")
    document = json.loads(done.stdout)
    assert document["profiled"] is True
    assert document["holders"][0]["expression"] == "__main__.SESSIONS"


def test_a_census_that_nobody_waits_for_is_ended(key: ProcessKey):
    """Given a wait that is cancelled at any moment, no child of the server goes on."""

    async def take() -> None:
        server = CensusServer(set())
        await census(server, key)
        pid = server.pid
        assert pid is not None
        for turns in (0, 1, 2, 5, 50):
            running = asyncio.ensure_future(census(server, key))
            for _ in range(turns):
                await asyncio.sleep(0)
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running
            wait_until(lambda: not children_of(pid), "its child has ended")
        assert (await census(server, key)).quality == "good"
        assert server.pid == pid
        server.close()

    asyncio.run(take())


def test_where_descriptors_are_short_none_is_left_open(
    key: ProcessKey, monkeypatch: pytest.MonkeyPatch
):
    """Given no pipe for a fork, a program takes the census, and nothing stays open."""

    async def take() -> None:
        server = CensusServer(set())
        await census(server, key)
        before = descriptors()
        with monkeypatch.context() as short:
            short.setattr(os, "pipe2", no_pipe)
            short.setattr(CensusServer, "close", lambda _: pytest.fail("it has not ended"))
            assert (await census(server, key)).quality == "good"
        assert descriptors() == before
        server.close()

    def no_pipe(_flags: int) -> tuple[int, int]:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    asyncio.run(take())
