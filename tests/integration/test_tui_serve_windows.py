"""What a window of a served browser imports, and how much of time and memory it may use."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from helpers.app_heap import app_heap
from helpers.packages import needs_packages
from helpers.ports import free_port
from helpers.served import open_window, served

pytestmark = needs_packages(("textual_serve",))

SHOWN = "leak suspects"
"""What the first page of a window says."""

PLANTED = "import os, pathlib\npathlib.Path({mark!r}).touch()\nraise ImportError('planted')\n"


def plant(folder, mark):
    """Modules that nobody but a window would import, and the package itself for `-m`."""
    folder.mkdir(exist_ok=True)
    for name in ("textual",):
        (folder / f"{name}.py").write_text(PLANTED.format(mark=str(mark)))


@pytest.mark.parametrize("way", ["current folder", "PYTHONPATH", "PYTHONSTARTUP", "user packages"])
def test_a_window_imports_nothing_from_elsewhere(tmp_path, way):
    mark, planted = tmp_path / "imported", tmp_path / "planted"
    environment = dict(os.environ)
    words = [str(Path(sys.executable).with_name("heapgraph"))]
    if way == "current folder":
        plant(tmp_path, mark)
        (tmp_path / "heapgraph.py").write_text(PLANTED.format(mark=str(mark)))
    elif way == "PYTHONPATH":
        plant(planted, mark)
        environment["PYTHONPATH"] = str(planted)
    elif way == "PYTHONSTARTUP":
        planted.write_text(PLANTED.format(mark=str(mark)))
        environment.update(PYTHONSTARTUP=str(planted), PYTHONINSPECT="1")
    else:
        version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
        packages = tmp_path / "base/lib" / version / "site-packages"
        packages.mkdir(parents=True)
        plant(packages, mark)
        environment["PYTHONUSERBASE"] = str(tmp_path / "base")

    async def look(one):
        async with open_window(one.address) as page:
            await page.until(SHOWN)

    with served(tmp_path, words, environment) as one:
        asyncio.run(look(one))
    assert not mark.exists()


@pytest.fixture
def own_server(tmp_path, monkeypatch):
    """Runs a function beside a server in this process, with limits that a test can wait for."""
    from heapgraph.tui.serving import serve_limits  # noqa: PLC0415 - needs an extra
    from heapgraph.tui.serving.serve import BrowserServer  # noqa: PLC0415
    from heapgraph.tui.serving.window import Limits  # noqa: PLC0415

    def run(attack, idle_s=60.0, **limits):
        for name, value in limits.items():
            monkeypatch.setattr(serve_limits, name, value)
        snapshot = app_heap().write(tmp_path / "app.heapgraph")

        async def beside():
            one = BrowserServer(str(snapshot), free_port(), Limits(idle_s=idle_s))
            listens = asyncio.get_running_loop().create_future()
            serving = asyncio.create_task(one.serve(listens.set_result))
            try:
                await attack(await listens, one)
            finally:
                os.kill(os.getpid(), signal.SIGTERM)
                await serving

        asyncio.run(beside())

    return run


def test_a_window_in_which_nobody_presses_a_key(own_server):
    async def attack(address, _):
        async with open_window(address) as page:
            await page.send("ping", "1")
            await page.until_closed()
            assert "no key was pressed" in page.text

    own_server(attack, idle_s=3.0)


def test_a_page_that_reads_nothing(own_server):
    async def attack(address, server):
        async with open_window(address) as page:
            await page.until(SHOWN)
            page.socket._response.connection.transport.pause_reading()
            while server._windows:  # noqa: ASYNC110 - it has no event for a test
                await asyncio.sleep(0.05)

    own_server(attack, HEARTBEAT_S=1.0)


def test_a_connection_that_asks_for_nothing(own_server):
    async def attack(address, _):
        port = int(address.split(":")[2].split("/")[0])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HT")
        async with asyncio.timeout(20):
            with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
                await reader.readexactly(1)
        writer.close()

    own_server(attack, REQUEST_LIMIT_S=0.5)


def test_a_window_that_needs_more_memory_than_it_may(own_server):
    """The program says so, or ends; the machine keeps its memory."""

    async def attack(address, server):
        server._limits = server._limits._replace(memory=48 << 20)
        async with open_window(address) as page:
            await page.until_closed()
            assert "emory" in page.text  # perhaps the words of a library

    own_server(attack)
