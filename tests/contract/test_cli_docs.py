"""docs/cli.md has every command and every option, and no other."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from heapgraph.analysis.paths import EXCLUDABLE
from heapgraph.cli.main import COMMANDS, program

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "cli.md").read_text()
SECTIONS = {
    title.split()[1]: body
    for title, body in re.findall(r"^## (heapgraph .*)\n((?:(?!^## ).*\n)*)", PAGE, re.MULTILINE)
}


def command_of(name: str) -> click.Command:
    command = program.get_command(click.Context(program), name)
    assert command is not None
    return command


def test_every_command_has_a_section():
    assert list(SECTIONS) == list(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_section_lists_the_options_of_its_command(name):
    options = {
        opt
        for parameter in command_of(name).params
        if isinstance(parameter, click.Option)
        for opt in parameter.opts
    }
    rows = re.findall(r"^\| (`.*?) \|", SECTIONS[name], re.MULTILINE)
    documented = {opt for row in rows for opt in re.findall(r"`(-[\w-]+)", row)}
    assert documented == options


@pytest.mark.parametrize("name", COMMANDS)
def test_a_section_names_the_arguments_in_order(name):
    title = re.search(rf"^## heapgraph {name} (.*)$", PAGE, re.MULTILINE)[1]
    arguments = [p for p in command_of(name).params if isinstance(p, click.Argument)]
    assert title.split() == [a.metavar or a.name.upper() for a in arguments]


def test_every_command_says_what_it_does():
    for name in COMMANDS:
        command = command_of(name)
        assert command.help
        assert command.short_help


def test_what_can_be_excluded_is_listed():
    section = SECTIONS["path"]
    assert [name for name in EXCLUDABLE if f"`{name}`" not in section] == []
