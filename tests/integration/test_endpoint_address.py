"""A whole address in the first line of a request names the endpoint, as its Host header does."""

from __future__ import annotations

import pytest

from heapgraph.watch.http.tokens import new_token
from heapgraph.watch.settings.model import EXPOSURES, HttpSpec
from helpers.endpoint import running
from helpers.refused import assert_raw_refused

TOKEN, LINE = new_token("status")


@pytest.fixture
def over_tcp(tmp_path):
    tokens = tmp_path / "tokens"
    tokens.write_text(LINE)
    with running(HttpSpec("127.0.0.1:0", EXPOSURES, tokens), tmp_path) as one:
        yield one


@pytest.mark.parametrize(
    "authority", ["evil.example", "evil.example:{port}", "127.0.0.1:{port}@evil.example"]
)
def test_another_name_in_the_address_is_refused(over_tcp, authority):
    address = f"http://{authority.format(port=over_tcp.port)}/v1/targets"
    sent = f"GET {address} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {TOKEN}\r\n"
    answer = over_tcp.raw(f"{sent}Connection: close\r\n\r\n".encode())
    assert_raw_refused(over_tcp, answer, 421, "other-host")


def test_its_own_name_in_the_address_is_answered(over_tcp):
    address = f"http://127.0.0.1:{over_tcp.port}/v1/targets"
    sent = f"GET {address} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {TOKEN}\r\n"
    assert over_tcp.raw(f"{sent}Connection: close\r\n\r\n".encode()).split()[1] == b"200"
