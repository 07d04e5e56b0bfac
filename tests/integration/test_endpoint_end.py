"""The endpoint ends: nothing is left open, whoever comes or reads meanwhile; and it stays small."""

from __future__ import annotations

import errno
import gc
import socket
import time
from contextlib import ExitStack, closing

import pytest

from heapgraph.errors import UsageError
from heapgraph.watch.http.listening import address_of, open_socket
from heapgraph.watch.http.served import StoredSnapshot
from heapgraph.watch.settings.model import EXPOSURES, HttpSpec
from helpers.cli import run_process
from helpers.endpoint import WEB, InMemory, running

HEAVY = ("numpy", "pyarrow", "jwt", "cryptography", "click", "rich", "networkx", "duckdb")


def test_connections_that_come_while_it_ends_are_closed(tmp_path):
    gc.collect()
    for number in range(20):
        folder = tmp_path / str(number)
        folder.mkdir()
        spec = HttpSpec(f"unix:{folder}/socket")
        with ExitStack() as stack, running(spec, folder, has_log=False) as endpoint:
            for turn in range(4):
                one = socket.socket(socket.AF_UNIX)
                one.connect(str(endpoint.socket_path))
                if turn % 2:
                    one.close()
                else:
                    stack.enter_context(closing(one))
        gc.collect()  # a socket that nobody closed is an error now


def test_a_peer_that_does_not_read_does_not_hold_the_end_up(tmp_path):
    large = tmp_path / "large"
    with large.open("wb") as file:
        file.truncate(256 << 20)
    about = StoredSnapshot("big", WEB, "", 256 << 20, "0" * 64, 1, redacted=True)
    served = InMemory(stored={"big": (about, large)})
    spec = HttpSpec(f"unix:{tmp_path}/socket", EXPOSURES)
    with running(spec, tmp_path, served) as endpoint:
        one = endpoint.connect()
        one.sendall(b"GET /v1/snapshots/big HTTP/1.1\r\nHost: x\r\n\r\n")
        assert one.recv(100).startswith(b"HTTP/1.1 200")
        begun = time.monotonic()
    assert time.monotonic() - begun < 20
    one.close()
    outcomes = [line["outcome"] for line in endpoint.records() if line["event"] == "download"]
    assert outcomes == ["intent", "failed"]


def test_a_full_queue_of_another_one_is_not_waited_for(tmp_path):
    """Given a socket whose owner accepts nothing, a second daemon says so at once."""
    path = tmp_path / "socket"
    with ExitStack() as stack:
        owner = stack.enter_context(closing(socket.socket(socket.AF_UNIX)))
        owner.bind(str(path))
        owner.listen(1)
        failed = 0
        while not failed:
            one = stack.enter_context(closing(socket.socket(socket.AF_UNIX)))
            one.setblocking(False)
            failed = one.connect_ex(str(path))
        assert failed == errno.EAGAIN
        spec = HttpSpec(f"unix:{path}")
        with pytest.raises(UsageError, match="another process listens"):
            open_socket(spec, address_of(spec))
        assert path.is_socket()


def test_the_socket_of_another_one_that_took_the_path_stays(tmp_path):
    """Given a socket that was removed and made anew by another daemon, the first leaves it."""
    spec = HttpSpec(f"unix:{tmp_path}/socket")
    (tmp_path / "1").mkdir()
    (tmp_path / "2").mkdir()
    with ExitStack() as second:
        with running(spec, tmp_path / "1"):
            (tmp_path / "socket").unlink()
            other = second.enter_context(running(spec, tmp_path / "2"))
        assert (tmp_path / "socket").is_socket()
        assert other.get("/healthz").status == 200
    assert not (tmp_path / "socket").exists()


def test_the_endpoint_and_the_log_load_nothing_heavy():
    code = f"""
import sys
import heapgraph.watch.http.endpoint, heapgraph.watch.audit.log
print([name for name in {HEAVY!r} if name in sys.modules])
"""
    assert run_process(code=code).stdout == "[]\n"
