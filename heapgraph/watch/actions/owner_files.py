"""Addresses and keys: small files of the daemon's own user that nobody else can read.

They are read anew for every sending, so that a key can be exchanged while the daemon runs. What is
in them is in no error and no log.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from heapgraph.errors import HeapgraphError

if TYPE_CHECKING:
    from pathlib import Path

MAX_BYTES = 4096
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def read_owner_file(path: Path, what: str) -> str:
    """The text of such a file, without white space around it.

    Links are followed: Kubernetes and systemd lay secrets down as links. It is the file that is
    opened in the end whose owner and mode count.

    Args:
        path: of the file.
        what: it is, for errors: "the address of the action page".

    Raises:
        HeapgraphError: it cannot be read, is empty or large, or others may read it.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError as error:
        raise HeapgraphError(
            f"cannot read {what}", f"{path}: {error.strerror}", f"look at it: ls -l {path}"
        ) from None
    try:
        state = os.fstat(descriptor)
        if not stat.S_ISREG(state.st_mode):
            raise HeapgraphError(f"cannot read {what}", f"{path} is no file", "name a file")
        if state.st_mode & _OTHERS or state.st_uid not in (0, os.geteuid()):
            raise HeapgraphError(
                f"{what} is open to others",
                f"{path} is of user {state.st_uid}, mode {stat.S_IMODE(state.st_mode):04o}",
                f"chown {os.geteuid()} {path} && chmod 600 {path}",
            )
        content = os.read(descriptor, MAX_BYTES + 1)
    finally:
        os.close(descriptor)
    if len(content) > MAX_BYTES:
        raise HeapgraphError(
            f"cannot read {what}", f"{path} has more than {MAX_BYTES} bytes", "write one line"
        )
    try:
        text = content.decode("ascii").strip()
    except UnicodeDecodeError:
        text = ""
    if not text or not text.isprintable():
        raise HeapgraphError(f"cannot read {what}", f"{path} has no line of ASCII", "write one")
    return text
