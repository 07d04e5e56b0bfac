"""Children of the daemon: their output, and that none is left behind, whatever fails."""

from __future__ import annotations

import asyncio
import errno
import os
import sys

import pytest

from heapgraph.watch import children
from heapgraph.watch.children import Finished, run_child
from helpers.processes import children_of


def python(code: str) -> list[str]:
    return [sys.executable, "-I", "-S", "-c", code]


def run(code: str, longest_s: float = 60.0) -> Finished:
    own: set[int] = set()
    done = asyncio.run(run_child(python(code), longest_s=longest_s, own=own))
    assert not own
    return done


def test_a_child_is_waited_for_and_its_output_kept():
    """Given a program that writes much to both pipes, the beginning of each is there."""
    code = "import os; os.write(2, b'e' * 9); [os.write(1, b'x' * 65536) for _ in range(40)]"
    done = run(code + "; raise SystemExit(3)")
    assert (done.code, done.errors) == (3, b"e" * 9)
    assert done.output == b"x" * children.LONGEST_OUTPUT
    assert not children_of(os.getpid())


def test_a_child_that_takes_too_long_is_ended():
    """Given one that obeys no SIGTERM, it is killed after its grace."""
    with pytest.MonkeyPatch.context() as short:
        short.setattr(children, "GRACE_S", 0.2)
        with pytest.raises(TimeoutError):
            run("import signal; signal.signal(15, signal.SIG_IGN); signal.pause()", 1.0)
    assert not children_of(os.getpid())


def test_a_child_is_not_left_behind_where_it_cannot_be_waited_for(monkeypatch: pytest.MonkeyPatch):
    """Given no descriptor for it, the child that was started ends, and the cause is said."""

    def fail(_pid: int) -> int:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(os, "pidfd_open", fail)
    with pytest.raises(OSError, match="Too many open files"):
        run("import signal; signal.pause()")
    assert not children_of(os.getpid())
