"""Generators, coroutines, tasks and frames: functions that stand still, with their variables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from heapgraph.analysis.expressions.literals import text_of
from heapgraph.analysis.expressions.segments import edges_of, label_text
from heapgraph.model import EdgeKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from heapgraph.graph.heap_graph import HeapGraph
    from heapgraph.graph.references import Reference

_TYPES = frozenset({"generator", "coroutine", "async_generator", "frame"})
SUSPENDED_PREFIXES = ("<task ", "<generator ", "<coroutine ", "<async generator ", "<frame ")
"""How expressions begin that start at a variable of a suspended function."""

_TASK_TYPES = frozenset({"_asyncio.Task", "asyncio.tasks.Task"})
_TASK_NAME_FIELDS = ("task_name", "_name")
_CODE_FIELDS = ("f_code", "gi_code", "cr_code", "ag_code")


def is_suspended(graph: HeapGraph, object_id: int) -> bool:
    """Whether the object's local variables are those of a function."""
    return graph.type_name(object_id) in _TYPES


def describe_suspended(graph: HeapGraph, object_id: int, referrer: Reference | None) -> str:
    """One line: `task 'poll' in fetch() at client.py:41`, `generator rows() at db.py:9`.

    Args:
        graph: the snapshot.
        object_id: a generator, a coroutine, an async generator or a frame.
        referrer: the reference the path came by; a task's gives the task's name.
    """
    what = graph.type_name(object_id).replace("_", " ")
    where = suspended_place(graph, object_id)
    if referrer is None or graph.type_name(referrer.source) not in _TASK_TYPES:
        return f"{what} {where}"
    name = _task_name(graph, referrer.source)
    return f"task in {where}" if name is None else f"task {name!r} in {where}"


def suspended_openings(graph: HeapGraph, object_id: int) -> set[str]:
    """Every way in which `describe_suspended` may write it: plainly, and by each task it is of."""
    tasks = (r for r in graph.referrers(object_id) if graph.type_name(r.source) in _TASK_TYPES)
    return {describe_suspended(graph, object_id, referrer) for referrer in (None, *tasks)}


def suspended_objects(graph: HeapGraph) -> Iterator[int]:
    """Ids of all generators, coroutines, async generators and frames."""
    for type_name in sorted(_TYPES):
        yield from graph.objects_of_type(type_name).tolist()


def suspended_place(graph: HeapGraph, object_id: int) -> str:
    """Where its code begins: `fetch() at client.py:41`."""
    for edge in edges_of(graph, object_id, EdgeKind.FIELD):
        reference = graph.reference(int(edge))
        if label_text(graph, reference) in _CODE_FIELDS:
            return graph.codes.place(reference.target).short_text
    return "?"


def _task_name(graph: HeapGraph, task: int) -> str | None:
    """The name of an asyncio task; None where it is made only when somebody asks.

    The C task shows no field names: there the name is the only text that a task refers to.
    """
    texts: list[str] = []
    for edge in edges_of(graph, task):
        reference = graph.reference(int(edge))
        text = text_of(graph, reference.target)
        if text is not None and label_text(graph, reference) in _TASK_NAME_FIELDS:
            return text
        if text is not None and reference.kind is EdgeKind.UNNAMED:
            texts.append(text)
    return texts[0] if len(texts) == 1 else None
