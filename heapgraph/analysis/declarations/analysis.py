"""One question that can be asked of a graph, as data: its module is imported when it is asked."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from heapgraph.analysis.declarations.parameters import check_values

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from heapgraph.analysis.declarations.parameters import Parameter
    from heapgraph.analysis.results import Result


@dataclass(frozen=True)
class Command:
    """What the command line says of a question besides its parameters.

    Attributes:
        short_help: in the list of commands, a sentence.
        help: more sentences; paragraphs with an empty line between them.
        name: where it is not the question's name.
        file_metavar: what stands for the snapshot in the usage line.
    """

    short_help: str
    help: str
    name: str = ""
    file_metavar: str = "FILE"


@dataclass(frozen=True)
class Analysis:
    """One question that can be asked of a graph.

    Attributes:
        name: of the question, and of its module below `heapgraph.analysis`.
        function_name: in that module; `function(graph, *, progress=None, **parameters)` returns a
            frozen `Result`.
        description: what it tells, as a phrase without a full stop.
        parameters: in the order in which the command line lists them.
        command: None: the command line does not ask it.
    """

    name: str
    function_name: str
    description: str
    parameters: tuple[Parameter, ...] = ()
    command: Command | None = None

    @property
    def function(self) -> Callable[..., Result]:
        """The function that answers. Cost: its module, and numpy with the first one."""
        module = importlib.import_module(f"heapgraph.analysis.{self.name}")
        function: Callable[..., Result] = getattr(module, self.function_name)
        return function

    @property
    def command_name(self) -> str:
        """The command that asks it, and the method of a snapshot; "" for no command."""
        return (self.command.name or self.name) if self.command is not None else ""

    @property
    def arguments(self) -> tuple[Parameter, ...]:
        """Parameters that the command line takes by their position."""
        return tuple(parameter for parameter in self.parameters if parameter.is_argument)

    def parameter(self, name: str) -> Parameter | None:
        """The parameter of this name; None: there is none."""
        return next((one for one in self.parameters if one.name == name), None)

    def check(self, values: Mapping[str, object]) -> dict[str, Any]:
        """Values as the function gets them.

        Raises:
            UsageError: an unknown name, a value that is not allowed, or a missing one.
        """
        return check_values(self.name, self.parameters, values)

    def parse(self, texts: Mapping[str, str]) -> dict[str, Any]:
        """Values from texts that a person typed; `check` has still to see them.

        Raises:
            UsageError: a text is no value of its parameter.
        """
        known = {parameter.name: parameter for parameter in self.parameters}
        return {n: known[n].parse(text) if n in known else text for n, text in texts.items()}

    def words(self, texts: Mapping[str, str]) -> list[str] | None:
        """Command and arguments that ask this of the command line, FILE left out; None: no command.

        Args:
            texts: values by parameter, as they were typed.
        """
        if self.command is None:
            return None
        words = [texts[one.name] for one in self.arguments if one.name in texts]
        for parameter in self.parameters:
            if parameter.name in texts and not parameter.is_argument:
                words += [parameter.option_name, texts[parameter.name]]
        return [self.command_name, *words]
