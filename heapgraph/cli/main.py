"""The program `heapgraph`: finds the command, runs it, explains every failure in three parts."""

from __future__ import annotations

import importlib
import os
import sys
from typing import TYPE_CHECKING

import click

from heapgraph import __version__
from heapgraph.cli.failure import explain_defect, explain_usage, print_error
from heapgraph.cli.output import print_help, print_traceback
from heapgraph.cli.questions import COMMANDS_OF_QUESTIONS, command_of
from heapgraph.errors import HeapgraphError

if TYPE_CHECKING:
    from collections.abc import Sequence

_LAST = "verify"

_WATCHING = ("ps", "top", "watch", "rules", "drill", "audit", "token")
"""Commands of the daemon, each a module of `cli/watching`."""

COMMANDS = (
    "dump",
    "capture",
    *(name for name in COMMANDS_OF_QUESTIONS if name != _LAST),
    "tui",
    "svg",
    "export",
    _LAST,
    *_WATCHING,
)
"""The commands, in the order of a first look at a heap; `verify` judges the file, not the heap."""

DEBUG_VARIABLE = "HEAPGRAPH_DEBUG"
"""Environment variable: set to 1, a failure keeps its Python traceback."""

EXIT_INTERRUPTED = 130
"""What shells report for a program ended by Ctrl-C (128 + SIGINT)."""


class LazyGroup(click.Group):
    """A group whose commands are imported when they are asked for, so `--help` stays quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of all commands, in their documented order."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of a question, or of its own module; None for an unknown name."""
        del ctx
        if cmd_name in COMMANDS_OF_QUESTIONS:
            return command_of(cmd_name)
        if cmd_name not in COMMANDS:
            return None
        room = "watching" if cmd_name in _WATCHING else "commands"
        module = importlib.import_module(f"heapgraph.cli.{room}.{cmd_name}")
        command: click.Command = getattr(module, f"{cmd_name}_command")
        return command


@click.group(
    cls=LazyGroup,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="heapgraph")
@click.pass_context
def program(context: click.Context) -> None:
    """Who holds the memory of a Python process, and by which references.

    Take a snapshot of a running process with `heapgraph dump PID`, then ask it questions. OBJECT is
    @ID, an ADDRESS (0x...), or an expression such as app.CACHE['user:42'].history[0].
    """
    if context.invoked_subcommand is None:
        print_help(context.get_help())
        context.exit(2)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the program and exit with its code; never a traceback, unless HEAPGRAPH_DEBUG=1.

    Args:
        arguments: command line without the program's name; None for the process's own.

    Raises:
        SystemExit: always. 0 fine, 1 a gate or an analysis failed, 2 usage, 3 the target cannot be
            dumped, 4 the snapshot cannot be read, 130 interrupted.
    """
    try:
        code = run_program(arguments)
    except Exception as failure:  # noqa: BLE001 - for whom asked for it
        print_traceback(failure)
        code = 1
    sys.exit(code)


def run_program(arguments: Sequence[str] | None) -> int:
    """Run one command line and return its exit code; see `main`."""
    if refusal := _open_standard_streams():
        print_error(refusal)
        return 2
    try:
        code = program.main(args=arguments, prog_name="heapgraph", standalone_mode=False)
        sys.stdout.flush()
    except BrokenPipeError:
        return _end_quietly()
    except SystemExit as stop:
        # click leaves by itself when stdout is closed, and after shell completion.
        return _end_quietly() if stop.code == 1 else 0
    except (KeyboardInterrupt, click.Abort):
        print_error(["interrupted"])
        return EXIT_INTERRUPTED
    except Exception as failure:
        if os.environ.get(DEBUG_VARIABLE) == "1":
            raise
        return _report(failure)
    return code if isinstance(code, int) else 0


def _open_standard_streams() -> list[str]:
    """Have something behind descriptors 0 to 2, and say so when nobody could read the results.

    The next file to be opened gets a closed descriptor's number: a snapshot would be written under
    that of stdout, and a message into the snapshot.

    Returns:
        The parts of an error when stdout was closed, else nothing.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free: this one
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: PTH123, SIM115 - for as long as the process
    if sys.stdout is not None:
        return []
    return [
        "standard output is closed",
        "the program was started with >&-, or by a service that gives it none",
        "send the output to a file, or to nobody: > /dev/null",
    ]


def _end_quietly() -> int:
    """End without a word: the reader of stdout (head, less) has seen enough.

    Python flushes stdout once more at exit; it gets a descriptor where that cannot fail.
    """
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.__stdout__.fileno() if sys.__stdout__ else 1)
    return 0


def _report(failure: Exception) -> int:
    """Explain a failure on stderr and return the exit code it stands for."""
    if isinstance(failure, HeapgraphError):
        print_error(failure.parts())
        return failure.exit_code
    if isinstance(failure, click.ClickException):
        print_error(explain_usage(failure))
        return 2
    print_error(explain_defect(failure))
    return 1
