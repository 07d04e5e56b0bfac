"""The headers of Standard Webhooks 1.0, with which a receiver knows who sends and that it is new.

Source: https://github.com/standard-webhooks/standard-webhooks, spec 1.0: HMAC-SHA256 over
`id.timestamp.body`, base64, with "v1," in front.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac

from heapgraph.errors import HeapgraphError

KEY_PREFIX = "whsec_"
_LEAST, _MOST = 24, 64
"""Bytes of a key, as the specification has them."""

KEY_FORM = f"base64 of {_LEAST} to {_MOST} bytes"
"""What a key is, in words."""


def signed_headers(
    message_id: str, timestamp: int, body: bytes, key: bytes | None
) -> dict[str, str]:
    """Headers of one try.

    Args:
        message_id: the same at every try, so that a receiver knows what it has already.
        timestamp: of this try, seconds since 1970: receivers refuse old ones.
        body: of the message.
        key: of `key_from_text`; None for no signature.
    """
    headers = {"webhook-id": message_id, "webhook-timestamp": str(timestamp)}
    if key is not None:
        signed = f"{message_id}.{timestamp}.".encode() + body
        digest = hmac.new(key, signed, hashlib.sha256).digest()
        headers["webhook-signature"] = f"v1,{base64.b64encode(digest).decode()}"
    return headers


def key_from_text(text: str) -> bytes:
    """A key as it is handed out: base64, mostly with `whsec_` in front.

    Raises:
        HeapgraphError: it is none. It is not in the error.
    """
    try:
        key = base64.b64decode(text.removeprefix(KEY_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not _LEAST <= len(key) <= _MOST:
        raise HeapgraphError(
            "the key of a webhook cannot be used",
            f"it is not {KEY_FORM}",
            f"make one: echo {KEY_PREFIX}$(head -c 32 /dev/urandom | base64)",
        ) from None
    return key
