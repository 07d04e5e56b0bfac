"""The commands that ask a question: made from what is declared of it, with its layout."""

from __future__ import annotations

import importlib
import importlib.util
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from heapgraph.analysis.declarations.parameters import Kind
from heapgraph.analysis.registry import REGISTRY, run
from heapgraph.cli.options import json_option, opened
from heapgraph.cli.output import print_json

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from heapgraph.analysis.declarations.analysis import Analysis
    from heapgraph.analysis.declarations.parameters import Parameter

    _ParamType = click.ParamType[Any]
else:
    _ParamType = click.ParamType  # takes no type argument before click 8.5

COMMANDS_OF_QUESTIONS: dict[str, Analysis] = {
    one.command_name: one for one in REGISTRY.values() if one.command is not None
}
"""Questions by the command that asks them, in their order."""


@dataclass(frozen=True)
class Layout:
    """How the result of one question is printed, in a module of `cli/commands` with its name.

    Attributes:
        print_text: print the result for people.
        conclude: what follows, after text and after JSON alike: notes, a failed gate.
    """

    print_text: Callable[[Any, Asked], None]
    conclude: Callable[[Any, Asked], None] = lambda _result, _asked: None


@dataclass(frozen=True)
class Asked:
    """What was asked for.

    Attributes:
        file: the snapshot.
        values: of all parameters.
    """

    file: str
    values: Mapping[str, Any]


class DeclaredValue(_ParamType):
    """A value that its parameter reads, and refuses in its own words."""

    def __init__(self, parameter: Parameter) -> None:
        """Keep the parameter."""
        self.parameter = parameter
        self.name = parameter.kind.name.lower()

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:  # noqa: ANN401 - as in click
        """Read a text; defaults are values already."""
        del param, ctx
        if not isinstance(value, str):
            return value
        parameter = self.parameter
        asked_as = "" if parameter.is_argument else parameter.option_name
        return parameter.parse(value, asked_as=asked_as)


class DeclaredWholeNumber(DeclaredValue, click.IntRange):
    """The same with its range in the help page."""

    def __init__(self, parameter: Parameter) -> None:
        """Keep the parameter and its range."""
        click.IntRange.__init__(self, parameter.minimum, parameter.maximum)
        DeclaredValue.__init__(self, parameter)


def command_of(name: str) -> click.Command:
    """The command that asks a question, by its name on the command line."""
    analysis = COMMANDS_OF_QUESTIONS[name]
    if (about := analysis.command) is None:
        raise KeyError(name)

    def ask(file: str, as_json: bool, **values: Any) -> None:  # noqa: ANN401 - by the declaration
        _ask(analysis, Asked(file, values), as_json=as_json)

    parameters = [click_parameter(one) for one in analysis.parameters]
    file = click.Argument(["file"], type=click.Path(path_type=str), metavar=about.file_metavar)
    command = click.Command(
        name,
        callback=ask,
        params=[file, *parameters],
        help=about.help,
        short_help=about.short_help,
    )
    return json_option(command)


def click_parameter(parameter: Parameter) -> click.Parameter:
    """An argument or an option for a parameter; its value comes as `parameter.name`."""
    is_whole = parameter.kind in (Kind.COUNT, Kind.BYTES)
    kind = (DeclaredWholeNumber if is_whole else DeclaredValue)(parameter)
    if parameter.is_argument:
        is_needed = parameter.required or not parameter.many
        return click.Argument(
            [parameter.name],
            type=kind,
            metavar=parameter.metavar,
            nargs=-1 if parameter.many else 1,
            required=is_needed,
        )
    is_flag = parameter.kind is Kind.FLAG
    return click.Option(
        [parameter.option_name, parameter.name],
        type=None if is_flag else kind,
        is_flag=is_flag,
        multiple=parameter.many,
        default=parameter.default,
        metavar=None if is_flag else parameter.metavar,
        help=help_of(parameter),
    )


def help_of(parameter: Parameter) -> str:
    """What a help page says of an option."""
    text = f"{parameter.help[:1].upper()}{parameter.help[1:]}"
    text = text if text.endswith(".") else f"{text}."
    default = parameter.worded_default
    return f"{text} [default: {default}]" if default else text


def _ask(analysis: Analysis, asked: Asked, *, as_json: bool) -> None:
    """Ask, and print the answer."""
    values = dict(asked.values)
    for parameter in analysis.parameters:
        if parameter.printed_default is not None and not _is_given(parameter.name):
            values[parameter.name] = None if as_json else parameter.printed_default
    with opened(asked.file) as (graph, progress):
        result = run(analysis.name, graph, progress=progress, **values)
    layout = layout_of(analysis.command_name)
    if as_json:
        print_json(result.to_dict())
    else:
        layout.print_text(result, asked)
    layout.conclude(result, asked)


def _is_given(name: str) -> bool:
    source = click.get_current_context().get_parameter_source(name)
    return source is not click.core.ParameterSource.DEFAULT


def layout_of(name: str) -> Layout:
    """The layout of a command's own module, or else a table of the rows."""
    module = f"heapgraph.cli.commands.{name}"
    if importlib.util.find_spec(module) is None:
        from heapgraph.cli.result_table import print_result  # noqa: PLC0415 - most have their own

        return Layout(print_result)
    layout: Layout = importlib.import_module(module).LAYOUT
    return layout
