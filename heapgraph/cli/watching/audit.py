"""`heapgraph audit`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from heapgraph.cli.options import json_option
from heapgraph.cli.output import note, print_json, say
from heapgraph.errors import GateFailed, UsageError
from heapgraph.units import format_count

if TYPE_CHECKING:
    from heapgraph.watch.audit.verify import Expected, Verification

_EXPECTED = re.compile(r"([1-9][0-9]{0,17}):([0-9a-f]{64})")

_ACTS_SHOWN = 10


@click.group(name="audit", short_help="Check the audit log of the daemon.")
def audit_command() -> None:
    """What `heapgraph watch` did, for whom and why: a chain of lines."""


@audit_command.command(name="verify", short_help="Whether the chain is whole.")
@click.argument("log", type=click.Path(path_type=Path), metavar="LOG")
@click.option(
    "--expect",
    metavar="SEQ:HASH",
    help="A line as it was noted elsewhere: shows that the end was cut off, or all written anew.",
)
@json_option
def verify_command(log: Path, expect: str | None, as_json: bool) -> None:
    """Find the first line of LOG, a folder or one file of it, that is not as it was written.

    Exit code 1 when there is one.
    """
    from heapgraph.watch.audit.verify import verify  # noqa: PLC0415 - keeps --help quick

    result = verify(log, _expected(expect))
    if as_json:
        print_json(result.to_dict())
    else:
        _print(result)
    if result.damage is not None:
        where = f"{result.damage.file}, line {result.damage.line}"
        raise GateFailed(
            f"the audit log is not whole: {where}: {result.damage.text}",
            f"{format_count(result.lines)} lines before it hold; what follows proves nothing",
            f"keep a copy of {log}, and ask who could write there",
        )


def _expected(text: str | None) -> Expected | None:
    from heapgraph.watch.audit.verify import Expected  # noqa: PLC0415

    if text is None:
        return None
    match = _EXPECTED.fullmatch(text)
    if match is None:
        raise UsageError(
            f"{text!r} is no number and hash of a line",
            "they are noted as heapgraph audit verify prints them",
            "--expect SEQ:HASH, the hash with 64 digits",
        )
    return Expected(int(match[1]), match[2])


def _print(result: Verification) -> None:
    """What holds, for people."""
    if result.cut is not None:
        say(f"lines up to {result.cut['last_seq']} were deleted when they were too old")
    for torn in result.torn:
        say(f"a crash left {torn.get('bytes')} bytes of a line at the end of {torn.get('file')}")
    if result.lines:
        count = "1 line" if result.lines == 1 else f"{format_count(result.lines)} lines"
        say(f"{count} hold, numbers {result.first_seq} to {result.last_seq}")
    if result.open_intents:
        shown = ", ".join(map(str, result.open_intents[:_ACTS_SHOWN]))
        more = "" if len(result.open_intents) <= _ACTS_SHOWN else ", ..."
        say(f"begun, with no outcome in the log: line {shown}{more}")
    if result.is_intact:
        say(f"last: {result.last_seq}:{result.last_hash}")
        note("note it elsewhere: --expect shows later whether the end was cut off")
