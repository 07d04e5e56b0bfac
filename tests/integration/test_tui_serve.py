"""`heapgraph tui FILE --serve` in a real web browser, and who else could see it: nobody."""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress
from pathlib import Path

import aiohttp

from helpers.chromium import find_chromium, needs_chromium, open_page
from helpers.packages import needs_packages
from helpers.served import served

LISTENS = "0A"
"""The state of a listening socket in /proc/net/tcp."""

pytestmark = needs_packages(("textual_serve",))


def listening_addresses(pid: int) -> set[str]:
    """Addresses, in the kernel's hexadecimal, at which a process takes connections."""
    inodes = set()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # the server answers meanwhile, and closes
            inodes.add(link.readlink().name)
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == LISTENS and f"socket:[{fields[9]}]" in inodes:
                found.add(fields[1].partition(":")[0])
    return found


def test_it_listens_on_this_machine_only(tmp_path):
    with served(tmp_path) as one:
        assert listening_addresses(one.process.pid) == {"0100007F"}  # 127.0.0.1


ASKING = (
    ({}, 200),
    ({"Origin": "http://127.0.0.1:{port}"}, 200),
    ({"Origin": "http://localhost:{port}"}, 200),
    ({"Origin": "https://elsewhere.example"}, 403),
    ({"Origin": "null"}, 403),
    ({"Host": "elsewhere.example:{port}"}, 403),
)
"""What a request says of where it comes from and where it thinks it goes, and the answer."""


def test_another_page_of_the_same_browser_cannot_connect(tmp_path):
    """A page from elsewhere may open sockets to this machine; the server has to refuse it."""

    async def statuses(one):
        async with aiohttp.ClientSession() as session:
            return [await statuses_of(session, one, headers) for headers, _ in ASKING]

    with served(tmp_path) as one:
        assert asyncio.run(statuses(one)) == [[status] * 3 for _, status in ASKING]


async def statuses_of(session, one, headers):
    """Answers to a request for the page, for a file of it, and for the socket of the program."""
    sent = {name: text.format(port=one.port) for name, text in headers.items()}
    found = []
    for path in ("", "static/js/textual.js"):
        async with session.get(one.address + path, headers=sent) as answer:
            found.append(answer.status)
    try:
        async with session.ws_connect(f"{one.address}ws", headers=sent):
            found.append(200)
    except aiohttp.WSServerHandshakeError as failure:
        found.append(failure.status)
    return found


def plain(text):
    """Text of a terminal without what steers it."""
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


@needs_chromium
def test_a_web_browser_shows_the_same_and_its_keys_work(tmp_path):
    async def browse(address):
        program = find_chromium()
        assert program is not None, "CI must have chromium"
        async with open_page(program, tmp_path / "profile", address) as page:
            await page.until(lambda text: "leak suspects: 1 of" in text and "? help" in plain(text))
            before = await page.picture()
            await page.click(600, 45)
            await page.press("2")
            await page.until(lambda text: "dominator tree" in text)
            await page.until(lambda text: "app.sessions" in text)
            return page.addresses, before, await page.picture()

    with served(tmp_path) as one:
        addresses, before, after = asyncio.run(browse(one.address))
    assert before != after
    hosts = {re.match(r"\w+://([^/]+)", address)[1] for address in addresses if "://" in address}
    assert hosts == {f"127.0.0.1:{one.port}"}
