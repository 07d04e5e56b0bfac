"""Webhooks against real servers: good ones, slow, lying, refusing, redirecting, endless ones."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import time
from dataclasses import replace

import pytest
import trustme
from standardwebhooks.webhooks import Webhook

from heapgraph.watch.actions.messages import body_of
from heapgraph.watch.actions.webhook import Answer, Try, send
from helpers.alerts import KEY, alert, webhook
from helpers.receivers import raw_server, receiver

BODY = body_of(alert(), "heapgraph")
SECRETS = [f"planted-{number:02d}-{number * 7919:08x}" for number in range(20)]


def attempt(action, body: bytes = BODY) -> Try:
    return asyncio.run(send(action, "msg_1", body))


async def answered(folder, answer, **changes) -> Try:
    async with raw_server(answer) as url:
        return await send(webhook(folder, url, **changes), "msg_1", BODY)


def test_a_message_is_signed_as_standard_webhooks_has_it(tmp_path):
    async def deliver():
        async with receiver() as server:
            result = await send(webhook(tmp_path, server.url), "msg_1", BODY)
            return result, server.requests

    result, (request,) = asyncio.run(deliver())
    assert result == Try(Answer.DELIVERED, "answered 200")
    assert request.body == BODY
    # The reference implementation takes it, and not with another key, body or time.
    assert Webhook(KEY).verify(request.body, request.headers) == json.loads(BODY)
    with pytest.raises(Exception, match="No matching signature"):
        Webhook("whsec_" + "A" * 32).verify(request.body, request.headers)
    with pytest.raises(Exception, match="No matching signature"):
        Webhook(KEY).verify(request.body + b" ", request.headers)
    assert request.headers["webhook-id"] == "msg_1"
    assert abs(int(request.headers["webhook-timestamp"]) - time.time()) < 60
    assert request.headers["content-type"] == "application/json"


def test_without_a_key_there_is_no_signature(tmp_path):
    async def deliver():
        async with receiver() as server:
            await send(replace(webhook(tmp_path, server.url), secret_file=None), "msg_1", BODY)
            return server.requests[0].headers

    assert "webhook-signature" not in asyncio.run(deliver())


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        *((status, "delivered") for status in (200, 204, 299)),
        *((status, "failed") for status in (302, 400, 404, 429, 500)),
        (410, "gone"),
    ],
)
def test_what_an_answer_means(tmp_path, status, answer):
    async def deliver():
        async with receiver(status) as server:
            return await send(webhook(tmp_path, server.url), "msg_1", BODY)

    result = asyncio.run(deliver())
    assert result.answer == answer
    assert str(status) in result.detail


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("120", 120.0), ("99999999999", 3600.0), ("-5", 0.0), ("soon", 0.0), ("9" * 4000, 3600.0)],
)
def test_a_receiver_may_ask_for_time(tmp_path, text, seconds):
    async def deliver():
        async with receiver(429, **{"retry-after": text}) as server:
            return await send(webhook(tmp_path, server.url), "msg_1", BODY)

    assert asyncio.run(deliver()).retry_after_s == seconds


def test_a_redirect_is_not_followed(tmp_path):
    async def deliver():
        async with receiver() as elsewhere, receiver(307, location=elsewhere.url) as server:
            result = await send(webhook(tmp_path, server.url), "msg_1", BODY)
            return result, len(elsewhere.requests), len(server.requests)

    result, followed, received = asyncio.run(deliver())
    assert result.answer is Answer.FAILED
    assert "redirect" in result.detail
    assert (followed, received) == (0, 1)


def test_a_slow_receiver_has_its_time_and_no_more(tmp_path):
    async def never(reader, _writer):
        await reader.read()  # until we hang up

    begun = time.monotonic()
    result = asyncio.run(answered(tmp_path, never, timeout_s=0.3))
    assert result == Try(Answer.FAILED, "no answer within 0.3 s")
    assert time.monotonic() - begun < 5


def test_one_that_drips_its_answer_has_no_more(tmp_path):
    async def drip(reader, writer):
        writer.write(b"HTTP/1.1 200 OK\r\n")
        while True:
            writer.write(b"x-more: 1\r\n")
            await writer.drain()
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(reader.read(1), 0.05)

    result = asyncio.run(answered(tmp_path, drip, timeout_s=0.5))
    assert result.answer is Answer.FAILED


def test_an_endless_answer_is_not_read(tmp_path):
    sent = 0

    async def endless(_reader, writer):
        nonlocal sent
        writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        while True:
            writer.write(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")
            await writer.drain()
            sent += 0x10000

    result = asyncio.run(answered(tmp_path, endless))
    assert result.answer is Answer.DELIVERED
    assert sent < 16 * 2**20  # what the system takes before anybody reads it


@pytest.mark.parametrize(
    "reply",
    [
        b"",
        b"\0" * 100,
        b"SSH-2.0-OpenSSH_9\r\n",
        b"HTTP/1.1 two hundred\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nx: " + b"y" * 2**20 + b"\r\n\r\n",
    ],
    ids=["nothing", "zeros", "ssh", "words", "header"],
)
def test_what_is_no_http_is_a_failure(tmp_path, reply):
    async def lie(_reader, writer):
        writer.write(reply)
        await writer.drain()

    assert asyncio.run(answered(tmp_path, lie)).answer is Answer.FAILED


def test_nobody_is_there(tmp_path):
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))  # bound, and it does not listen
        result = attempt(webhook(tmp_path, f"http://127.0.0.1:{held.getsockname()[1]}/hook"))
    assert result == Try(Answer.FAILED, "no connection: Connection refused")


def test_a_certificate_of_nobody_known_is_refused(tmp_path, monkeypatch):
    authority = trustme.CA()

    async def deliver():
        import ssl  # noqa: PLC0415 - only here

        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.issue_cert("localhost").configure_cert(context)
        async with receiver(tls=context) as server:
            unknown = await send(webhook(tmp_path, server.url), "msg_1", BODY)
            authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
            monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
            known = await send(webhook(tmp_path, server.url), "msg_1", BODY)
            other = server.url.replace("localhost", "127.0.0.1")
            misnamed = await send(webhook(tmp_path, other), "msg_1", BODY)
            return unknown, known, misnamed, len(server.requests)

    unknown, known, misnamed, received = asyncio.run(deliver())
    assert unknown == misnamed == Try(Answer.FAILED, "its certificate is not to be trusted")
    assert known.answer is Answer.DELIVERED
    assert received == 1


def test_proxies_of_the_environment_are_not_asked(tmp_path, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    test_without_a_key_there_is_no_signature(tmp_path)


def test_address_and_key_are_read_at_each_sending(tmp_path):
    async def deliver():
        async with receiver() as first, receiver() as second:
            action = webhook(tmp_path, first.url)
            await send(action, "msg_1", BODY)
            webhook(tmp_path, second.url, key="whsec_" + "B" * 40)
            await send(action, "msg_2", BODY)
            return first.requests, second.requests

    (_,), (request,) = asyncio.run(deliver())
    assert Webhook("whsec_" + "B" * 40).verify(request.body, request.headers)


@pytest.mark.parametrize("which", ["url", "key"])
@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ("mode", "is open to others"),
        ("missing", "No such file"),
        ("empty", "no line of ASCII"),
        ("large", "more than 4096 bytes"),
        ("binary", "no line of ASCII"),
        ("folder", "is no file"),
        ("pipe", "is no file"),
    ],
)
def test_a_file_that_is_not_as_it_should_be_is_not_used(tmp_path, which, damage, said):
    action = webhook(tmp_path, f"http://127.0.0.1:9/{SECRETS[0]}")
    path = tmp_path / which
    if damage == "mode":
        path.chmod(0o640)
    else:
        path.unlink()
    if damage == "folder":
        path.mkdir()
    elif damage == "pipe":
        os.mkfifo(path, 0o600)
    elif damage in ("empty", "large", "binary"):
        content = {"empty": b" \n", "large": b"x" * 5000, "binary": b"\xff\0\x01"}[damage]
        path.write_bytes(content)
        path.chmod(0o600)
    result = attempt(action)
    assert result.answer is Answer.FAILED
    assert said in result.detail
    assert SECRETS[0] not in result.detail


@pytest.mark.parametrize("text", SECRETS)
def test_no_secret_is_in_any_answer_or_log(tmp_path, text, caplog, capfd):
    """An address and a key with a secret in them, tried at everything that goes wrong."""
    caplog.set_level("DEBUG")

    async def drop(_reader, writer):
        writer.close()

    async def echo(_reader, writer):
        writer.write(f"HTTP/1.1 500 {text}\r\nx-{text}: {text}\r\n\r\n{text}".encode())
        await writer.drain()

    async def every() -> list[Try]:
        tries = []
        for answer in (drop, echo):
            async with raw_server(answer) as url:
                tries.append(await send(webhook(tmp_path, f"{url}?token={text}"), "m", BODY))
        urls = (f"ftp://{text}@x/", f"http://{text}.invalid/", f"http://[{text}/", text)
        tries += [await send(webhook(tmp_path, url), "m", BODY) for url in urls]
        with socket.socket() as held:
            held.bind(("127.0.0.1", 0))
            url = f"http://user:{text}@127.0.0.1:{held.getsockname()[1]}/{text}"
            tries.append(await send(webhook(tmp_path, url), "m", BODY))
            tries.append(await send(webhook(tmp_path, url, key=text), "m", BODY))
        return tries

    tries = asyncio.run(every())
    assert all(one.answer is Answer.FAILED for one in tries)
    said = repr(tries) + caplog.text + "".join(capfd.readouterr())
    assert text not in said
