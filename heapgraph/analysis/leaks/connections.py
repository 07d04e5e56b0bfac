"""Connections that an event loop watches: who serves them, and whether anybody still does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from heapgraph.analysis.expressions.attributes import attribute
from heapgraph.analysis.expressions.python_steps import items_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from heapgraph.graph.heap_graph import HeapGraph

SELECTOR_KEY = "selectors.SelectorKey"
"""What stands for a connection in the table of a selector."""

MANY_ABANDONED = 100
"""A server that closes its connections has none; a few may be about to be closed."""

MAX_ASKED = 1000
"""Members of a group that are looked at: as many of the largest speak for all."""

_DATA = 3
"""Position of what belongs to a file in a SelectorKey: (fileobj, fd, events, data)."""


def are_abandoned(graph: HeapGraph, keys: NDArray[np.uint32]) -> bool:
    """Whether the handlers of many connections have ended, and nobody closed these.

    The protocol of a connection has its StreamWriter and this its StreamReader. A handler that
    still runs has them in its variables; when nothing else refers to either, none does.

    Args:
        graph: the snapshot.
        keys: the SelectorKeys; as many as 1,000 are looked at.

    Cost: the references by referent, once per snapshot; then bounded.
    """
    count = 0
    for key in keys[:MAX_ASKED].tolist():
        protocol = _protocol(graph, key)
        writer = None if protocol is None else attribute(graph, protocol, "_stream_writer")
        if protocol is not None and writer is not None:
            count += _is_alone(graph, protocol, writer)
    return count >= MANY_ABANDONED


def handlers_of(graph: HeapGraph, keys: NDArray[np.uint32]) -> list[int | None]:
    """What asyncio calls for each new connection, a function or a method; None if not known.

    Args:
        graph: the snapshot.
        keys: the SelectorKeys; as many as 1,000 are looked at.
    """
    protocols = [_protocol(graph, key) for key in keys[:MAX_ASKED].tolist()]
    return [
        None if each is None else attribute(graph, each, "_client_connected_cb")
        for each in protocols
    ]


def _protocol(graph: HeapGraph, key: int) -> int | None:
    """The protocol of a connection: (reader, writer) -> its callback -> the transport -> it."""
    found: int | None = key
    for step in (_DATA, 0, "_callback", "__self__", "_protocol"):
        if found is None:
            return None
        if isinstance(step, str):
            found = attribute(graph, found, step)
        else:
            items = items_of(graph, found)
            found = items[step] if step < len(items) else None
    return found


def _is_alone(graph: HeapGraph, protocol: int, writer: int) -> bool:
    """Whether only a protocol and its writer know the writer and its reader."""
    known = {protocol, writer}
    reader = attribute(graph, writer, "_reader")
    for each in (writer, reader):
        if each is None:
            continue
        if not graph.folded.referrers_of(each, MAX_ASKED) <= known:
            return False
    return True
