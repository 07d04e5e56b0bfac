"""Messages on disk until they have arrived: what a killed daemon has not sent, the next one sends.

One file for each message, named by its order, written whole; the folder is nobody else's. Their
number and bytes have limits: of more, messages that something is over go first, then the oldest.
"""

from __future__ import annotations

import base64
import json
import os
import re
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from heapgraph.errors import HeapgraphError
from heapgraph.watch.actions.messages import MAX_BODY_BYTES
from heapgraph.watch.store.private_folder import (
    lock_file,
    open_private_folder,
    read_private_file,
    set_aside,
    sync_folder,
    write_private_file,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from heapgraph.watch.model import Alert

MAX_MESSAGES = 1000
MAX_BYTES = 16 * 2**20

_NAME = re.compile(r"(\d{12})\.json")
_LONGEST_FILE = 2 * MAX_BODY_BYTES
_LOCK = ".lock"
_MOST_ATTEMPTS = 10_000
"""Far more than the settings allow; what a delay is made of must stay a number."""


@dataclass(frozen=True, slots=True)
class Message:
    """What waits to be sent.

    Attributes:
        number: rises with every message; names the file.
        id: goes out with every try.
        incident: messages of one go out in their order.
        action: by which.
        status: "firing" or "resolved".
        attempts: tries so far.
        body: bytes to send, the same at every try.
    """

    number: int
    id: str
    incident: str
    action: str
    status: str
    attempts: int
    body: bytes


class Spool:
    """The messages of one daemon.

    Args:
        folder: made where there is none.
        max_messages: at most.
        max_bytes: of all bodies, at most.

    Attributes:
        dropped: told of each message that has to go for the limits.
        damaged: files that could not be read, and have another name now.

    Raises:
        HeapgraphError: another daemon has the folder, or others can get at it.
    """

    def __init__(
        self,
        folder: Path,
        *,
        max_messages: int = MAX_MESSAGES,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        """Take the folder and read what is in it; damaged files are set aside and counted."""
        self._folder = open_private_folder(folder)
        self.dropped: Callable[[Message], None] = lambda _message: None
        self._max_messages, self._max_bytes = max_messages, max_bytes
        self._lock = _locked(self._folder)
        self._messages: dict[int, Message] = {}
        self.damaged = 0
        for path in sorted(self._folder.iterdir()):
            self._load(path)
        self._next = max(self._messages, default=0) + 1

    def close(self) -> None:
        """Leave the folder to another daemon; the messages stay."""
        os.close(self._lock)

    @property
    def messages(self) -> list[Message]:
        """All that wait, the oldest first."""
        return list(self._messages.values())

    @property
    def size(self) -> int:
        """Bytes of all bodies."""
        return sum(len(one.body) for one in self._messages.values())

    def add(self, alert: Alert, action: str, body: bytes) -> Message:
        """Keep a message; it is on the disk when this returns.

        Raises:
            OSError: it could not be written; it waits in memory only.
        """
        message = Message(self._next, alert.id, alert.incident, action, alert.status, 0, body)
        self._make_room(len(body))
        self._next += 1
        self._write(message)
        return message

    def tried(self, message: Message) -> Message:
        """Remember one more try.

        Raises:
            OSError: it could not be written; it counts until the daemon ends.
        """
        again = replace(message, attempts=message.attempts + 1)
        if message.number in self._messages:
            self._messages[message.number] = again
            self._write(again)
        return again

    def remove(self, message: Message) -> None:
        """A message has arrived, or is given up."""
        if self._messages.pop(message.number, None) is not None:
            with suppress(OSError):
                self._path(message.number).unlink()
            with suppress(OSError):
                sync_folder(self._folder)

    def _make_room(self, size: int) -> None:
        while self._messages and (
            len(self._messages) >= self._max_messages or self.size + size > self._max_bytes
        ):
            oldest = min(
                self._messages.values(), key=lambda one: (one.status != "resolved", one.number)
            )
            self.remove(oldest)
            self.dropped(oldest)

    def _write(self, message: Message) -> None:
        document = {
            "v": 1,
            "id": message.id,
            "incident": message.incident,
            "action": message.action,
            "status": message.status,
            "attempts": message.attempts,
            "body": base64.b64encode(message.body).decode(),
        }
        self._messages[message.number] = message
        write_private_file(self._path(message.number), json.dumps(document).encode())

    def _path(self, number: int) -> Path:
        return self._folder / f"{number:012d}.json"

    def _load(self, path: Path) -> None:
        """Read one file; a half that a killed daemon left goes, what is damaged is set aside."""
        name = _NAME.fullmatch(path.name)
        if name is None:
            if path.name.startswith(".") and path.name != _LOCK:
                with suppress(OSError):  # a folder is not ours
                    path.unlink()
            return
        try:
            self._messages[int(name[1])] = _message(int(name[1]), _content(path))
        except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
            self.damaged += 1
            set_aside(path)


def _locked(folder: Path) -> int:
    """Hold the folder as long as the descriptor is open, in this process."""
    try:
        return lock_file(folder / _LOCK)
    except BlockingIOError:
        raise HeapgraphError(
            f"the messages in {folder} are another daemon's",
            "two would send each of them twice",
            "end the other one, or name another folder for the store",
        ) from None


def _content(path: Path) -> dict[str, Any]:
    content = read_private_file(path, _LONGEST_FILE + 1)
    document = json.loads(content)
    if not isinstance(document, dict) or document["v"] != 1 or len(content) > _LONGEST_FILE:
        raise ValueError(path)
    return document


def _message(number: int, row: dict[str, Any]) -> Message:
    texts = {name: row[name] for name in ("id", "incident", "action", "status")}
    if not all(isinstance(one, str) for one in texts.values()):
        raise TypeError(row)
    attempts = int(row["attempts"])
    if not 0 <= attempts <= _MOST_ATTEMPTS:
        raise ValueError(attempts)
    body = base64.b64decode(row["body"], validate=True)
    return Message(number=number, attempts=attempts, body=body, **texts)
