"""Generators, coroutines, tasks and frames: functions that stand still, with their variables."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from heapgraph.analysis.expressions.literals import text_of
from heapgraph.analysis.expressions.segments import edges_of, label_text
from heapgraph.model import EdgeKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from heapgraph.graph.heap_graph import HeapGraph

_TYPES = frozenset({"generator", "coroutine", "async_generator", "frame"})
SUSPENDED_PREFIXES = ("<task ", "<generator ", "<coroutine ", "<async generator ", "<frame ")
"""How expressions begin that start at a variable of a suspended function."""

TASK_TYPES = frozenset({"_asyncio.Task", "asyncio.tasks.Task", "asyncio.tasks._PyTask"})
_TASK_NAME_FIELDS = ("task_name", "_name")
_CODE_FIELDS = ("f_code", "gi_code", "cr_code", "ag_code")
_WORD = 8
_MAX_WAITING = 100
"""Functions that wait for each other, from a task down to the one that stands still."""


def is_suspended(graph: HeapGraph, object_id: int) -> bool:
    """Whether the object's local variables are those of a function."""
    return graph.type_name(object_id) in _TYPES


def suspended_opening(graph: HeapGraph, object_id: int, task: int | None) -> str:
    """How expressions begin at its variables: `<task 'poll' in fetch() at client.py:41>`.

    Args:
        graph: the snapshot.
        object_id: a generator, a coroutine, an async generator or a frame.
        task: the task that runs it, if the path came through one.

    Returns:
        With `@ID` where several read alike: alone it names none of them.
    """
    text = _describe(graph, object_id, task)
    known = _Known.of(graph)
    name = None if task is None else _task_name(graph, task)
    is_alone = (
        known.tasks[name] == 1 if name is not None else task is None and known.plain[text] == 1
    )
    return f"<{text}>" if is_alone else f"<{text} @{object_id}>"


def _describe(graph: HeapGraph, object_id: int, task: int | None) -> str:
    """One line: `task 'poll' in fetch() at client.py:41`, `generator rows() at db.py:9`."""
    where = suspended_place(graph, object_id)
    if task is None:
        return f"{graph.type_name(object_id).replace('_', ' ')} {where}"
    name = _task_name(graph, task)
    return f"task in {where}" if name is None else f"task {name!r} in {where}"


@dataclass
class _Known:
    """How often each beginning occurs in a graph: by function, and by name of task."""

    plain: Counter[str]
    tasks: Counter[str | None]

    @classmethod
    def of(cls, graph: HeapGraph) -> _Known:
        """Counted once per graph. Cost: 50 us for each suspended function and each task."""
        if graph not in _KNOWN:
            plain = Counter(_describe(graph, each, None) for each in suspended_objects(graph))
            found = [task for name in sorted(TASK_TYPES) for task in graph.objects_of_type(name)]
            names = Counter(_task_name(graph, int(task)) for task in found)
            _KNOWN[graph] = cls(plain, names)
        return _KNOWN[graph]


_KNOWN: WeakKeyDictionary[HeapGraph, _Known] = WeakKeyDictionary()


def suspended_openings(graph: HeapGraph, object_id: int) -> dict[str, int]:
    """Every way in which it may be written: plainly, and by each task that waits for it.

    Returns:
        By text, how many functions stand between the task and it: the outermost is meant where a
        function has called itself.
    """
    found = {f"<{_describe(graph, object_id, None)}>": 0}
    above, seen = [object_id], {object_id}
    for depth in range(_MAX_WAITING):
        referrers = [r for each in above for r in graph.referrers(each)]
        for referrer in referrers:
            if graph.type_name(referrer.source) in TASK_TYPES:
                found.setdefault(f"<{_describe(graph, object_id, referrer.source)}>", depth)
        above = [
            r.source
            for r in referrers
            if r.kind in (EdgeKind.STACK, EdgeKind.FIELD)
            and is_suspended(graph, r.source)
            and r.source not in seen
        ]
        seen.update(above)
        if not above:
            break
    return found


def suspended_objects(graph: HeapGraph) -> Iterator[int]:
    """Ids of all generators, coroutines, async generators and frames."""
    for type_name in sorted(_TYPES):
        yield from graph.objects_of_type(type_name).tolist()


def suspended_place(graph: HeapGraph, object_id: int) -> str:
    """Where it stands: `fetch() at client.py:44`; where its code begins once it has ended."""
    for edge in edges_of(graph, object_id, EdgeKind.FIELD):
        reference = graph.reference(int(edge))
        if label_text(graph, reference) in _CODE_FIELDS:
            place = graph.codes.place(reference.target)
            return graph.standing_lines.place(object_id, place).short_text
    return "?"


def _task_name(graph: HeapGraph, task: int) -> str | None:
    """The name of an asyncio task; None where it is not known.

    The C task shows no field names: there the name is the only text that a task refers to, or,
    since 3.12 and until somebody asks for it, the number behind its coroutine.
    """
    texts: list[str] = []
    by_offset: dict[int, int] = {}
    for edge in edges_of(graph, task):
        reference = graph.reference(int(edge))
        text = text_of(graph, reference.target)
        if text is not None and label_text(graph, reference) in _TASK_NAME_FIELDS:
            return text
        if reference.kind is EdgeKind.UNNAMED:
            by_offset[reference.label] = reference.target
            texts += [] if text is None else [text]
    coroutines = [offset for offset, target in by_offset.items() if is_suspended(graph, target)]
    number = by_offset.get(max(coroutines) + _WORD) if coroutines else None
    if number is not None and graph.type_name(number) == "int":
        return f"Task-{graph.preview(number)}"
    return texts[0] if len(texts) == 1 else None
