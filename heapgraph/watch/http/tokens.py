"""Bearer tokens. Of each, the daemon keeps a file with its hash, what it allows, and a name.

    # SHA-256 of the token, scope, name
    sha256:6ca1...e9 profiles grafana
    # a client certificate, by a name that it bears
    cert:prometheus.example.com status

A token has 256 random bits, so its plain hash cannot be searched for.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
import stat
from typing import TYPE_CHECKING, NamedTuple

from heapgraph.errors import UsageError
from heapgraph.watch.settings.model import SCOPES

if TYPE_CHECKING:
    from pathlib import Path

PREFIX = "hgt_"
"""So that a token in a log or a repository is known for one."""

_TOKEN_BYTES = 32
_MAX_FILE_BYTES = 1 << 20
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@-]{0,63}")
_LINE = re.compile(r"(sha256:[0-9a-f]{64}|cert:[!-~]{1,253})\s+(\w+)(?:\s+(\S+))?")


class Grant(NamedTuple):
    """What a line allows.

    Attributes:
        key: "sha256:..." of a token, or "cert:..." with a name.
        scope: of `SCOPES`.
        name: of who has it; the key's beginning where the line has none.
    """

    key: str
    scope: str
    name: str


def new_token(scope: str, name: str = "") -> tuple[str, str]:
    """A token, and its line.

    Raises:
        UsageError: no such scope, or a name with other characters than letters, digits, `_.@-`.
    """
    if scope not in SCOPES:
        raise UsageError(
            f"there is no scope {scope!r}", "it is misspelled", f"one of {', '.join(SCOPES)}"
        )
    if name and not _NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} is no name of a token",
            "it stands in a line, between spaces",
            "--name with letters, digits, and the characters _ . @ -",
        )
    token = PREFIX + secrets.token_urlsafe(_TOKEN_BYTES)
    return token, f"{_key(token)} {scope} {name}".rstrip()


class TokensFile:
    """The file, read again when it has changed: a token is withdrawn by removing its line.

    Args:
        path: of it; links are followed, as secrets are mounted with them.
    """

    def __init__(self, path: Path) -> None:
        """Read it.

        Raises:
            UsageError: others can write to it, or a line is not understood.
            OSError: it cannot be read.
        """
        self._path = path
        self._seen: tuple[int, ...] = ()
        self._grants: tuple[Grant, ...] = ()
        self._read()

    def of_token(self, token: str) -> Grant | None:
        """What a token allows; None: it is unknown.

        Cost: each line is compared, in a time that does not depend on where they differ.

        Raises:
            UsageError, OSError: the file has changed and cannot be read: nobody is let in then.
        """
        return self._find(_key(token))

    def of_certificate(self, names: tuple[str, ...]) -> Grant | None:
        """What a certificate allows, by the first of its names that has a line."""
        found = (self._find(f"cert:{name}") for name in names)
        return next((grant for grant in found if grant is not None), None)

    def _find(self, key: str) -> Grant | None:
        self._read()
        wanted, found = key.encode(), None
        for grant in self._grants:
            if hmac.compare_digest(grant.key.encode(), wanted):
                found = grant
        return found

    def _read(self) -> None:
        about = self._path.stat()
        seen = (about.st_mtime_ns, about.st_ctime_ns, about.st_size, about.st_ino)
        if seen == self._seen:
            return
        self._grants, self._seen = (), ()
        with self._path.open("rb") as file:
            check_secret(self._path, os.fstat(file.fileno()))
            text = file.read(_MAX_FILE_BYTES + 1)
        if len(text) > _MAX_FILE_BYTES:
            raise _refused(self._path, 0, f"it has more than {_MAX_FILE_BYTES} bytes")
        self._grants = _parsed(self._path, text.decode("utf-8", "replace"))
        self._seen = seen


def check_secret(path: Path, about: os.stat_result) -> None:
    """Refuse a file that somebody else can write to: they could let themselves in.

    Raises:
        UsageError: it belongs to another user than this one or root, or others can write to it.
    """
    others = about.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    if about.st_uid in (0, os.geteuid()) and not others and stat.S_ISREG(about.st_mode):
        return
    raise UsageError(
        f"{path} is not trusted",
        "it is no regular file, belongs to another user, or others can write to it",
        f"chown and chmod 600 {path}",
    )


def _key(token: str) -> str:
    return f"sha256:{hashlib.sha256(token.encode(errors='replace')).hexdigest()}"


def _parsed(path: Path, text: str) -> tuple[Grant, ...]:
    grants = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _LINE.fullmatch(line.strip())
        if match is None or match[2] not in SCOPES:
            raise _refused(path, number, "the line is not understood")
        name = match[3] or match[1].removeprefix("cert:")[:19]
        grants.append(Grant(match[1], match[2], name))
    return tuple(grants)


def _refused(path: Path, line: int, why: str) -> UsageError:
    where = f"{path}, line {line}" if line else str(path)
    return UsageError(
        f"{where}: {why}",
        "each line is sha256:HASH SCOPE NAME, or cert:NAME SCOPE",
        "heapgraph token new --scope SCOPE prints such a line",
    )
