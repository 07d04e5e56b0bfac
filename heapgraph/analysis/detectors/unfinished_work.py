"""Functions that stand still: generators, coroutines, asyncio tasks, and work in queues."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from heapgraph.analysis.detectors.base import Detector, Evidence
from heapgraph.analysis.execution.code_places import SUSPENDABLE_TYPES
from heapgraph.analysis.execution.suspended_code import suspended_groups
from heapgraph.analysis.execution.tasks import TASK_TYPES
from heapgraph.model import EdgeKind, RootKind
from heapgraph.units import format_count

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from heapgraph.analysis.detectors.facts import HeapFacts

MIN_SUSPENDED = 50
MIN_TASKS = 20
MIN_QUEUED = 100
_QUEUE_TYPES = (
    "queue.Queue",
    "queue.LifoQueue",
    "queue.PriorityQueue",
    "asyncio.queues.Queue",
    "asyncio.queues.LifoQueue",
    "asyncio.queues.PriorityQueue",
)


def unfinished_generators(facts: HeapFacts) -> Iterator[Evidence]:
    """Generators and coroutines of one code that nothing drives any more."""
    driven = _driven(facts)
    for group in suspended_groups(facts.graph):
        members = group.members[group.alive]
        members = members[facts.is_reachable[members] & ~driven[members]]
        if len(members) >= MIN_SUSPENDED:
            kind = group.type.replace("_", " ")
            place = facts.graph.codes.place(group.code).text
            note = f"{format_count(len(members))} unfinished {kind}s {place}"
            yield Evidence(facts.retained(members), len(members), note, members)


def _driven(facts: HeapFacts) -> NDArray[np.bool_]:
    """bool[n]: a task, another generator or a running frame will go on with it."""
    graph = facts.graph
    driven = np.zeros(graph.object_count, np.bool_)
    drivers = facts.is_of_types(*TASK_TYPES, *SUSPENDABLE_TYPES, "frame")
    from_driver = drivers[facts.sources] & np.isin(
        graph.edge_kinds, [EdgeKind.UNNAMED, EdgeKind.FIELD, EdgeKind.STACK, EdgeKind.ATTRIBUTE]
    )
    driven[graph.targets[from_driver]] = True
    driven[graph.roots.targets[graph.roots.kinds == RootKind.FRAME]] = True
    return driven


def pending_tasks(facts: HeapFacts) -> Iterator[Evidence]:
    """Tasks that wait, many of the same code."""
    tasks, codes, alive = _tasks(facts)
    for code in np.unique(codes[alive]).tolist():
        members = tasks[alive & (codes == code)]
        if len(members) >= MIN_TASKS:
            where = facts.graph.codes.place(code).text
            note = f"{format_count(len(members))} tasks wait in {where}"
            yield Evidence(facts.retained(members), len(members), note, members)


def finished_tasks(facts: HeapFacts) -> Iterator[Evidence]:
    """Tasks that are done and still referred to."""
    tasks, _, alive = _tasks(facts)
    members = tasks[~alive]
    if len(members) >= MIN_TASKS:
        note = f"{format_count(len(members))} tasks are done and still kept"
        yield Evidence(facts.retained(members), len(members), note, members)


def _tasks(
    facts: HeapFacts,
) -> tuple[NDArray[np.uint32], NDArray[np.int64], NDArray[np.bool_]]:
    """Reachable tasks, the code each runs (-1 for none), and whether it has not ended."""
    graph = facts.graph
    code_of = np.full(graph.object_count, -1, np.int64)
    is_alive = np.zeros(graph.object_count, np.bool_)
    for group in suspended_groups(graph):
        code_of[group.members] = group.code
        is_alive[group.members] = group.alive
    tasks = facts.of_types(*TASK_TYPES)
    coroutines = facts.attribute(tasks, "task_coro", "_coro")
    owner, edges = facts.references(tasks)
    unnamed = (graph.edge_kinds[edges] == EdgeKind.UNNAMED) & (code_of[graph.targets[edges]] >= 0)
    # A later word wins: the coroutine of a C task follows its result.
    coroutines[owner[unnamed]] = graph.targets[edges[unnamed]]
    known = coroutines >= 0
    codes = np.where(known, code_of[coroutines], -1)
    return tasks, codes, known & is_alive[coroutines]


def queue_backlogs(facts: HeapFacts) -> Iterator[Evidence]:
    """Queues with many items that nobody has taken."""
    graph = facts.graph
    queues = facts.of_types(*_QUEUE_TYPES)
    found = list(zip(*[facts.attribute(queues, "queue", "_queue").tolist()] * 2, strict=True))
    simple = facts.of_types("_queue.SimpleQueue")
    owner, edges = facts.references(simple)
    is_list = facts.is_of_types("list")[graph.targets[edges]]
    found += zip(
        simple[owner[is_list]].tolist(), graph.targets[edges[is_list]].tolist(), strict=True
    )
    for shown, items in found:
        count = int(facts.item_counts[items]) if items >= 0 else 0
        if count >= MIN_QUEUED:
            note = f"{format_count(count)} items wait in a queue"
            size = int(graph.dominators.retained_sizes[items])
            yield Evidence(size, count, note, owners=(shown,))


DETECTORS = (
    Detector(
        "unfinished-generators",
        f"{MIN_SUSPENDED} or more suspended generators or coroutines of one code that no task,"
        " generator or frame goes on with",
        "exhaust or close() them (contextlib.closing); await every coroutine",
        unfinished_generators,
        is_leak=True,
    ),
    Detector(
        "pending-tasks",
        f"{MIN_TASKS} or more asyncio tasks that wait in the same function",
        "set a timeout, cancel what nobody waits for, use asyncio.TaskGroup",
        pending_tasks,
        is_leak=True,
    ),
    Detector(
        "finished-tasks",
        f"{MIN_TASKS} or more asyncio tasks that are done and still referred to",
        "add tasks to a set and discard them with task.add_done_callback(tasks.discard)",
        finished_tasks,
        is_leak=True,
    ),
    Detector(
        "queue-backlogs",
        f"queues with {MIN_QUEUED} or more items",
        "bound the queue with maxsize, or take items faster than they come",
        queue_backlogs,
        is_leak=True,
    ),
)
