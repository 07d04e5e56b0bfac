"""`heapgraph token`."""

from __future__ import annotations

import click

from heapgraph.cli.options import json_option
from heapgraph.cli.output import note, print_json, say


@click.group(name="token", short_help="Make a token for the daemon's endpoint.")
def token_command() -> None:
    """Who may ask the endpoint of `heapgraph watch`."""


@token_command.command(name="new", short_help="A new token, shown once.")
@click.option(
    "--scope",
    type=click.Choice(["status", "names", "profiles", "snapshot", "download"]),
    required=True,
    help="What it allows, each with those before it.",
)
@click.option("--name", default="", metavar="NAME", help="Who it is for; the audit log says it.")
@json_option
def new_command(scope: str, name: str, as_json: bool) -> None:
    """Make a token, and the line for the daemon's `tokens_file`, which holds only its hash."""
    from heapgraph.watch.http.tokens import new_token  # noqa: PLC0415 - keeps --help quick

    token, line = new_token(scope, name)
    if as_json:
        print_json({"token": token, "line": line})
        return
    note("the token; it is shown only now:")
    say(token)
    note("the line for tokens_file of [http]:")
    say(line)
