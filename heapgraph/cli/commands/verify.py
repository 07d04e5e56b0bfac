"""How `heapgraph verify` prints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from heapgraph.cli.output import print_table
from heapgraph.cli.questions import Layout
from heapgraph.errors import GateFailed

if TYPE_CHECKING:
    from heapgraph.analysis.verify import Verification
    from heapgraph.cli.questions import Asked


def print_verify(result: Verification, asked: Asked) -> None:
    """One line for each check."""
    del asked
    print_table(
        (("", "left"), ("check", "left"), ("what was found", "left")),
        (("ok" if check.passed else "FAILED", check.name, check.detail) for check in result.checks),
    )


def fail_below_promise(result: Verification, asked: Asked) -> None:
    """Exit with 1 where a check failed.

    Raises:
        GateFailed: one did.
    """
    failed = [check for check in result.checks if not check.passed]
    if failed:
        raise GateFailed(
            f"{asked.file} is below the promised quality: "
            + ", ".join(check.name for check in failed),
            failed[0].detail,
            "take another snapshot: heapgraph dump PID",
        )


LAYOUT = Layout(print_verify, fail_below_promise)
