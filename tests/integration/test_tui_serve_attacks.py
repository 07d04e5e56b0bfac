"""Attacks on a served browser: by who has no token, and by who has it and wants more."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
from contextlib import AsyncExitStack, ExitStack, suppress
from pathlib import Path

import pytest

from helpers.packages import needs_packages
from helpers.processes import resident_bytes, state_of, wait_until
from helpers.served import Page, open_window, served

pytestmark = needs_packages(("textual_serve",))

SHOWN = "leak suspects"
"""What the first page of a window says."""

MAX_WINDOWS = 4
MAX_WINDOW_BYTES = 400 << 20
MAX_SERVER_BYTES = 150 << 20


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A server that all of these attack; each test asks whether it still serves."""
    with served(tmp_path_factory.mktemp("served")) as one:
        yield one


@pytest.fixture(autouse=True)
def it_still_serves(request):
    """After every attack its user has the page, and nothing is left of the attack."""
    yield
    if "server" not in request.fixturenames:
        return
    one = request.getfixturevalue("server")
    wait_until(lambda: not one.windows(), "no program is left over")
    assert status_of(one, f"/{one.token}/") == 200
    assert resident_bytes(one.process.pid) < MAX_SERVER_BYTES


def status_of(server, path, **headers):
    """The status of an answer."""
    sent = {"Host": f"127.0.0.1:{server.port}", "Connection": "close", **headers}
    lines = "".join(f"{name}: {text}\r\n" for name, text in sent.items())
    answer = server.raw(f"GET {path} HTTP/1.1\r\n{lines}\r\n".encode("latin-1"))
    assert b"root:" not in answer
    return int(answer.split()[1])


UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}
PATHS = ("", "ws", "static/js/textual.js", "download/key", "nothing")
"""All that could be asked for behind the token."""


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("headers", [{}, UPGRADE], ids=["plain", "websocket"])
class TestWithoutTheToken:
    def test_none(self, server, path, headers):
        assert status_of(server, f"/{path}", **headers) == 403

    def test_another(self, server, path, headers):
        assert status_of(server, f"/{'A' * len(server.token)}/{path}", **headers) == 403

    def test_a_beginning_of_it(self, server, path, headers):
        assert status_of(server, f"/{server.token[:-1]}/{path}", **headers) == 403

    def test_in_the_wrong_place(self, server, path, headers):
        token = server.token
        sent = {**headers, "Cookie": f"token={token}", "Authorization": f"Bearer {token}"}
        for where in (f"/{path}?token={token}", f"/x/{token}/{path}", f"//{token}/{path}"):
            assert status_of(server, where, **sent) == 403

    @pytest.mark.parametrize("origin", ["https://elsewhere.example", "null", "http://127.0.0.1:1"])
    def test_from_another_page_even_with_the_token(self, server, path, headers, origin):
        sent = {**headers, "Origin": origin}
        assert status_of(server, f"/{server.token}/{path}", **sent) == 403

    @pytest.mark.parametrize("host", ["elsewhere.example", "127.0.0.1", "127.0.0.1.x:{port}"])
    def test_by_another_name_even_with_the_token(self, server, path, headers, host):
        sent = {**headers, "Host": host.format(port=server.port)}
        assert status_of(server, f"/{server.token}/{path}", **sent) == 403


@pytest.mark.parametrize("name", ["static", "ws/static", "static/js"])
@pytest.mark.parametrize("up", ["../", "%2e%2e/", "..%2f", "%252e%252e%252f", "..\\", "/", "%00"])
def test_no_file_but_those_of_the_page(server, name, up):
    path = f"/{server.token}/{name}/{up * 12}etc/passwd"
    assert status_of(server, path) in (400, 403, 404)


@pytest.mark.parametrize("key", ["key", "../../etc/passwd", "%2e%2e%2f", "a" * 32])
def test_no_file_is_delivered_whatever_the_key(server, key):
    assert status_of(server, f"/{server.token}/download/{key}") in (403, 404)


