"""What waits on disk arrives: over retries, receivers that are down, a daemon that is killed."""

from __future__ import annotations

import asyncio
import json
import os
import re
import resource
import stat
import sys
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from itertools import count

import pytest

from heapgraph.errors import HeapgraphError
from heapgraph.watch.actions import outbox as outbox_module
from heapgraph.watch.actions.outbox import LONGEST_DELAY_S, Outbox
from heapgraph.watch.actions.spool import Spool
from heapgraph.watch.settings.model import ActionSpec
from helpers.alerts import alert, webhook
from helpers.receivers import receiver


class Sent:
    """Deliveries of an outbox, as they are reported."""

    def __init__(self) -> None:
        self.all = []
        self._changed = asyncio.Event()

    def __call__(self, delivery) -> None:
        self.all.append(delivery)
        self._changed.set()

    @property
    def outcomes(self) -> list[str]:
        return [one.outcome for one in self.all]

    async def until(self, outcome: str, times: int = 1) -> None:
        async with asyncio.timeout(20):
            while self.outcomes.count(outcome) < times:
                self._changed.clear()
                await self._changed.wait()


class Clock:
    """A steady clock that runs when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@asynccontextmanager
async def running(action, folder, *, clock=None, chance=lambda: 0.5):
    """An outbox that sends, with what it reports."""
    spool, sent = Spool(folder), Sent()
    given = {} if clock is None else {"clock": clock}
    box = Outbox([action] if action else [], spool, sent, chance=chance, **given)
    task = asyncio.ensure_future(box.run())
    try:
        yield box, sent, spool
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        spool.close()


def numbered(number: int, **changes):
    return alert(id=f"id-{number}", incident=f"incident-{number}", **changes)


def test_a_message_is_tried_again_with_the_same_id(tmp_path, monkeypatch):
    monkeypatch.setattr(outbox_module, "FIRST_DELAY_S", 0.01)
    monkeypatch.setattr(outbox_module, "DELAY_FACTOR", 1.0)

    async def deliver():
        async with receiver(500, 503, 200) as server:
            action = webhook(tmp_path, server.url)
            async with running(action, tmp_path / "spool") as (box, sent, spool):
                box.add(numbered(1), ["snapshot", "page"])  # the first is heapgraph's own
                assert len(spool.messages) == 1
                await sent.until("delivered")
                assert spool.messages == []
                return sent.all, server.requests

    deliveries, requests = asyncio.run(deliver())
    assert [one.outcome for one in deliveries] == ["retried", "retried", "delivered"]
    assert [one.attempt for one in deliveries] == [1, 2, 3]
    assert {one.headers["webhook-id"] for one in requests} == {"id-1"}
    assert len({one.body for one in requests}) == 1
    assert list((tmp_path / "spool").glob("*.json")) == []


def test_delays_grow_and_end(tmp_path):
    async def deliver():
        clock = Clock()
        async with receiver(500) as server:
            action = webhook(tmp_path, server.url, retries=5)
            async with running(action, tmp_path / "spool", clock=clock) as (box, sent, _):
                box.add(numbered(1), ["page"])
                delays = []
                for attempt in range(1, 6):
                    await sent.until("retried", attempt)
                    delays.append(box.next_due() - clock.now)
                    clock.now += delays[-1]
                    box.wake()
                await sent.until("given_up")
                return delays, len(server.requests)

    delays, tries = asyncio.run(deliver())
    assert delays == pytest.approx([5, 30, 180, 1080, 6480])
    assert delays[-1] < LONGEST_DELAY_S
    assert tries == 6


def test_a_receiver_that_asks_for_time_gets_it(tmp_path):
    async def deliver():
        clock = Clock()
        async with receiver(429, **{"retry-after": "600"}) as server:
            action = webhook(tmp_path, server.url)
            async with running(action, tmp_path / "spool", clock=clock) as (box, sent, _):
                box.add(numbered(1), ["page"])
                await sent.until("retried")
                return box.next_due() - clock.now

    assert asyncio.run(deliver()) == 600


def test_messages_of_one_incident_go_in_their_order(tmp_path, monkeypatch):
    monkeypatch.setattr(outbox_module, "FIRST_DELAY_S", 0.01)
    monkeypatch.setattr(outbox_module, "DELAY_FACTOR", 1.0)

    async def deliver():
        async with receiver(500, 500, 200) as server:
            action = webhook(tmp_path, server.url)
            async with running(action, tmp_path / "spool") as (box, sent, _):
                box.add(alert(id="first"), ["page"])
                box.add(alert(id="last", status="resolved"), ["page"])
                await sent.until("delivered", 2)
                return [one.headers["webhook-id"] for one in server.requests]

    assert asyncio.run(deliver()) == ["first", "first", "first", "last"]


def test_one_that_fails_does_not_hold_up_another_incident(tmp_path):
    async def deliver():
        async with receiver(500, 200) as server:
            action = webhook(tmp_path, server.url)
            async with running(action, tmp_path / "spool") as (box, sent, spool):
                box.add(numbered(1), ["page"])
                box.add(numbered(2), ["page"])
                await sent.until("delivered")
                return sent.all[-1].message_id, [one.id for one in spool.messages]

    assert asyncio.run(deliver()) == ("id-2", ["id-1"])


def test_after_410_nothing_is_sent_until_the_address_changes(tmp_path):
    async def deliver():
        async with receiver(410) as gone, receiver(200) as server:
            action = webhook(tmp_path, gone.url)
            async with running(action, tmp_path / "spool") as (box, sent, spool):
                box.add(numbered(1), ["page"])
                box.add(numbered(2), ["page"])
                await sent.until("stopped", 2)
                box.add(numbered(3), ["page"])
                assert spool.messages == []
                webhook(tmp_path, server.url)
                box.add(numbered(4), ["page"])
                await sent.until("delivered")
                return sent.outcomes, len(gone.requests), len(server.requests)

    outcomes, gone, received = asyncio.run(deliver())
    assert outcomes == ["stopped", "stopped", "stopped", "delivered"]
    assert (gone, received) == (1, 1)


KILLED = """
import asyncio, sys
from pathlib import Path
from heapgraph.watch.actions.outbox import Outbox
from heapgraph.watch.actions.spool import Spool
from helpers.alerts import alert, webhook

