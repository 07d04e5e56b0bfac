"""Writes what follows from the declarations of the questions, so that nobody has to.

- heapgraph/questions.py: a typed method of `Snapshot` for each question
- docs/cli.md: the rows of their options, and a section for a question that has none yet

    python scripts/write_reference.py

tests/contract/test_reference.py fails when one of them is out of date.
"""

from __future__ import annotations

import inspect
import re
import textwrap
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

from heapgraph.analysis.declarations.parameters import Kind
from heapgraph.analysis.registry import REGISTRY
from heapgraph.analysis.results import columns_of, row_types
from heapgraph.cli.main import COMMANDS
from heapgraph.cli.questions import COMMANDS_OF_QUESTIONS

if TYPE_CHECKING:
    from heapgraph.analysis.declarations.analysis import Analysis
    from heapgraph.analysis.declarations.parameters import Parameter

ROOT = Path(__file__).resolve().parents[1]
METHODS, PAGE = ROOT / "heapgraph" / "questions.py", ROOT / "docs" / "cli.md"
_WIDTH = 100
_INDENT = " " * 8

_TYPES = {
    Kind.OBJECT: "int | str",
    Kind.COUNT: "int",
    Kind.BYTES: "int",
    Kind.SECONDS: "float",
    Kind.FLAG: "bool",
    Kind.NAMES: "Iterable[str]",
    Kind.SNAPSHOT: "Questions | str | os.PathLike[str]",
}

_HEAD = '''"""A method for each question that can be asked of a snapshot.

Written by scripts/write_reference.py from what is declared; a change by hand would be lost.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from heapgraph.analysis.registry import run

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable

{imports}
    from heapgraph.graph.heap_graph import HeapGraph


class Questions:
    """What can be asked; values are checked as on the command line.

    Attributes:
        graph: the snapshot.
    """

    graph: HeapGraph
    _progress: Progress | None
{methods}
    def _ask(self, name: str, **parameters: object) -> object:
        return run(name, self.graph, progress=self._progress, **parameters)


def _graph_of(
    snapshot: Questions | str | os.PathLike[str],
) -> HeapGraph | str | os.PathLike[str]:
    return snapshot.graph if isinstance(snapshot, Questions) else snapshot
'''


def python_methods() -> str:
    """The text of heapgraph/questions.py. Cost: imports every analysis."""
    imports = {"    from heapgraph.analysis.registry import Progress"}
    methods = []
    for analysis in REGISTRY.values():
        result = _result_type(analysis)
        imports.add(f"    from {result.__module__} import {result.__name__}")
        methods.append(_method(analysis, result.__name__))
    return _HEAD.format(imports="\n".join(sorted(imports)), methods="".join(methods))


def _result_type(analysis: Analysis) -> type:
    function = analysis.function
    name = inspect.signature(function).return_annotation
    found: type = vars(inspect.getmodule(function))[name]
    return found


def _method(analysis: Analysis, result: str) -> str:
    name = analysis.command_name or analysis.name
    parameters = _signature(analysis)
    head = f"    def {name}(self) -> {result}:"
    if parameters:
        head = f"    def {name}(self, {', '.join(line for line, _ in parameters)}) -> {result}:"
    if len(head) > _WIDTH or any(note for _, note in parameters):
        lines = "".join(f"        {line},{note}\n" for line, note in parameters)
        head = f"    def {name}(\n        self,\n{lines}    ) -> {result}:"
    values = [f"{one.name}={_passed_on(one)}" for one in analysis.parameters]
    words = ", ".join((f'"{analysis.name}"', *values))
    call = f'        return cast("{result}", self._ask({words}))'
    if len(call) > _WIDTH:
        inner = "".join(f"                {value},\n" for value in (f'"{analysis.name}"', *values))
        call = (
            f'        return cast(\n            "{result}",\n            self._ask(\n{inner}'
            "            ),\n        )"
        )
    return f"\n{head}\n{_docstring(analysis)}\n{call}\n"


def _signature(analysis: Analysis) -> list[tuple[str, str]]:
    """Parameters as in the source, each with its comment: arguments first, flags by keyword."""
    by_place = [one for one in analysis.parameters if one.kind is not Kind.FLAG]
    by_place.sort(key=lambda one: 0 if one.is_argument else 1 if one.many else 2)
    flags = [one for one in analysis.parameters if one.kind is Kind.FLAG]
    lines = [(_declaration(one), _shadowing(one)) for one in by_place]
    if flags and not any(one.many for one in by_place):
        lines.append(("*", ""))
    return lines + [(_declaration(one), "") for one in flags]


def _declaration(parameter: Parameter) -> str:
    kind = _TYPES.get(parameter.kind, "str")
    if parameter.many:
        return f"*{parameter.name}: {kind}"
    if parameter.required:
        return f"{parameter.name}: {kind}"
    may_be_none = parameter.default is None or parameter.printed_default is not None
    default = repr(parameter.default).replace("'", '"')  # as the formatter has it
    return f"{parameter.name}: {kind}{' | None' * may_be_none} = {default}"


def _shadowing(parameter: Parameter) -> str:
    is_builtin = parameter.name in ("object", "type", "filter", "id")
    return "  # noqa: A002 - as on the command line" if is_builtin else ""


def _passed_on(parameter: Parameter) -> str:
    if parameter.kind is not Kind.SNAPSHOT:
        return parameter.name
    name = parameter.name
    return f"tuple(map(_graph_of, {name}))" if parameter.many else f"_graph_of({name})"


