"""Runs a program for an alert: as another user, with nothing of ours but the alert, for a while."""

from __future__ import annotations

import os
import pwd
import selectors
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from heapgraph.errors import HeapgraphError
from heapgraph.safe_text import begun, printable

if TYPE_CHECKING:
    from heapgraph.watch.settings.model import ActionSpec

MAX_OUTPUT = 4096
"""Bytes of what a program prints that are kept; the rest is read and thrown away."""

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_CHUNK = 64 * 1024


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a program.

    Attributes:
        succeeded: it ended with 0, in time.
        detail: how it ended.
        output: the beginning of what it printed, printable; for the daemon's own log.
    """

    succeeded: bool
    detail: str
    output: str = ""


def run_command(action: ActionSpec, body: bytes, stop: int | None = None) -> Run:
    """Run the program of an action and wait for it. Not for the thread of an event loop.

    It gets `body` as its standard input, an environment of five variables, the folder /, a session
    of its own and no other descriptor. No shell is in between. When its time is over, it and its
    group are killed; what has left the group by itself is not found.

    Args:
        action: a command.
        body: JSON.
        stop: a descriptor: as soon as it can be read, the program is ended.
    """
    try:
        identity = _identity(action)
        with os.fdopen(os.memfd_create("alert", os.MFD_CLOEXEC), "w+b") as stdin:
            stdin.write(body)
            stdin.seek(0)
            process = subprocess.Popen(
                action.argv,
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                cwd="/",
                start_new_session=True,
                umask=0o077,
                **identity,
            )
    except HeapgraphError as failure:
        return Run(succeeded=False, detail=": ".join(failure.parts()[:2]))
    except (OSError, ValueError, subprocess.SubprocessError) as failure:
        cause = os.strerror(failure.errno) if isinstance(failure, OSError) and failure.errno else ""
        return Run(succeeded=False, detail=f"not started: {cause or type(failure).__name__}")
    try:
        output, why_killed = _watch(process, action.timeout_s, stop)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    if why_killed:
        detail = why_killed
    elif process.returncode < 0:
        detail = f"ended by signal {-process.returncode}"
    else:
        detail = f"ended with {process.returncode}"
    text = begun(printable(output.decode(errors="replace").strip()), MAX_OUTPUT)
    return Run(not why_killed and process.returncode == 0, detail, text)


def _watch(process: subprocess.Popen[bytes], limit_s: float, stop: int | None) -> tuple[bytes, str]:
    """Read what it prints until it ends: the beginning, and why it must be killed; "" if not.

    The end of the output is not waited for: a child of the program may hold it open for ever.
    """
    kept = bytearray()
    deadline = time.monotonic() + limit_s
    pidfd = os.pidfd_open(process.pid)
    try:
        with selectors.DefaultSelector() as selector:
            selector.register(pidfd, selectors.EVENT_READ)
            if process.stdout is None:  # it always is a pipe
                return b"", "it has no output"
            selector.register(process.stdout, selectors.EVENT_READ)
            if stop is not None:
                selector.register(stop, selectors.EVENT_READ)
            os.set_blocking(process.stdout.fileno(), False)
            while (left := deadline - time.monotonic()) > 0:
                ready = {key.fd for key, _ in selector.select(left)}
                if process.stdout.fileno() in ready and not _read(process.stdout.fileno(), kept):
                    selector.unregister(process.stdout)
                    continue
                if pidfd in ready:
                    _read(process.stdout.fileno(), kept)
                    return bytes(kept), ""
                if stop in ready:
                    return bytes(kept), "ended with the daemon"
            return bytes(kept), f"killed after {limit_s:g} s"
    finally:
        os.close(pidfd)
        if process.stdout is not None:
            process.stdout.close()


def _read(descriptor: int, kept: bytearray) -> bool:
    """Take what is there, keep the beginning; False at the end of it."""
    try:
        chunk = os.read(descriptor, _CHUNK)
    except BlockingIOError:
        return True
    kept += chunk[: MAX_OUTPUT - len(kept)]
    return bool(chunk)


def _identity(action: ActionSpec) -> dict[str, Any]:
    """User, groups and environment of the program.

    Raises:
        HeapgraphError: the user is not known, or another one is asked for without being root.
    """
    own = os.geteuid()
    if not action.user and own == 0:
        raise HeapgraphError(
            f"the action {action.name} has no user",
            "the daemon is root, and a program that it runs need not be",
            'name one: user = "nobody"',
        )
    try:
        entry = pwd.getpwnam(action.user) if action.user else pwd.getpwuid(own)
    except KeyError:
        raise HeapgraphError(
            f"the action {action.name} cannot run",
            f"no user {action.user or own} is known here",
            "name another one",
        ) from None
    environment = {
        "PATH": _PATH,
        "HOME": entry.pw_dir,
        "USER": entry.pw_name,
        "LOGNAME": entry.pw_name,
        "LANG": "C.UTF-8",
    }
    if own != 0:
        if entry.pw_uid != own:
            raise HeapgraphError(
                f"the action {action.name} cannot run as {action.user}",
                "the daemon is not root",
                "leave user away, or run the daemon as root",
            )
        return {"env": environment}
    return {
        "env": environment,
        "user": entry.pw_uid,
        "group": entry.pw_gid,
        "extra_groups": os.getgrouplist(entry.pw_name, entry.pw_gid),
    }