async def main(folder, url):
    def report(delivery):
        print(delivery.outcome, flush=True)

    box = Outbox([webhook(folder, url)], Spool(folder / "spool"), report)
    for number in range(3):
        box.add(alert(id=f"id-{number}", incident=str(number)), ["page"])
    print("added", flush=True)
    await box.run()

asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
"""


def test_a_killed_daemon_loses_no_message(tmp_path):
    async def deliver():
        async with receiver(500) as server:
            port = int(re.search(r":(\d+)/", server.url)[1])
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-c", KILLED, str(tmp_path), server.url),
                stdout=asyncio.subprocess.PIPE,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            )
            try:
                await server.until(1)
                assert await process.stdout.readline() == b"added\n"
            finally:
                process.kill()
                await process.communicate()
        files = list((tmp_path / "spool").glob("*.json"))
        assert len(files) == 3
        assert {stat.S_IMODE(one.stat().st_mode) for one in files} == {0o600}
        async with receiver(200, port=port) as server:
            action = webhook(tmp_path, server.url)
            async with running(action, tmp_path / "spool", chance=lambda: 0.0) as (_, sent, _spool):
                await sent.until("delivered", 3)
                return [one.headers["webhook-id"] for one in server.requests]

    assert sorted(asyncio.run(deliver())) == ["id-0", "id-1", "id-2"]


def test_a_folder_belongs_to_one_daemon_and_to_nobody_else(tmp_path):
    spool = Spool(tmp_path / "spool")
    assert stat.S_IMODE((tmp_path / "spool").stat().st_mode) == 0o700
    with pytest.raises(HeapgraphError, match="another daemon"):
        Spool(tmp_path / "spool")
    spool.close()
    Spool(tmp_path / "spool").close()
    (tmp_path / "spool").chmod(0o755)
    Spool(tmp_path / "spool").close()
    assert stat.S_IMODE((tmp_path / "spool").stat().st_mode) == 0o700
    (tmp_path / "link").symlink_to(tmp_path / "spool")
    with pytest.raises(HeapgraphError):
        Spool(tmp_path / "link")


def test_of_too_many_the_ones_that_are_over_go_first(tmp_path):
    spool = Spool(tmp_path / "spool", max_messages=4)
    gone = []
    spool.dropped = lambda message: gone.append(message.id)
    for number, status in enumerate(["firing", "resolved", "firing", "resolved"]):
        spool.add(numbered(number, status=status), "page", b"{}")
    for number in range(4, 8):
        spool.add(numbered(number), "page", b"{}")
    assert gone == ["id-1", "id-3", "id-0", "id-2"]
    assert len(list((tmp_path / "spool").glob("*.json"))) == 4
    spool.close()
    again = Spool(tmp_path / "spool")
    assert [one.id for one in again.messages] == ["id-4", "id-5", "id-6", "id-7"]
    again.close()


def test_bytes_have_a_limit_too(tmp_path):
    spool = Spool(tmp_path / "spool", max_bytes=1000)
    for number in range(10):
        spool.add(numbered(number), "page", b"x" * 300)
    assert spool.size == 900
    spool.close()


def test_damaged_files_are_set_aside_and_counted(tmp_path):
    spool = Spool(tmp_path / "spool")
    names = count(1)
    good = spool.add(numbered(1), "page", b"{}")
    text = next((tmp_path / "spool").glob("*.json")).read_text()
    bad = ["", "{", "[]", "null", text.replace('"v": 1', '"v": 2'), text[:-9], '{"v": 1}']
    bad += [
        text.replace('"attempts": 0', f'"attempts": {one}') for one in ("Infinity", "-1", "1e9")
    ]
    for content in bad:
        (tmp_path / "spool" / f"{100 + next(names):012d}.json").write_text(content)
    (tmp_path / "spool" / f"{200:012d}.json").symlink_to("/etc/passwd")
    (tmp_path / "spool" / ".000000000009.json.half").write_text("{")
    (tmp_path / "spool" / ".x").mkdir()
    spool.close()
    again = Spool(tmp_path / "spool")
    assert [one.id for one in again.messages] == [good.id]
    assert again.damaged == len(bad) + 1
    names = sorted(one.name for one in (tmp_path / "spool").iterdir())
    aside = [one for one in names if one.endswith(".json.unusable")]
    assert len(aside) == len(bad) + 1
    assert set(names) - set(aside) == {".lock", ".x", f"{1:012d}.json"}
    again.close()
    third = Spool(tmp_path / "spool")
    assert third.damaged == 0
    third.close()


def test_messages_of_an_action_that_is_gone_are_dropped(tmp_path):
    spool = Spool(tmp_path / "spool")
    spool.add(numbered(1), "page", b"{}")
    sent = Sent()

    async def begin():
        Outbox([], spool, sent)

    asyncio.run(begin())
    assert sent.outcomes == ["dropped"]
    assert spool.messages == []
    spool.close()


@contextmanager
def no_file_may_grow():
    """As on a full disk, for this process and as long as this lasts."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_where_nothing_can_be_written_a_message_is_sent_all_the_same(tmp_path):
    async def deliver():
        async with receiver() as server:
            action = webhook(tmp_path, server.url)
            async with running(action, tmp_path / "spool") as (box, sent, spool):
                with no_file_may_grow():
                    box.add(numbered(1), ["page"])
                assert len(spool.messages) == 1
                await sent.until("delivered")
                assert spool.messages == []
                return sent.outcomes

    assert asyncio.run(deliver()) == ["unsaved", "delivered"]


