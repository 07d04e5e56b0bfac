"""Threads that do not end, and thread objects kept after the end."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np

from heapgraph.analysis.detectors.base import Detector, Evidence
from heapgraph.analysis.execution.frame_retention import size_freed
from heapgraph.analysis.expressions.openings import root_names
from heapgraph.model import EdgeKind
from heapgraph.units import format_count

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from heapgraph.analysis.detectors.facts import HeapFacts
    from heapgraph.graph.table_rows import Frame

MIN_THREADS = 10
_SHOWN_OWNERS = 3
_NOT_STARTED = ""
_START_FILES = ("/threading.py",)
_POOL_FILES = ("/concurrent/futures/thread.py", "/multiprocessing/pool.py")


def live_threads(facts: HeapFacts) -> Iterator[Evidence]:
    """Many running threads that were started with the same function; those of pools left out."""
    graph = facts.graph
    stacks: dict[int, list[Frame]] = defaultdict(list)
    for frame in graph.frames:
        stacks[frame.thread].append(frame)
    groups: dict[tuple[str, str], list[list[Frame]]] = defaultdict(list)
    for stack in stacks.values():
        stack.sort(key=lambda frame: -frame.depth)
        own = [frame for frame in stack if not _is_in(frame, _START_FILES)]
        if own and not any(_is_in(frame, _POOL_FILES) for frame in stack):
            groups[own[0].function, own[0].file].append(stack)
    threads, idents = _thread_objects(facts)
    for (function, file), members in groups.items():
        if len(members) < MIN_THREADS:
            continue
        rows = [frame.row for stack in members for frame in stack]
        running = {str(graph.threads[stack[0].thread].thread_id) for stack in members}
        objects = threads[np.isin(idents, sorted(running))]
        owners = tuple(f"<{_first_own_frame(facts, stack)}>" for stack in members[:_SHOWN_OWNERS])
        note = f"{format_count(len(members))} threads run {function}() of {file}"
        size = size_freed(graph, rows, objects)
        yield Evidence(size, len(members), note, owner_texts=owners)


def _first_own_frame(facts: HeapFacts, stack: list[Frame]) -> str:
    own = next(frame for frame in stack if not _is_in(frame, _START_FILES))
    return root_names(facts.graph).frame_text(own.row)


def _is_in(frame: Frame, files: tuple[str, ...]) -> bool:
    """Whether a frame's file ends like this; that of a redacted snapshot begins below a library."""
    return f"/{frame.file}".endswith(files)


def finished_threads(facts: HeapFacts) -> Iterator[Evidence]:
    """Thread objects that were started, whose thread is gone, and that are still kept."""
    threads, idents = _thread_objects(facts)
    running = [str(thread.thread_id) for thread in facts.graph.threads]
    # The number of a thread is given again after its end; up to 3.12 the object knows better.
    is_stopped = facts.has_value(facts.attribute(threads, "_is_stopped"), "True")
    was_started = idents != _NOT_STARTED
    members = threads[was_started & (is_stopped | ~np.isin(idents, running))]
    if len(members) >= MIN_THREADS:
        note = f"{format_count(len(members))} threads have ended and are still kept"
        yield Evidence(facts.retained(members), len(members), note, members)


def _thread_objects(facts: HeapFacts) -> tuple[NDArray[np.uint32], NDArray[np.str_]]:
    """Reachable threading.Thread objects, of any subclass, and the `ident` of each as text."""
    graph = facts.graph
    edges = (graph.edge_kinds == EdgeKind.ATTRIBUTE) | (graph.edge_kinds == EdgeKind.VALUE)
    edges &= np.isin(graph.labels, facts.string_ids("_ident"))
    holders = np.unique(facts.sources_of(edges)).astype(np.int64)
    holders = np.where(facts.dict_owner[holders] >= 0, facts.dict_owner[holders], holders)
    threads = np.unique(holders).astype(np.uint32)
    threads = threads[facts.is_reachable[threads]]
    threads = threads[facts.attribute(threads, "_daemonic") >= 0]
    idents = facts.attribute(threads, "_ident").astype(np.uint32)
    is_int = facts.is_of_types("int")[idents]
    texts = [text or _NOT_STARTED for text in graph.previews(idents)]
    return threads, np.where(is_int, np.array(texts, np.str_), _NOT_STARTED)


DETECTORS = (
    Detector(
        "live-threads",
        f"{MIN_THREADS} or more running threads of one function, pools not counted",
        "end them by an event or a sentinel and join them, or use a pool of a fixed size",
        live_threads,
        is_leak=True,
    ),
    Detector(
        "finished-threads",
        f"{MIN_THREADS} or more Thread objects whose thread has ended",
        "drop the Thread after join()",
        finished_threads,
        is_leak=True,
    ),
)