def test_no_listing_of_a_folder(server):
    for name in ("static", "static/", "static/js", "static/js/"):
        assert status_of(server, f"/{server.token}/{name}") == 404


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GET / HTTP/1.0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n" + b"A" * 70_000,
        b"GET /" + b"A" * 100_000 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 20_000 + b"\r\n",
        b"\x16\x03\x01\x02\x00" * 100 + b"\r\n\r\n",
    ],
    ids=["no-host", "endless-body", "long-line", "many-headers", "tls"],
)
def test_requests_that_no_web_browser_sends(server, request_bytes):
    try:
        answer = server.raw(request_bytes)
    except ConnectionError:
        return
    assert answer[9:10] in (b"4", b"")


async def told_size(page: Page) -> None:
    """Wait until the program has drawn a frame after what was sent before."""
    await page.type("?")
    await page.until("keys")


RESIZES = {
    "at the start": ("width=20000&height=20000", None),
    "later": ("", '["resize", {"width": 20000, "height": 20000}]'),
    "later, larger": ("", '["resize", {"width": 1208925819614629174706176, "height": 99999}]'),
    "below nothing": ("width=-5&height=0", '["resize", {"width": -1, "height": 0}]'),
    "as a terminal reports it": ("", json.dumps(["stdin", "\x1b[48;20000;20000;0;0t"])),
}


@pytest.mark.parametrize("way", RESIZES)
def test_a_terminal_of_a_size_that_nobody_has(server, way):
    query, message = RESIZES[way]

    async def attack():
        async with open_window(server.address, query or "width=120&height=40") as page:
            await page.until("" if "below" in way else SHOWN)
            if message is not None:
                await page.socket.send_str(message)
            if "below" in way:
                await page.socket.receive(timeout=30)
            else:
                await told_size(page)
            (window,) = server.windows()
            assert resident_bytes(window) < MAX_WINDOW_BYTES

    asyncio.run(attack())


def test_fifty_windows_at_once(server):
    async def attack():
        async with AsyncExitStack() as stack:
            pages = await asyncio.gather(
                *(stack.enter_async_context(open_window(server.address)) for _ in range(50))
            )
            assert len(server.windows()) <= MAX_WINDOWS
            closed = [asyncio.create_task(page.until_closed()) for page in pages]
            for _, first in zip(
                range(50 - MAX_WINDOWS), asyncio.as_completed(closed), strict=False
            ):
                await first
            assert sum("4 windows" in page.text for page in pages) == 50 - MAX_WINDOWS
            for task in closed:
                task.cancel()

    asyncio.run(attack())
    wait_until(lambda: not server.windows(), "the programs end with their pages")


def test_more_connections_than_a_page_needs(server):
    with ExitStack() as stack:
        for _ in range(300):
            one = stack.enter_context(socket.create_connection(("127.0.0.1", server.port), 10))
            one.sendall(b"GET / HTTP/1.1\r\nHost: ")
        wait_until(
            lambda: len(list(Path(f"/proc/{server.process.pid}/fd").iterdir())) < 100,
            "those that are too many are closed",
        )


def test_a_huge_message(server):
    async def attack():
        async with open_window(server.address) as page:
            await page.until(SHOWN)
            with suppress(ConnectionError):  # it does not read on
                await page.send("stdin", "x" * (8 << 20))
            await page.until_closed()

    asyncio.run(attack())


FRAMES = (
    "", "{", "null", "[]", "0", '"stdin"', "[[]]", '["stdin"]', '["stdin", 5]', '["stdin", null]',
    '["resize", {}]', '["resize", {"width": "80", "height": 24}]', '["resize", [80, 24]]',
    '["resize", {"width": 1e9, "height": NaN}]', '["resize", {"width": true, "height": true}]',
    '["ping", {}]', '["quit"]', '["exit"]', '["open_url", "file:///etc/passwd"]',
    '["deliver_chunk_request", {"key": "x", "size": 5}]', '["stdin", "\\ud800"]', "[" * 60_000,
    '["resize", {"width": ' + "9" * 5_000 + ', "height": 1}]',
)  # fmt: skip


