"""What scripts/write_reference.py writes is up to date, and functions are as they are declared."""

from __future__ import annotations

import importlib.util
import inspect
from pathlib import Path

import pytest

from heapgraph.analysis.declarations.parameters import Kind
from heapgraph.analysis.registry import REGISTRY
from heapgraph.api import Snapshot

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def script():
    """The script as a module; it is no part of the package."""
    path = ROOT / "scripts" / "write_reference.py"
    spec = importlib.util.spec_from_file_location("write_reference", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_methods_are_those_that_are_declared(script):
    assert script.METHODS.read_text(encoding="utf-8") == script.python_methods()


def test_the_page_of_commands_has_all_options_as_they_are_declared(script):
    page = script.PAGE.read_text(encoding="utf-8")
    assert script.command_page(page) == page


def test_a_question_without_a_section_gets_one(script):
    page = script.PAGE.read_text(encoding="utf-8")
    head, _, rest = page.partition("## heapgraph waste FILE\n")
    without = head + "## heapgraph memory" + rest.partition("## heapgraph memory")[2]
    again = script.command_page(without)
    _, _, section = again.partition("## heapgraph waste FILE\n")
    assert "| `--min-size BYTES` | leave out waste below this size; default 1 %" in section
    assert "rows of `detector`, `wasted_size`, `count`, `owners`, `advice`" in section
    assert section.index("## heapgraph memory FILE") < section.index("## heapgraph diff OLD")


def test_a_row_whose_default_is_another_is_written_anew(script):
    page = script.PAGE.read_text(encoding="utf-8")
    wrong = page.replace("types to list; default 30", "types to list; default 31")
    assert wrong != page
    assert "how many types to list; default 30, or all" in script.command_page(wrong)


@pytest.mark.parametrize("name", REGISTRY)
def test_a_function_takes_what_is_declared_with_the_same_defaults(name):
    analysis = REGISTRY[name]
    taken = dict(inspect.signature(analysis.function).parameters)
    declared = {one.name: one for one in analysis.parameters}
    assert set(declared) <= set(taken)
    for parameter in declared.values():
        default = taken[parameter.name].default
        assert default == (inspect.Parameter.empty if parameter.required else parameter.default)


@pytest.mark.parametrize("name", REGISTRY)
def test_a_snapshot_has_a_method_for_every_question(name):
    analysis = REGISTRY[name]
    signature = inspect.signature(getattr(Snapshot, analysis.command_name or name))
    assert set(signature.parameters) - {"self"} == {one.name for one in analysis.parameters}
    for parameter in analysis.parameters:
        is_keyword = signature.parameters[parameter.name].kind is inspect.Parameter.KEYWORD_ONLY
        assert is_keyword or parameter.kind is not Kind.FLAG
