"""docs/cli.md has every command and every option, and no other."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from heapgraph.analysis.paths import EXCLUDABLE
from heapgraph.cli.main import COMMANDS, program

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "cli.md").read_text()


def command_of(name: str) -> click.Command:
    command = program.get_command(click.Context(program), name)
    assert command is not None
    return command


def documented_names() -> list[str]:
    """All commands; in place of a group, those that are in it."""
    names = []
    for name in COMMANDS:
        command = command_of(name)
        inner = list(command.commands) if isinstance(command, click.Group) else []
        names += [f"{name} {one}" for one in inner] or [name]
    return names


NAMES = documented_names()
TITLES = dict(re.findall(r"^## heapgraph (.*)\n((?:(?!^## ).*\n)*)", PAGE, re.MULTILINE))
SECTIONS = {
    next((name for name in NAMES if f"{title} ".startswith(f"{name} ")), title): (title, body)
    for title, body in TITLES.items()
}


def command_at(name: str) -> click.Command:
    first, *rest = name.split()
    command = command_of(first)
    for word in rest:
        assert isinstance(command, click.Group)
        command = command.commands[word]
    return command


def test_every_command_has_a_section():
    assert list(SECTIONS) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_section_lists_the_options_of_its_command(name):
    options = {
        opt
        for parameter in command_at(name).params
        if isinstance(parameter, click.Option)
        for opt in parameter.opts
    }
    rows = re.findall(r"^\| (`.*?) \|", SECTIONS[name][1], re.MULTILINE)
    documented = {opt for row in rows for opt in re.findall(r"`(-[\w-]+)", row)}
    assert documented == options


@pytest.mark.parametrize("name", NAMES)
def test_a_section_names_the_arguments_in_order(name):
    words = SECTIONS[name][0].removeprefix(name).split()
    arguments = [p for p in command_at(name).params if isinstance(p, click.Argument)]
    assert words == [a.metavar or a.name.upper() for a in arguments]


def test_every_command_says_what_it_does():
    for name in [*COMMANDS, *NAMES]:
        command = command_at(name)
        assert command.help
        assert command.short_help


def test_what_can_be_excluded_is_listed():
    section = SECTIONS["path"][1]
    assert [name for name in EXCLUDABLE if f"`{name}`" not in section] == []
