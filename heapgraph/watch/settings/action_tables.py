"""Reads `[[action]]`: a webhook or a command, with no secret in the settings themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from heapgraph.watch.settings import readers
from heapgraph.watch.settings.model import ActionSpec
from heapgraph.watch.settings.quantities import BadValue
from heapgraph.watch.settings.rule_tables import BUILT_IN_ACTIONS

if TYPE_CHECKING:
    from pathlib import Path

    from heapgraph.watch.settings.tables import Table

KINDS = ("webhook", "command")
FORMATS = ("heapgraph", "alertmanager")

_OF_WEBHOOKS = ("url_file", "secret_file", "format", "retries")
_OF_COMMANDS = ("argv", "user")
_INLINE = {"url": "url_file", "secret": "secret_file", "token": "secret_file", "key": "secret_file"}


def read_action(table: Table, folder: Path) -> ActionSpec:
    """One action; what is wrong with it is noted in the table.

    Args:
        table: of one `[[action]]`.
        folder: paths that do not begin with / are meant from here.
    """
    path = readers.path_in(folder)
    for key, instead in _INLINE.items():
        table.refuse(key, f"no secret stands in the settings; {instead} names a file that has it")
    action = ActionSpec(
        name=table.require("name", _name, ""),
        kind=table.require("kind", readers.choice(KINDS), ""),
        url_file=table.get("url_file", path, None, is_shown=False),
        secret_file=table.get("secret_file", path, None, is_shown=False),
        format=table.get("format", readers.choice(FORMATS), "heapgraph"),
        argv=table.get("argv", readers.words, (), is_shown=False),
        user=table.get("user", readers.name, ""),
        timeout_s=table.get("timeout", readers.duration(0.1, 600), 5.0),
        retries=table.get("retries", readers.whole(0, 20), 5),
    )
    _check_kind(table, action)
    table.finish()
    return action


def _name(value: object) -> str:
    name = readers.name(value)
    if name in BUILT_IN_ACTIONS:
        raise BadValue("that name is one of heapgraph's own actions")
    return name


def _check_kind(table: Table, action: ActionSpec) -> None:
    foreign = {"webhook": _OF_COMMANDS, "command": _OF_WEBHOOKS}.get(action.kind, ())
    for key in foreign:
        if key in table:
            table.wrong(f"{key} makes no sense with a {action.kind}")
    if action.kind == "webhook" and "url_file" not in table and "url" not in table:
        table.wrong("url_file is missing: a file with the address, for nobody else to read")
    if action.kind == "command" and "argv" not in table:
        table.wrong('argv is missing: the program and its arguments, ["/usr/bin/logger"]')
