"""`heapgraph verify`."""

from __future__ import annotations

import click

from heapgraph.cli.options import file_argument, json_option, opened
from heapgraph.cli.output import print_json, print_table
from heapgraph.errors import GateFailed


@click.command(name="verify", short_help="Check the file and its quality record.")
@file_argument
@json_option
def command(file: str, as_json: bool) -> None:
    """Check a snapshot: its checksums, its tables, and its quality record.

    Exit code 1 when the quality is below what is promised, 4 when the file is damaged.
    """
    from heapgraph.analysis.verify import verify_snapshot  # noqa: PLC0415 - loads numpy

    with opened(file) as (graph, progress):
        result = verify_snapshot(graph, progress=progress)
    if as_json:
        print_json(result.to_dict())
    else:
        print_table(
            (("", "left"), ("check", "left"), ("what was found", "left")),
            (
                ("ok" if check.passed else "FAILED", check.name, check.detail)
                for check in result.checks
            ),
        )
    failed = [check for check in result.checks if not check.passed]
    if failed:
        raise GateFailed(
            f"{file} is below the promised quality: " + ", ".join(check.name for check in failed),
            failed[0].detail,
            "take another snapshot: heapgraph dump PID",
        )