@pytest.mark.parametrize("frame", FRAMES, ids=lambda frame: repr(frame[:40]))
def test_a_message_that_no_page_sends_closes_the_window(server, frame):
    async def attack():
        async with open_window(server.address) as page:
            await page.socket.send_str(frame)
            await page.until_closed()
            assert "what it never sends" in page.text

    asyncio.run(attack())


def test_bytes_instead_of_a_message(server):
    async def attack():
        async with open_window(server.address) as page:
            await page.socket.send_bytes(b"D\x00\x00\x00\x01q")
            await page.until_closed()

    asyncio.run(attack())


def test_a_packet_inside_a_key_stays_a_key(server):
    """The program reads packets; what a page sends as keys cannot begin one."""

    async def attack():
        async with open_window(server.address) as page:
            await page.until(SHOWN)
            await page.type('M\x00\x00\x00\x0f{"type": "exit"}')
            for width in range(90, 120, 5):  # whatever these keys have opened, it is drawn anew
                page.drawn = b""
                await page.send("resize", {"width": width, "height": 30})
                await page.until("heap")

    asyncio.run(attack())


def test_no_picture_is_written(server):
    folder = Path(f"/proc/{server.process.pid}/cwd").resolve()
    before = sorted(folder.iterdir())

    async def attack():
        async with open_window(server.address) as page:
            await page.until(SHOWN)
            await page.type("2")
            await page.until("module  @2")  # who is selected, which the first page never says
            await page.type("v")
            await page.until("a served browser writes no files")

    asyncio.run(attack())
    assert sorted(folder.iterdir()) == before


def test_no_other_file_is_opened_and_no_folder_listed(server):
    async def attack():
        async with open_window(server.address) as page:
            await page.until(SHOWN)
            await page.type("8")
            await page.until("a served browser opens no other file")
            await page.type("/")
            await page.until("@ID, 0xADDRESS")  # it has begun a search
            await page.type("etc/\t")  # and Tab completes nothing there
            await page.until("tc/")  # the line is drawn from the first key that is new
            assert "passwd" not in page.text

    asyncio.run(attack())


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("select * from read_text('/etc/passwd')", "failed"),
        ("select * from '/etc/passwd'", "failed"),
        ("copy (select 1) to '{folder}/attack'", "not a query"),
        ("attach '{folder}/attack.db'", "not a query"),
        ("install httpfs", "not a query"),
        ("set enable_external_access = true", "not a query"),
    ],
)
def test_sql_reads_the_snapshot_only(server, tmp_path, query, said):
    async def attack():
        async with open_window(server.address) as page:
            await page.until(SHOWN)
            await page.type(":")
            await page.until("select type")
            await page.type(query.format(folder=tmp_path) + "\r")
            await page.until(said)
            assert "root:" not in page.text

    asyncio.run(attack())
    assert list(tmp_path.iterdir()) == []


def words_of(*pids):
    """Arguments and variables of processes, which other users may see."""
    names = ("cmdline", "environ")
    return b"".join(Path(f"/proc/{pid}/{name}").read_bytes() for pid in pids for name in names)


def test_the_token_is_in_no_argument_no_variable_and_no_log(server):
    async def look():
        async with open_window(server.address) as page:
            await page.until(SHOWN)
            return words_of(server.process.pid, *server.windows())

    assert server.token.encode() not in asyncio.run(look())
    status_of(server, f"/{server.token}/nothing")
    folder = Path(f"/proc/{server.process.pid}/cwd").resolve()
    assert server.token not in (folder / "stderr").read_text()


def test_a_page_that_vanishes_takes_its_program_along(server):
    async def vanish():
        async with open_window(server.address) as page:
            await page.until(SHOWN)
            page.socket._response.connection.transport.abort()

    asyncio.run(vanish())
    wait_until(lambda: not server.windows(), "the program ends")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_every_program_ends_with_the_server(tmp_path, number):
    async def look(one):
        async with open_window(one.address) as page:
            await page.until(SHOWN)
            windows = one.windows()
            one.process.send_signal(number)
            one.process.wait(20)
            return windows

    with served(tmp_path) as one:
        windows = asyncio.run(look(one))
    assert windows
    wait_until(lambda: not any(map(state_of, windows)), "the programs end")
