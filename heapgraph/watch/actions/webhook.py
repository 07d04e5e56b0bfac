"""Sends one message to one address: signed, in time, with nothing believed of the answer."""

from __future__ import annotations

import asyncio
import os
import ssl
import time
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from typing import TYPE_CHECKING

import aiohttp
from yarl import URL

from heapgraph import __version__
from heapgraph.errors import HeapgraphError
from heapgraph.watch.actions.owner_files import read_owner_file
from heapgraph.watch.actions.signing import KEY_FORM, key_from_text, signed_headers

if TYPE_CHECKING:
    from heapgraph.watch.settings.model import ActionSpec

MAX_RETRY_AFTER_S = 3600.0


class Answer(StrEnum):
    """What became of one try."""

    DELIVERED = "delivered"
    FAILED = "failed"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Try:
    """One try to send a message.

    Attributes:
        answer: what became of it.
        detail: why, in words that hold neither the address nor the key nor what was answered.
        retry_after_s: when the receiver wants to be asked again; 0: it did not say.
    """

    answer: Answer
    detail: str
    retry_after_s: float = 0.0


async def send(action: ActionSpec, message_id: str, body: bytes) -> Try:
    """Send a message once. Address and key are read from their files now.

    Redirects are not followed: the address is the administrator's choice, not the receiver's. The
    body of the answer is not read. Certificates of https are verified by the system's authorities.

    Args:
        action: a webhook.
        message_id: the same for every try of a message.
        body: JSON.
    """
    try:
        url = read_address(action)
        key = read_key(action)
    except HeapgraphError as failure:
        return Try(Answer.FAILED, ": ".join(failure.parts()[:2]))
    headers = {
        "content-type": "application/json",
        "user-agent": f"heapgraph/{__version__}",
        **signed_headers(message_id, int(time.time()), body, key),
    }
    try:
        async with asyncio.timeout(action.timeout_s), _session(url) as session:
            # Not as a context manager: that would wait for the rest of the answer.
            response = await session.post(url, data=body, headers=headers, allow_redirects=False)
            status, retry_after = response.status, response.headers.get("retry-after", "")
            response.close()
    except TimeoutError:
        return Try(Answer.FAILED, f"no answer within {action.timeout_s:g} s")
    except (aiohttp.ClientError, OSError, ValueError) as failure:
        return Try(Answer.FAILED, _cause(failure))
    return _judged(status, retry_after)


def _session(url: URL) -> aiohttp.ClientSession:
    """A session for one try: nothing of the last one is left, not even a connection."""
    trust = ssl.create_default_context() if url.scheme == "https" else True
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(force_close=True, ssl=trust),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        trust_env=False,
    )


def read_address(action: ActionSpec) -> URL:
    """The address of a webhook, from its file.

    Raises:
        HeapgraphError: the file cannot be used, or holds none. What it holds is not in the error.
    """
    if action.url_file is None:
        raise HeapgraphError(f"the action {action.name} has no address", "url_file is missing", "")
    text = read_owner_file(action.url_file, f"the address of the action {action.name}")
    try:
        url = URL(text)
        is_good = url.scheme in ("http", "https") and bool(url.host)
    except ValueError:
        is_good = False
    if not is_good:
        raise HeapgraphError(
            f"the address of the action {action.name} cannot be used",
            f"what stands in {action.url_file} is no http or https address",
            f"write one there: chmod 600 {action.url_file}, and the address on one line",
        ) from None
    return url


def read_key(action: ActionSpec) -> bytes | None:
    """The key of a webhook, from its file; None where it has none.

    Raises:
        HeapgraphError: as of `read_address`.
    """
    if action.secret_file is None:
        return None
    text = read_owner_file(action.secret_file, f"the key of the action {action.name}")
    try:
        return key_from_text(text)
    except HeapgraphError as error:
        raise HeapgraphError(
            f"the key of the action {action.name} cannot be used",
            f"what stands in {action.secret_file} is not {KEY_FORM}",
            error.hint,
        ) from None


def _judged(status: int, retry_after: str) -> Try:
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return Try(Answer.DELIVERED, f"answered {status}")
    if status == HTTPStatus.GONE:
        return Try(Answer.GONE, "answered 410: it wants no more messages")
    what = f"answered {status}"
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        what += ", a redirect: it is not followed"
    seconds = float(retry_after) if retry_after.isascii() and retry_after.isdigit() else 0.0
    return Try(Answer.FAILED, what, min(seconds, MAX_RETRY_AFTER_S))


def _cause(failure: Exception) -> str:
    """Why nothing was answered, by its type: the texts of these errors have the address in them."""
    match failure:
        case aiohttp.ClientConnectorCertificateError():
            return "its certificate is not to be trusted"
        case aiohttp.ClientSSLError():
            return "no TLS connection"
        case aiohttp.ClientConnectorDNSError():
            return "the name of the host is not known"
        case aiohttp.ClientConnectorError() if failure.os_error.errno:
            return f"no connection: {os.strerror(failure.os_error.errno)}"
        case aiohttp.ServerDisconnectedError() | ConnectionError():
            return "the connection was closed"
    return f"no HTTP: {type(failure).__name__}"
