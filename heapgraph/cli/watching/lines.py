"""The lines of the daemon: what happens on stdout, the daemon about itself on stderr."""

from __future__ import annotations

from datetime import datetime

from heapgraph.cli.output import print_at_once


class DaemonLines:
    """Prints lines with the time of day, at once; a reader that is gone ends nothing.

    A full disk, or a pipe whose reader has ended, loses lines. That is said once on the other
    stream, and again only after lines could be written in between.
    """

    def __init__(self) -> None:
        """Nothing was lost yet."""
        self._is_lost = {False: False, True: False}

    def say(self, text: str) -> None:
        """One line of what happens: a log reads it."""
        self._print(text, to_stderr=False)

    def note(self, text: str) -> None:
        """One line of the daemon about itself."""
        self._print(text, to_stderr=True)

    def _print(self, text: str, *, to_stderr: bool) -> None:
        moment = datetime.now().astimezone().isoformat(timespec="seconds")
        failure = print_at_once(f"{moment} {text}", to_stderr=to_stderr)
        was_lost, self._is_lost[to_stderr] = self._is_lost[to_stderr], failure is not None
        if failure is not None and not was_lost:
            name = "stderr" if to_stderr else "stdout"
            why = failure.strerror or type(failure).__name__
            print_at_once(
                f"{moment} {name} cannot be written to ({why}); the daemon goes on without it",
                to_stderr=not to_stderr,
            )
