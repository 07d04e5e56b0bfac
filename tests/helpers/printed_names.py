"""What the questions print of objects, and whether it leads back to them."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import numpy as np

from heapgraph.analysis.expressions import expression, resolve
from heapgraph.analysis.paths import paths_to
from heapgraph.analysis.threads import list_threads
from heapgraph.model import UNREACHABLE, VIRTUAL_ROOT

if TYPE_CHECKING:
    from collections.abc import Iterable

    from heapgraph.analysis.suspects import LeakSuspect
    from heapgraph.graph.heap_graph import HeapGraph

_ASKED = 60
_SEED = 7


def some_objects(graph: HeapGraph, count: int = _ASKED) -> list[int]:
    """Reachable objects, the same in each run of the test for the same heap."""
    reached = np.flatnonzero(graph.root_paths.parent != UNREACHABLE).tolist()
    return random.Random(_SEED).sample(reached, min(count, len(reached)))


def misread(graph: HeapGraph, printed: list[tuple[str, int]]) -> list[str]:
    """Expressions that do not lead back to their objects, with why."""
    wrong = []
    for text, meant in printed:
        try:
            found = resolve(graph, text)
        except Exception as failure:  # noqa: BLE001 - whatever happens is the finding
            wrong.append(f"{text}: {failure}")
        else:
            wrong += [] if found == meant else [f"{text}: @{found}, not @{meant}"]
    return wrong


def printed_by_questions(
    graph: HeapGraph, suspects: Iterable[LeakSuspect]
) -> list[tuple[str, int]]:
    """What suspects, dominators, path and threads print, with the objects that are meant."""
    printed = []
    for suspect in suspects:
        point = suspect.accumulation_point
        if point is not None:
            printed.append((point.expression, point.id))
        if suspect.path is not None:
            printed.append((suspect.path.expression, suspect.path.steps[-1].id))
    largest = graph.folded.children(VIRTUAL_ROOT, 30)
    asked = [*largest, *some_objects(graph)]
    printed += [(expression(graph, each), each) for each in asked]
    rows = paths_to(graph, objects=[int(largest[0])], count=5).paths
    printed += [(row.expression, row.steps[-1].id) for row in rows]
    threads = list_threads(graph, limit=20, suspended=True)
    printed += [(task.expression, task.id) for task in threads.tasks]
    printed += [(row.expression, row.largest) for row in threads.suspended]
    return printed