def test_a_program_that_cannot_be_started_is_said(tmp_path, monkeypatch):
    """Given no thread to wait in, the delivery has an end all the same."""

    async def fail(*_):
        raise RuntimeError("can't start new thread")

    async def deliver():
        action = ActionSpec("tell", "command", argv=("/bin/true",), user="root", timeout_s=20)
        async with running(action, tmp_path / "spool") as (box, sent, _spool):
            monkeypatch.setattr(asyncio, "to_thread", fail)
            box.add(alert(), ["tell"])
            await sent.until("given_up")
            return sent.all[0].detail

    assert "RuntimeError: can't start new thread" in asyncio.run(deliver())


def test_a_command_is_run_once_with_the_alert(tmp_path):
    script = tmp_path / "tell.sh"
    script.write_text('#!/bin/sh\ncat > "$1"\n')
    script.chmod(0o700)
    action = ActionSpec(
        "tell", "command", argv=(str(script), str(tmp_path / "got")), user="root", timeout_s=20
    )
    if os.geteuid() != 0:
        action = replace(action, user="")

    async def deliver():
        async with running(action, tmp_path / "spool") as (box, sent, spool):
            box.add(alert(), ["tell"])
            assert spool.messages == []
            await sent.until("delivered")

    asyncio.run(deliver())
    got = json.loads((tmp_path / "got").read_text())
    assert got["data"]["suspect"]["holder"] == "app.UNFINISHED"
