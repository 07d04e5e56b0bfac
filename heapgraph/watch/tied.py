"""Starts a program that ends when the process that started it does, however that ends.

A daemon that is killed cannot end the dump it has begun: without this, that goes on beside the one
that the next daemon begins, and writes into a store that is not its own any more.

The file is run by its path, as a program of its own: `prctl` and `exec`, and nothing of heapgraph
is loaded for it.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_ARGUMENTS = 3


def tied(command: Sequence[str], number: int = signal.SIGTERM) -> list[str]:
    """The command line that starts a program tied to this process.

    Args:
        command: the program by its path, and its arguments.
        number: the signal it gets when the thread that starts it has ended. The program must not
            be one that changes its user.

    Cost: 15 ms before the program begins; its pid is that of the process started.
    """
    return [sys.executable, "-I", "-S", __file__, str(os.getpid()), str(int(number)), *command]


def main() -> None:
    """Become the program of the arguments."""
    parent, number, *command = sys.argv[1:]
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0)
    if os.getppid() != int(parent):  # it ended before the call
        sys.exit(1)
    os.execv(command[0], command)  # noqa: S606 - no shell is meant


if __name__ == "__main__":
    if len(sys.argv) <= _ARGUMENTS:
        sys.exit(2)
    main()
