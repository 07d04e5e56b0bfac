"""What the members of a suspect are: functions by name, tasks by what they run and wait for."""

from __future__ import annotations

import posixpath
import re
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from heapgraph.analysis.execution.code_places import SUSPENDABLE_TYPES, code_of, common_line
from heapgraph.analysis.execution.greenlets import (
    EVENT_LOOP_TYPES,
    code_of_greenlet,
    waiting_greenlet,
)
from heapgraph.analysis.execution.tasks import TASK_TYPES, task_parts
from heapgraph.analysis.expressions import expression
from heapgraph.analysis.expressions.attributes import attribute
from heapgraph.analysis.expressions.literals import text_of
from heapgraph.analysis.expressions.python_steps import captured, captured_names
from heapgraph.analysis.expressions.segments import edges_of
from heapgraph.analysis.leaks.connections import MAX_ASKED, SELECTOR_KEY, handlers_of
from heapgraph.model import EdgeKind, ObjectFlags
from heapgraph.safe_text import begun
from heapgraph.snapshot.plain_tables import numpy_array
from heapgraph.units import format_count, format_size

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from heapgraph.graph.heap_graph import HeapGraph

_MAX_WRAPPERS = 4
"""Partials and methods around a function; objects between a future and the task it wakes."""

MOST = 0.9
"""Of the members that are looked at: so many alike speak for all."""

_NOTED_SHARE = 0.3
"""A captured variable is named when it has this share of what a function keeps."""

_SMALL = 10 << 10
"""Bytes below which they are counted one by one."""

_MAX_SAMPLES, _SAMPLE_CHARACTERS = 3, 24
_WRAPPER_FIELDS = ("__func__", "func")
FINALIZER = "weakref.finalize._Info"
_WRAPPED_TYPES = frozenset({"function", "method", "functools.partial", FINALIZER})
_FUTURE_TYPES = frozenset({"_asyncio.Future", "asyncio.futures.Future"})


def describe_members(graph: HeapGraph, type_name: str, members: NDArray[np.uint32]) -> str | None:
    """Members that run code, by the code: `3,000 on_price.<locals>.hook (prices.py:5)`.

    Args:
        graph: the snapshot.
        type_name: of the members.
        members: uint32[k], the largest first.

    Returns:
        None for members of other types, and where no code is that of nearly all.

    Cost: the references of at most 1,000 members.
    """
    count = format_count(len(members))
    if type_name in TASK_TYPES or type_name in _FUTURE_TYPES:
        return _tasks(graph, type_name, members)
    if re.fullmatch(EVENT_LOOP_TYPES, type_name):
        return _greenlets(graph, members)
    if (named := _named(graph, type_name, members)) is not None:
        return named
    text = describe_one(graph, type_name, members)
    if text is None:
        return None
    if type_name == FINALIZER:
        return f"{count} finalizers that call {text}{_awaited_end(graph, members)}"
    return f"{count} {text}"


def describe_one(graph: HeapGraph, type_name: str, members: NDArray[np.uint32]) -> str | None:
    """The code that nearly all of some members run: `on_price.<locals>.hook (prices.py:5)`.

    Args, cost: as of `describe_members`.
    """
    if type_name in _WRAPPED_TYPES:
        code = _common([_function_code(graph, int(each)) for each in members[:MAX_ASKED]])
    elif type_name in SUSPENDABLE_TYPES:
        code = _common([code_of(graph, int(each)) for each in members[:MAX_ASKED]])
    else:
        return None
    if code is None:
        return None
    place = graph.codes.place(code)
    one = _function(graph, int(members[0]))
    if type_name in SUSPENDABLE_TYPES:
        one = int(members[0])
        line = common_line(graph, members[:MAX_ASKED].tolist())
        place = place if line is None else replace(place, line=line)
    name = place.function if one is None else _qualified(graph, one, place.function)
    where = f" ({posixpath.basename(place.file)}:{place.line})" if place.file else ""
    kind = "" if type_name in ("function", FINALIZER) else f" as {type_name}"
    return f"{name}{where}{kind}"


def _qualified(graph: HeapGraph, function: int, name: str) -> str:
    """The name of a function with its class: up to 3.10 its code knows the last part only.

    What functools.wraps gave to it is the name of another function.
    """
    if attribute(graph, function, "__wrapped__") is not None:
        return name
    text = attribute(graph, function, "__qualname__")
    qualified = None if text is None else text_of(graph, text)
    return qualified if qualified and qualified.endswith(f".{name}") else name


def _named(graph: HeapGraph, type_name: str, members: NDArray[np.uint32]) -> str | None:
    """Modules, classes and connections: by their names, and by who serves them."""
    count = format_count(len(members))
    if type_name == "module":
        return f"{count} modules {_first_and_last(_module_names(graph, members))}"
    if type_name == SELECTOR_KEY:
        return _connections(graph, members)
    if len(members) and graph.flags[members[0]] & ObjectFlags.IS_TYPE:
        return f"{count} classes {_first_and_last(_class_names(graph, members))}"
    return None


def _connections(graph: HeapGraph, keys: NDArray[np.uint32]) -> str:
    """Connections in the table of a selector, by the handler that nearly all of them have."""
    handlers = [each for each in handlers_of(graph, keys) if each is not None]
    code = _common([_function_code(graph, each) for each in handlers])
    text = f"{format_count(len(keys))} connections"
    if code is None or len(handlers) < MOST * min(len(keys), MAX_ASKED):
        return text
    return f"{text} that {graph.codes.place(code).short_text} served"


