"""asyncio tasks: what each one runs, through which coroutines, and what it waits for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from heapgraph.analysis.execution.code_places import (
    SUSPENDABLE_TYPES,
    frame_owner,
    has_ended,
    place_of,
)
from heapgraph.analysis.expressions import expression
from heapgraph.analysis.expressions.attributes import attributes_of
from heapgraph.analysis.expressions.literals import text_of
from heapgraph.analysis.expressions.segments import edges_of
from heapgraph.analysis.results import not_serialized
from heapgraph.model import EdgeKind
from heapgraph.units import Bytes, Expression, Number, ObjectId

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from heapgraph.graph.heap_graph import HeapGraph

TASK_TYPES = ("_asyncio.Task", "asyncio.tasks.Task", "asyncio.tasks._PyTask")
FUTURE_TYPES = ("_asyncio.Future", "asyncio.futures.Future", "asyncio.tasks._GatheringFuture")

MAX_CHAIN = 100
"""Awaits of a task that are followed."""

_WORD = 8
_CORO_NAMES = ("task_coro", "_coro")
_NAME_NAMES = ("task_name", "_name")
_WAITER_NAMES = ("task_fut_waiter", "_fut_waiter")
_DELEGATES = frozenset(
    {"_asyncio.FutureIter", "async_generator_asend", "async_generator_athrow", "coroutine_wrapper"}
)
"""Objects that stand between an `await` and what is awaited; they hold it in a field."""


@dataclass(frozen=True)
class AwaitStep:
    """One object of an await chain.

    Attributes:
        id: object id.
        type: qualified type name.
        function, file, line: where it stands; where its code begins once it has ended; empty and
            0 where it is not Python code.
    """

    id: ObjectId
    type: str
    function: str
    file: str
    line: Number


@dataclass(frozen=True)
class TaskRow:
    """One asyncio task.

    Attributes:
        id: object id.
        name: its name; None where the task has none of its own yet.
        state: "pending", or "done" when its coroutine has ended.
        retained_size: bytes that go with it.
        chain: its coroutine, what that awaits, and so on; the last is what everything waits for.
        expression: how to reach it.
    """

    id: ObjectId
    name: str | None
    state: str
    retained_size: Bytes
    chain: tuple[AwaitStep, ...]
    expression: Expression
    type: str = not_serialized("")


@dataclass(frozen=True)
class TaskParts:
    """What a task object refers to; None for what it does not have."""

    coroutine: int | None
    waiter: int | None
    name: str | None


def find_tasks(graph: HeapGraph) -> NDArray[np.uint32]:
    """uint32[k], ids of all asyncio tasks, rising."""
    return np.unique(np.concatenate([graph.objects_of_type(name) for name in TASK_TYPES]))


def task_parts(graph: HeapGraph, task: int) -> TaskParts:
    """Coroutine, awaited future and name of a task.

    The C task shows no field names; there its coroutine is found by its type, and its struct has
    the awaited future before it and the name behind it (Modules/_asynciomodule.c, 3.8 to 3.15).
    """
    edges = edges_of(graph, task, EdgeKind.UNNAMED)
    by_offset = dict(zip(graph.labels[edges].tolist(), graph.targets[edges].tolist(), strict=True))
    coroutines = [
        offset
        for offset, target in by_offset.items()
        if graph.type_name(target) in SUSPENDABLE_TYPES
    ]
    if coroutines:
        place = max(coroutines)  # a result of the task, which may be one too, lies before it
        waiter, name = by_offset.get(place - _WORD), by_offset.get(place + _WORD)
        if waiter is not None and not _is_awaitable(graph, waiter):
            waiter = None
        return TaskParts(by_offset[place], waiter, _task_name(graph, name))
    named = attributes_of(graph, task)

    def first(names: tuple[str, ...]) -> int | None:
        return next((named[name] for name in names if name in named), None)

    waiter = first(_WAITER_NAMES)
    if waiter is not None and graph.type_name(waiter) == "NoneType":
        waiter = None
    return TaskParts(first(_CORO_NAMES), waiter, _task_name(graph, first(_NAME_NAMES)))


def is_done(graph: HeapGraph, parts: TaskParts) -> bool:
    """Whether a task has ended: its coroutine has."""
    return parts.coroutine is None or has_ended(graph, parts.coroutine)


def task_row(graph: HeapGraph, task: int) -> TaskRow:
    """Everything that is said of one task."""
    parts = task_parts(graph, task)
    return TaskRow(
        task,
        parts.name,
        "done" if is_done(graph, parts) else "pending",
        graph.folded.retained_size(task),
        await_chain(graph, parts),
        expression(graph, task),
        graph.type_name(task),
    )


def await_chain(graph: HeapGraph, parts: TaskParts) -> tuple[AwaitStep, ...]:
    """From a task's coroutine to what it waits for in the end."""
    found: list[int] = []
    following = parts.coroutine
    while following is not None and following not in found and len(found) < MAX_CHAIN:
        found.append(following)
        following = awaited_by(graph, following)
    if parts.waiter is not None and parts.waiter not in found:
        found.append(parts.waiter)
    return tuple(_step(graph, object_id) for object_id in found)


def awaited_by(graph: HeapGraph, object_id: int) -> int | None:
    """What a coroutine, a generator or a helper between them awaits or yields from, or None.

    It lies on top of the evaluation stack of a suspended frame.
    """
    type_name = graph.type_name(object_id)
    if type_name in SUSPENDABLE_TYPES:
        edges = edges_of(graph, frame_owner(graph, object_id), EdgeKind.STACK)
        if not len(edges):
            return None
        top = int(graph.targets[edges[np.argmax(graph.labels[edges])]])
        return top if _is_awaitable(graph, top) else None
    if type_name in _DELEGATES:
        targets = (int(graph.targets[edge]) for edge in edges_of(graph, object_id))
        return next((target for target in targets if _is_awaitable(graph, target)), None)
    return None


def _is_awaitable(graph: HeapGraph, object_id: int) -> bool:
    name = graph.type_name(object_id)
    return (
        name in SUSPENDABLE_TYPES
        or name in _DELEGATES
        or name in TASK_TYPES
        or name in FUTURE_TYPES
        or name.endswith(("Future", "Task"))
    )


def _step(graph: HeapGraph, object_id: int) -> AwaitStep:
    type_name = graph.type_name(object_id)
    if type_name not in SUSPENDABLE_TYPES:
        return AwaitStep(object_id, type_name, "", "", 0)
    place = place_of(graph, object_id)
    return AwaitStep(object_id, type_name, place.function, place.file, place.line)


def _task_name(graph: HeapGraph, name: int | None) -> str | None:
    """A task's name. Since 3.12 a number stands for `Task-N` until somebody asks."""
    if name is None:
        return None
    if graph.type_name(name) == "int":
        return f"Task-{graph.preview(name)}"
    return text_of(graph, name)
