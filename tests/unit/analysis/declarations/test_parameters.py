"""Values are read, checked and refused in one place, for the command line and for Python."""

from __future__ import annotations

import math

import numpy as np
import pytest

from heapgraph.analysis.declarations.parameters import Kind, Parameter
from heapgraph.analysis.registry import REGISTRY, run
from heapgraph.errors import UsageError
from helpers.app_heap import app_heap, graph_of
from helpers.cli import invoke

LIMIT = Parameter("limit", Kind.COUNT, "how many rows", 20)
SIZE = Parameter("min_size", Kind.BYTES, "the least size", minimum=0)
TIME = Parameter("time_limit", Kind.SECONDS, "stop then", 60.0)
WHICH = Parameter("object", Kind.OBJECT, "the object", required=True, is_argument=True)
ORDER = Parameter("order", Kind.CHOICE, "sorted by", "size", choices=("size", "count"))
KINDS = Parameter("exclude", Kind.NAMES, "kinds to leave out", ())
MANY = Parameter("objects", Kind.OBJECT, "the objects", required=True, many=True)


@pytest.mark.parametrize(
    ("parameter", "text", "value"),
    [
        (LIMIT, "7", 7),
        (SIZE, "0", 0),
        (TIME, "0.5", 0.5),
        (WHICH, "app.CACHE", "app.CACHE"),
        (ORDER, "count", "count"),
        (KINDS, "weak, frame,", ("weak", "frame")),
        (Parameter("raw", Kind.FLAG, "as stored"), "yes", True),
    ],
)
def test_a_text_is_read_by_its_kind(parameter, text, value):
    assert parameter.parse(text) == value


@pytest.mark.parametrize(
    ("parameter", "text", "what"),
    [
        (LIMIT, "0", "a limit of 0 is not in the range 1<=x<=2147483647"),
        (LIMIT, "many", "a limit of 'many' is not a valid integer"),
        (LIMIT, "1_0", "a limit of '1_0' is not a valid integer"),
        (SIZE, "-1", "a min size of -1 is not in the range 0<=x<=9223372036854775807"),
        (TIME, "0", "a time limit of 0.0 is not in the range x>0"),
        (TIME, "nan", "a time limit of nan is no number of seconds"),
        (TIME, "soon", "a time limit of 'soon' is not a valid number"),
        (ORDER, "age", "an order of 'age' is none of size, count"),
    ],
)
def test_what_is_no_value_is_refused_in_three_parts(parameter, text, what):
    with pytest.raises(UsageError) as failure:
        parameter.parse(text, asked_as=parameter.option_name)
    first, cause, hint = failure.value.parts()
    assert first == what
    assert cause.startswith(f"{parameter.option_name} has to be ")
    assert hint == f"{parameter.option_name} {parameter.metavar}: {parameter.help}"


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        (LIMIT, 0),
        (LIMIT, True),
        (LIMIT, 2.5),
        (LIMIT, "20"),
        (LIMIT, None),
        (LIMIT, 2**31),
        (TIME, math.inf),
        (WHICH, 2.5),
        (WHICH, None),
        (MANY, ()),
        (MANY, None),
        (ORDER, "age"),
    ],
)
def test_a_program_is_refused_the_same(parameter, value):
    with pytest.raises(UsageError) as failure:
        parameter.check(value)
    assert len(failure.value.parts()) == 3


def test_a_value_of_a_program_is_passed_on_as_the_function_wants_it():
    assert LIMIT.check(np.int64(7)) == 7
    assert type(WHICH.check(np.uint32(7))) is int
    assert MANY.check("app.CACHE") == ("app.CACHE",)
    assert MANY.check([1, "app"]) == (1, "app")
    assert KINDS.check(["weak", "frame"]) == ("weak", "frame")
    assert Parameter("limit", Kind.COUNT, "rows", printed_default=20).check(None) is None


LIMITED = [name for name, one in REGISTRY.items() if one.command and one.parameter("limit")]


@pytest.mark.parametrize("name", LIMITED)
def test_every_limit_is_held_on_the_command_line_and_in_python(name, tmp_path):
    analysis = REGISTRY[name]
    heap = app_heap()
    file = heap.write(tmp_path / "app.heapgraph")
    given = {one.name: "@1" for one in analysis.arguments if one.required or not one.many}
    with pytest.raises(UsageError) as failure:
        run(name, graph_of(heap), limit=0, **given)
    said = invoke(analysis.command_name, file, *given.values(), "--limit", 0)
    assert said.code == 2
    assert said.error[0] == failure.value.what


def test_an_argument_and_an_option_make_a_command_line():
    assert REGISTRY["dominators"].words({"of": "app.CACHE"}) == ["dominators", "--of", "app.CACHE"]
    assert REGISTRY["show"].words({"object": "@1"}) == ["show", "@1"]
    assert REGISTRY["paths"].words({"objects": "@1"}) == ["path", "@1"]
    assert REGISTRY["holders"].words({}) is None