def _first_and_last(names: list[str]) -> str:
    """The first and the last of some names in order of their numbers."""
    names = sorted(names, key=_natural)
    return " ... ".join(dict.fromkeys((names[0], names[-1])))


def _module_names(graph: HeapGraph, modules: NDArray[np.uint32]) -> list[str]:
    names_of = {module.object: module.name for module in graph.modules.rows}
    return [names_of.get(one, "") for one in modules.tolist()]


def _class_names(graph: HeapGraph, classes: NDArray[np.uint32]) -> list[str]:
    table = graph.table("types")
    objects = numpy_array(table.column("object")).tolist()
    names_of = dict(zip(objects, table.column("name").to_pylist(), strict=True))
    return [names_of.get(one, graph.type_name(one)) for one in classes.tolist()]


def _natural(name: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdigit() else (0, part) for part in re.split(r"(\d+)", name)]


def _awaited_end(graph: HeapGraph, finalizers: NDArray[np.uint32]) -> str:
    """Whose end finalizers wait for, where nearly all wait for one that lives."""
    ends = []
    for one in finalizers[:MAX_ASKED].tolist():
        weak = attribute(graph, one, "weakref")
        edges = [] if weak is None else list(edges_of(graph, weak, EdgeKind.WEAK))
        ends.append(int(graph.targets[edges[0]]) if edges else None)
    end = _common(ends)
    return "" if end is None else f" when `{expression(graph, end)}` goes, which lives"


def samples_of(graph: HeapGraph, members: NDArray[np.uint32]) -> str:
    """A few of the members, by their text: ` ('Bearer 0...', 'Bearer 1...')`; may be empty."""
    previews = graph.previews(members[:_MAX_SAMPLES])
    samples = ", ".join(
        repr(begun(text, _SAMPLE_CHARACTERS)) for text in dict.fromkeys(previews) if text
    )
    return f" ({samples})" if samples else ""


def describe_captured(graph: HeapGraph, member: int, most: int, *, with_size: bool) -> str:
    """Where the bytes of one function go: `, of which 2,000 bytes: body`; may be empty.

    Args:
        graph: the snapshot.
        member: the function, or what wraps it.
        most: bytes that each of its kind keeps; a chain of functions keeps the rest in the first.
        with_size: whether it is as large as the others; else no number is said of it.
    """
    function = _function(graph, member)
    if function is None:
        return ""
    total = graph.folded.retained_size(member)
    sizes = [
        (graph.folded.retained_size(value), name)
        for name in captured_names(graph, function)
        if name is not None and (value := captured(graph, function, name)) is not None
    ]
    size, name = max(sizes, default=(0, ""))
    is_own = most >= size >= _NOTED_SHARE * total
    text = f"{format_count(size)} bytes" if size < _SMALL else format_size(size)
    part = f"of which {text}" if with_size else "much of it"
    return f" ({part}: {name})" if is_own and name else ""


def _tasks(graph: HeapGraph, type_name: str, members: NDArray[np.uint32]) -> str | None:
    """Tasks, or the futures that tasks wait for, by what the tasks run."""
    asked = members[:MAX_ASKED].tolist()
    tasks = asked if type_name in TASK_TYPES else [_woken_task(graph, each) for each in asked]
    parts = [None if task is None else task_parts(graph, task) for task in tasks]
    coroutines = [None if part is None else part.coroutine for part in parts]
    code = _common([None if each is None else code_of(graph, each) for each in coroutines])
    if code is None:
        return None
    place = graph.codes.place(code)
    line = common_line(graph, (each for each in coroutines if each is not None))
    place = place if line is None else replace(place, line=line)
    return f"{format_count(len(members))} tasks in {place.short_text}"


def _greenlets(graph: HeapGraph, members: NDArray[np.uint32]) -> str | None:
    """Greenlets, or what each of them waits with, by the function in which they began."""
    asked = [waiting_greenlet(graph, each) for each in members[:MAX_ASKED].tolist()]
    code = _common([None if one is None else code_of_greenlet(graph, one) for one in asked])
    if code is None:
        return None
    return f"{format_count(len(members))} greenlets in {graph.codes.place(code).short_text}"


def _woken_task(graph: HeapGraph, future: int) -> int | None:
    """The task that goes on when a future is done."""
    level = [future]
    for _ in range(_MAX_WRAPPERS):
        level = [int(child) for one in level for child in graph.dominators.unsorted_children(one)]
        for each in level:
            if graph.type_name(each) in TASK_TYPES:
                return each
    return None


def _function(graph: HeapGraph, member: int) -> int | None:
    """The function inside of methods and partials."""
    for _ in range(_MAX_WRAPPERS):
        if graph.type_name(member) == "function":
            return member
        inner = attribute(graph, member, *_WRAPPER_FIELDS)
        if inner is None:
            return None
        member = inner
    return None


def _function_code(graph: HeapGraph, member: int) -> int | None:
    function = _function(graph, member)
    return None if function is None else attribute(graph, function, "__code__")


def _common(codes: list[int | None]) -> int | None:
    """The code of nearly all."""
    if not codes:
        return None
    code, count = Counter(codes).most_common(1)[0]
    return code if count >= MOST * len(codes) else None
