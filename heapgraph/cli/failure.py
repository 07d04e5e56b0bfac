"""A failure as three short parts on stderr: what failed, the likely cause, what to type next."""

from __future__ import annotations

import errno
import resource
from typing import TYPE_CHECKING

from heapgraph.cli.output import complain
from heapgraph.units import format_size

if TYPE_CHECKING:
    from collections.abc import Sequence

    import click

_PART_NAMES = ("error", "cause", "next")


def print_error(parts: Sequence[str]) -> None:
    """Print the parts of an error to stderr, one a line, each with its name in front.

    Args:
        parts: what failed, the cause, what to do next; at most three, fewer are fine.
    """
    for name, part in zip(_PART_NAMES, parts, strict=False):
        complain(f"{name}:".ljust(7), part, "red" if name == "error" else None)


def explain_usage(failure: click.ClickException) -> list[str]:
    """The parts of a command line that click refused."""
    context = getattr(failure, "ctx", None)
    # In one line: click lists the choices of an option below one another.
    message = " ".join(failure.format_message().split())
    if context is None:
        return [message, "the command line is not understood", "heapgraph --help"]
    usage = context.command.get_usage(context).removeprefix("Usage: ")
    return [message, f"expected: {usage}", f"{context.command_path} --help"]


def explain_defect(failure: Exception) -> list[str]:
    """The parts of an exception nobody foresaw."""
    if isinstance(failure, MemoryError):
        return [
            "not enough memory for this analysis",
            "a snapshot needs about 120 bytes per object while it is analysed",
            "copy the file to a machine with more memory; the target is not needed any more",
        ]
    if isinstance(failure, OSError):
        return _explain_refusal(failure)
    limit = _memory_limit()
    if isinstance(failure, ImportError | RuntimeError | SystemError) and limit is not None:
        return [
            f"{type(failure).__name__}: {failure}",
            f"probably the limit on its memory (ulimit -v, ulimit -d): {format_size(limit)}",
            "raise the limit: ulimit -v unlimited",
        ]
    return [
        f"{type(failure).__name__}: {failure}",
        "a defect in heapgraph, not in your input",
        "repeat it with HEAPGRAPH_DEBUG=1 and report the traceback",
    ]


def _memory_limit() -> int | None:
    """Bytes that this process may map; None without a limit."""
    limits = (resource.getrlimit(kind)[0] for kind in (resource.RLIMIT_AS, resource.RLIMIT_DATA))
    return min((limit for limit in limits if limit != resource.RLIM_INFINITY), default=None)


def _explain_refusal(failure: OSError) -> list[str]:
    """What the operating system refused; without a file name, it was the output."""
    what = str(failure)
    if failure.filename is None and failure.strerror:
        what = f"the output cannot be written: {failure.strerror}"
    if failure.errno in (errno.ENOSPC, errno.EDQUOT):
        return [what, "the disk, or this user's share of it, is full", "free some space there"]
    if failure.errno == errno.ENOMEM:
        return [
            what,
            "memory, or a limit on it, is used up",
            "raise the limit: ulimit -v unlimited",
        ]
    if failure.errno in (errno.EMFILE, errno.ENFILE):
        return [what, "the limit on open files is too low", "raise it: ulimit -n 1024"]
    return [what, "the system refused it", "check the path and its permissions"]
