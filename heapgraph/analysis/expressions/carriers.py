"""What carries values by thread or by context: how these are named, and found by their names.

app.LOCAL.client (thread 'worker-3')                 threading.local
handle._context[<ContextVar 'request'>]              a context: a tree of hamt nodes
<event loop of MainThread>._scheduled[0]             asyncio, uvloop
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np

from heapgraph.analysis.expressions.literals import describe_value, text_of
from heapgraph.analysis.expressions.segments import (
    direct_attribute_targets,
    edges_of,
    namespace_of,
)
from heapgraph.model import NO_ROW, EdgeKind, RootKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from heapgraph.graph.heap_graph import HeapGraph
    from heapgraph.graph.references import Reference

THREAD_LOCAL = "_thread._local"
CONTEXT_TYPES = frozenset({"Context", "_contextvars.Context"})
_NODE_TYPES = frozenset({"hamt_array_node", "hamt_bitmap_node", "hamt_collision_node"})
_VARIABLE_TYPES = frozenset({"ContextVar", "_contextvars.ContextVar"})
LINK_TYPES = frozenset({"itertools._tee_dataobject", "itertools.teedataobject"})
"""Of these two are a chain: they are there for nothing else, and each has many items."""

MIN_LINKS = 30
"""So many objects of any other type on one path are a linked list, not a structure."""

LOOP_SUFFIXES = ("EventLoop", "uvloop.Loop")
_MAX_LOOPS = 1000


def is_context_tree(graph: HeapGraph, object_id: int) -> bool:
    """Whether it is inside of a context, and not a value in it."""
    return graph.type_name(object_id) == "hamt" or graph.type_name(object_id) in _NODE_TYPES


def context_key(graph: HeapGraph, reference: Reference) -> int | None:
    """The context variable whose value a node's reference leads to."""
    if graph.type_name(reference.source) not in _NODE_TYPES or reference.kind is not EdgeKind.INDEX:
        return None
    edges = edges_of(graph, reference.source, EdgeKind.INDEX)
    before = edges[graph.labels[edges] == reference.label - 1]
    if reference.label % 2 == 0 or len(before) != 1:
        return None
    key = int(graph.targets[before[0]])
    return key if graph.type_name(key) in _VARIABLE_TYPES else None


def context_entries(graph: HeapGraph, context: int) -> Iterator[tuple[int, int]]:
    """Each variable that has a value in a context, with the value."""
    waiting, seen = [context], {context}
    while waiting:
        source = waiting.pop()
        for edge in edges_of(graph, source, EdgeKind.INDEX, EdgeKind.UNNAMED):
            reference = graph.reference(int(edge))
            key = context_key(graph, reference)
            if key is not None:
                yield key, reference.target
            elif is_context_tree(graph, reference.target) and reference.target not in seen:
                seen.add(reference.target)
                waiting.append(reference.target)


def context_step(graph: HeapGraph, context: int, key: int) -> str:
    """`[<ContextVar 'request'>]`; with the id of the variable where two have this name."""
    text = _variable_text(graph, key)
    alike = {other for other, _ in context_entries(graph, context) if other != key}
    if any(_variable_text(graph, other) == text for other in alike):
        return f"[<{text} @{key}>]"
    return f"[<{text}>]"


def _variable_text(graph: HeapGraph, key: int) -> str:
    names = direct_attribute_targets(graph, key, "name")
    name = describe_value(graph, names.pop()) if len(names) == 1 else "?"
    return f"ContextVar {name}"


def local_thread(graph: HeapGraph, reference: Reference) -> str | None:
    """Of an entry of a threading.local's table of threads: whose variables it leads to.

    The key is a weak reference to an object that only the thread's own dict holds.
    """
    if graph.type_name(reference.target) != "dict" or reference.kind is not EdgeKind.VALUE:
        return None
    for edge in edges_of(graph, reference.label, EdgeKind.WEAK):
        dummy = int(graph.targets[edge])
        for referrer in graph.referrers(dummy):
            thread = _thread_of_dict(graph, referrer.source)
            if thread is None:
                continue
            name = graph.threads[thread].name
            alike = [each for each in graph.threads if each.name == name]
            if name and len(alike) == 1:
                return repr(name)
            return str(graph.threads[thread].native_id or graph.threads[thread].thread_id)
    return f"@{reference.target}"


