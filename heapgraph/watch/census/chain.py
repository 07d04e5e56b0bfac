"""From a holder down to where the bytes are: one name for each step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from heapgraph.analysis.expressions import expression
from heapgraph.watch.census.names import general_name

if TYPE_CHECKING:
    from heapgraph.graph.heap_graph import HeapGraph

MAX_STEPS = 8
"""Steps below a holder: a chain that goes on longer is a list of its own, link by link."""

PASSED_ON = 0.5
"""The share of its bytes that an object must pass to one child for the way to go on there."""


def chain_below(graph: HeapGraph, holder: int) -> tuple[str, ...]:
    """The holder, its largest member, and on to the object that has most of that member's bytes.

    Args:
        graph: the heap.
        holder: object id.

    Returns:
        "app.OPEN (list)", "[*] (http.client.HTTPResponse)", ".fp (_io.BufferedReader)", ...

    Cost: the children of a few objects of the dominator tree.
    """
    names = [_step(graph, holder, "")]
    above, at = expression(graph, holder), holder
    for _ in range(MAX_STEPS):
        children = graph.folded.children(at, 1)
        if not children:
            break
        child = children[0]
        retained = graph.folded.retained_size(at)
        # The first step goes to a member, of which a holder has many: none of them is most of it.
        if at != holder and graph.folded.retained_size(child) < PASSED_ON * retained:
            break
        names.append(_step(graph, child, above))
        above, at = expression(graph, child), child
    return tuple(names)


def _step(graph: HeapGraph, object_id: int, above: str) -> str:
    """How an object is reached from the one above it, and its type."""
    text = expression(graph, object_id)
    part = text[len(above) :] if above and text.startswith(above) else text
    return f"{general_name(part)} ({general_name(graph.type_name(object_id))})"
