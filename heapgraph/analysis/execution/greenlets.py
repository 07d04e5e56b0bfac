"""Greenlets: the stack that each has put aside, and the code where it began."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from heapgraph.analysis.execution.code_places import code_of
from heapgraph.analysis.expressions.attributes import attribute
from heapgraph.analysis.expressions.segments import edges_of, label_text
from heapgraph.model import EdgeKind

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from heapgraph.graph.heap_graph import HeapGraph

GREENLET = "greenlet"
"""What `threads` calls them, whatever their class."""

_TYPES = re.compile(r"(greenlet|gevent|eventlet)\.(.*\.)?(greenlet|Greenlet|GreenThread|Hub)")
EVENT_LOOP_TYPES = r"(gevent|greenlet|eventlet|uvloop|pyuv)\..*"
"""Types of objects that an event loop in C holds by design: watchers, timers, those who wait."""

_FRAMES = "gr_frame"
_MAX_DEPTH = 1000


def greenlets(graph: HeapGraph) -> NDArray[np.uint32]:
    """uint32[k], all greenlets of the usual libraries, rising. Cost: the names of the types."""
    names = [name for name in graph.type_names if _TYPES.fullmatch(name)]
    found = [graph.objects_of_type(name) for name in names]
    return np.sort(np.concatenate([np.empty(0, np.uint32), *found]))


def waiting_greenlet(graph: HeapGraph, object_id: int) -> int | None:
    """The greenlet that an object is, or that a waiter of gevent wakes; None for other objects.

    A waiter refers to the hub as well, which is a greenlet too.
    """
    if _TYPES.fullmatch(graph.type_name(object_id)):
        return object_id
    if not graph.type_name(object_id).endswith("Waiter"):
        return None
    for edge in edges_of(graph, object_id):
        target = int(graph.targets[edge])
        name = graph.type_name(target)
        if _TYPES.fullmatch(name) and not name.endswith("Hub"):
            return target
    return None


def outermost_frame(graph: HeapGraph, greenlet: int) -> int | None:
    """The frame in which a suspended greenlet began; None for one that runs, or has ended.

    Frames that were put aside with it are there from the outermost on; up to 3.10 only the
    innermost, which leads to the others.
    """
    for edge in edges_of(graph, greenlet, EdgeKind.FIELD):
        reference = graph.reference(int(edge))
        if label_text(graph, reference) == _FRAMES:
            return reference.target
    for edge in edges_of(graph, greenlet, EdgeKind.UNNAMED):
        frame = int(graph.targets[edge])
        if graph.type_name(frame) == "frame":
            return _first_caller(graph, frame)
    return None


def code_of_greenlet(graph: HeapGraph, greenlet: int) -> int | None:
    """The code object of the frame in which a suspended greenlet began."""
    frame = outermost_frame(graph, greenlet)
    return None if frame is None else code_of(graph, frame)


def _first_caller(graph: HeapGraph, frame: int) -> int:
    for _ in range(_MAX_DEPTH):
        back = attribute(graph, frame, "f_back")
        if back is None or graph.type_name(back) != "frame":
            break
        frame = back
    return frame