def _thread_of_dict(graph: HeapGraph, space: int) -> int | None:
    """The thread whose own dict it is."""
    roots = graph.roots
    for row in roots.rows_of(space):
        if roots.kinds[row] == RootKind.THREAD and roots.frames[row] != NO_ROW:
            return graph.frames[int(roots.frames[row])].thread
    return None


def thread_spaces(graph: HeapGraph, local: int) -> Iterator[tuple[str, int]]:
    """Each thread that has variables in a threading.local, and the dict they are in."""
    for table in edges_of(graph, local, EdgeKind.UNNAMED):
        for edge in edges_of(graph, int(graph.targets[table]), EdgeKind.VALUE):
            reference = graph.reference(int(edge))
            thread = local_thread(graph, reference)
            if thread is not None:
                yield thread, reference.target


def is_event_loop(graph: HeapGraph, object_id: int) -> bool:
    """Whether it is the event loop of asyncio or uvloop."""
    return graph.type_name(object_id).endswith(LOOP_SUFFIXES)


def loops_of(graph: HeapGraph) -> dict[int, str | None]:
    """Every event loop with the name of the thread that runs it; None for one that nobody runs.

    Cost: the variables of all running functions and the attributes of all loops, once per graph.
    """
    if graph not in _KNOWN:
        is_loop = np.array([name.endswith(LOOP_SUFFIXES) for name in graph.type_names], np.bool_)
        loops = np.flatnonzero(graph.is_of_types(is_loop))[:_MAX_LOOPS].tolist()
        by_variable = _threads_by_variable(graph) if loops else {}
        _KNOWN[graph] = {loop: _thread_of_loop(graph, loop, by_variable) for loop in loops}
    return _KNOWN[graph]


_MAIN_THREAD = "MainThread"

_KNOWN: WeakKeyDictionary[HeapGraph, dict[int, str | None]] = WeakKeyDictionary()


def loop_opening(graph: HeapGraph, loop: int) -> str:
    """`<event loop of MainThread>`; with its id where it does not run, or is not alone."""
    loops = loops_of(graph)
    name = loops.get(loop)
    if name is None:
        return f"<event loop @{loop}>"
    is_alone = list(loops.values()).count(name) == 1
    who = name if name == _MAIN_THREAD else f"thread {name!r}"  # as for its variables: it is data
    return f"<event loop of {who}>" if is_alone else f"<event loop of {who} @{loop}>"


def _threads_by_variable(graph: HeapGraph) -> dict[int, str | None]:
    """What running functions have in variables, and what has it as `_loop`, by its thread's name.

    The first of several variables counts.
    """
    roots = graph.roots
    found: dict[int, str | None] = {}
    for row in np.flatnonzero(roots.kinds == RootKind.FRAME).tolist():
        if roots.frames[row] == NO_ROW:
            continue
        name = graph.threads[graph.frames[int(roots.frames[row])].thread].name
        held = int(roots.targets[row])
        for each in (held, *sorted(direct_attribute_targets(graph, held, "_loop"))):
            found.setdefault(each, name)
    return found


def _thread_of_loop(graph: HeapGraph, loop: int, by_variable: dict[int, str | None]) -> str | None:
    """The name of the thread that runs a loop: by its number, or by who has it in a variable."""
    namespace = namespace_of(graph, loop)
    owners = [loop] if namespace is None else [loop, namespace]
    for owner in owners:
        for edge in edges_of(graph, owner, EdgeKind.ATTRIBUTE, EdgeKind.VALUE):
            if text_of(graph, int(graph.labels[edge])) == "_thread_id":
                number = graph.preview(int(graph.targets[edge]))
                names = [each.name for each in graph.threads if str(each.thread_id) == number]
                return names[0] if names else None
    return by_variable.get(loop)