def _docstring(analysis: Analysis) -> str:
    """What the command says, the parameters, and what the function says of errors and cost."""
    about = analysis.command
    first = _sentence(analysis.description) if about is None else about.short_help
    lines = _wrapped(f'"""{first}', _INDENT)
    if analysis.parameters:
        lines += ["", f"{_INDENT}Args:"]
    for parameter in analysis.parameters:
        text = f"{parameter.name}: {parameter.help}{_python_default(parameter)}"
        text = text if text.endswith(".") else f"{text}."
        lines += _wrapped(text, f"{_INDENT}    ", f"{_INDENT}        ")
    written = inspect.getdoc(analysis.function) or ""
    for section in re.findall(r"\n\n((?:Raises|Cost):.*?)(?=\n\n|\Z)", written, re.DOTALL):
        lines += ["", *_section(section)]
    if len(lines) == 1:
        return f'{lines[0]}"""'
    return "\n".join([*lines, f'{_INDENT}"""'])


def _section(text: str) -> list[str]:
    """A section of a docstring, wrapped anew for a deeper indent: entries stand four in."""
    entries: list[str] = []
    for line in text.splitlines():
        depth = len(line) - len(line.lstrip())
        if entries and (depth > 4 or (depth == 4 and text.startswith("Cost"))):  # noqa: PLR2004
            entries[-1] += f" {line.strip()}"
        else:
            entries.append(line)
    return [
        part
        for entry in entries
        for part in _wrapped(
            entry.strip(),
            _INDENT + " " * (len(entry) - len(entry.lstrip())),
            _INDENT + " " * (len(entry) - len(entry.lstrip()) + 4),
        )
    ]


def _python_default(parameter: Parameter) -> str:
    if parameter.required:
        return ""
    if parameter.default_text:
        return f"; default {parameter.default_text}"
    return "; None: all" if parameter.printed_default is not None else ""


def _wrapped(text: str, indent: str, further: str | None = None) -> list[str]:
    return textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=indent,
        subsequent_indent=indent if further is None else further,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def command_page(page: str) -> str:
    """docs/cli.md with the rows of all options as they are declared.

    Args:
        page: the page as it is; what else it says is kept.
    """
    for name, analysis in COMMANDS_OF_QUESTIONS.items():
        section = re.search(rf"^## heapgraph {name} .*?(?=^## )", page, re.MULTILINE | re.DOTALL)
        if section is None:
            later = COMMANDS[COMMANDS.index(name) + 1 :]
            titles = [*(f"## heapgraph {other} " for other in later), "## From Python"]
            place = next(where for where in map(page.find, titles) if where >= 0)
            page = page[:place] + _new_section(analysis) + page[place:]
            continue
        head, table, rest = re.split(r"((?:^\|.*\n)+)", section[0], maxsplit=1, flags=re.MULTILINE)
        page = (
            page[: section.start()] + head + _table(analysis, table) + rest + page[section.end() :]
        )
    return page


def _options(analysis: Analysis) -> list[Parameter]:
    return [parameter for parameter in analysis.parameters if not parameter.is_argument]


def _table(analysis: Analysis, written: str) -> str:
    """The table of a section; a row that has option and default right may say more."""
    rows = written.splitlines(keepends=True)
    new = rows[:2]
    for parameter in _options(analysis):
        row = _row(parameter)
        cell, default = row.split("|")[1], _worded_default(parameter)
        known = [one for one in rows if one.split("|")[1] == cell and default in one]
        new.append(known[0] if known else row)
    return "".join([*new, *(one for one in rows if one.startswith("| `--json` "))])


def _row(parameter: Parameter) -> str:
    value = "" if parameter.kind is Kind.FLAG else f" {parameter.metavar}"
    default = _worded_default(parameter)
    meaning = _markdown(parameter.help) + (f"; {default}" if default else "")
    return f"| `{parameter.option_name}{value}` | {meaning} |\n"


def _worded_default(parameter: Parameter) -> str:
    default = parameter.worded_default.replace("as JSON", "with `--json`")
    return f"default {default}" if default else ""


def _markdown(text: str) -> str:
    """Text with what Markdown would take for its own put in backticks."""
    return re.sub(r"(<[^>]+>|--\w[\w-]*|\b__\w+__|\btype:NAME)", r"`\1`", text)


def _new_section(analysis: Analysis) -> str:
    """A section that says what the declaration says, to be made better by hand."""
    assert analysis.command is not None  # noqa: S101 - only those are listed
    words = [analysis.command.file_metavar, *(one.metavar for one in analysis.arguments)]
    paragraphs = [
        "\n".join(textwrap.wrap(_markdown(text), 120))
        for text in analysis.command.help.split("\n\n")
    ]
    table = "| option | meaning |\n|---|---|\n" + "".join(map(_row, _options(analysis)))
    keys = ", ".join(_keys(_result_type(analysis)))
    title = f"## heapgraph {analysis.command_name} {' '.join(words)}"
    return "\n\n".join([title, *paragraphs, f"{table}| `--json` | keys {keys} |"]) + "\n\n"


def _keys(result: type) -> list[str]:
    """Keys of the JSON document, those with rows with the keys of a row."""
    found = []
    tables = row_types(result)
    for name in (*(one for one in columns_of(result) if one not in tables), *tables):
        row = tables.get(name)
        names = [] if row is None else [one.name for one in fields(row)]
        found.append(f"`{name}`" + (f": rows of `{'`, `'.join(names)}`" if names else ""))
    return found


def main() -> None:
    """Write both files."""
    METHODS.write_text(python_methods(), encoding="utf-8")
    PAGE.write_text(command_page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
