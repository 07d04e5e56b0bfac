"""Dumps a process over and over, each time in a fork that gets a signal at one of its steps.

    python signalled_dump.py PID OUTPUT SIGNAL

Prints "ready" as soon as everything is loaded, which takes longer than a dump. For each line, the
number of a step of its progress, it prints how the dump ended.
"""

from __future__ import annotations

import os
import signal
import sys

from heapgraph.capture.dump import dump


def dump_with_signal_at(step: int) -> None:
    """Dump, and send the signal to this process when it announces that step."""
    pid, output, number = sys.argv[1:]
    announced = 0

    def report(phase: str, done: int, total: int) -> None:
        del phase, done, total
        nonlocal announced
        announced += 1
        if announced == step:
            os.kill(os.getpid(), int(number))

    dump(int(pid), output, progress=report)


def say(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> None:
    """Fork for each line; the fork ends as a program does that is ended by what it got."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for ending in (signal.SIGTERM, signal.SIGHUP):  # nohup leaves it ignored
        signal.signal(ending, signal.SIG_DFL)
    say("ready")
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            dump_with_signal_at(int(line))
            return
        say(str(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])))


if __name__ == "__main__":
    main()
