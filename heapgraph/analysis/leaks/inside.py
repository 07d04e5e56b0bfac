"""What is inside of alike members that say little themselves: containers, records, wrappers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from heapgraph.analysis.execution.tasks import TASK_TYPES
from heapgraph.analysis.expressions import expression
from heapgraph.analysis.leaks.accumulation import (
    CONTENT_SHARE,
    MANY_CHILDREN,
    Content,
    accumulation_point,
    content_of,
)
from heapgraph.analysis.leaks.connections import MAX_ASKED
from heapgraph.analysis.leaks.members import MOST
from heapgraph.analysis.leaks.sizes import member_sizes
from heapgraph.units import format_count, format_size

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from heapgraph.graph.heap_graph import HeapGraph

_MANY_INSIDE = 100
"""Things in all of some containers together, from which on they were added, and are no records."""

_PLAIN_TYPES = frozenset(
    {"dict", "list", "set", "tuple", "frozenset", "collections.deque"}
    | {"collections.OrderedDict", "OrderedDict", "collections.defaultdict"}
)
_CARRIED_TYPES = re.compile(
    r"function|method|functools\.partial|(.*\.)?\w*(Error|Exception|Warning)|traceback|"
    + "|".join(map(re.escape, sorted(TASK_TYPES)))
)
"""Types that say what goes wrong, whatever they are wrapped in."""


def plural(type_name: str) -> str:
    """`lists`; of a type with a module `objects of type shop.Order`."""
    return f"objects of type {type_name}" if "." in type_name else f"{type_name}s"


def describe_nested(graph: HeapGraph, content: Content) -> str | None:
    """Containers that are only parts of a larger one: `32 dicts with 8,000 lists, 1.65 KiB each`.

    Args:
        graph: the snapshot.
        content: what gathers in the holder.

    Returns:
        None for members that are no plain containers, or have few things in them: records.

    Cost: the children of the members.
    """
    if content.type_name not in _PLAIN_TYPES:
        return None
    inner = content_of(graph, graph.dominators.children_of_all(content.members))
    if inner is None or len(inner.members) < max(
        _MANY_INSIDE, MANY_CHILDREN * len(content.members)
    ):
        return None
    if inner.retained_size < CONTENT_SHARE * content.retained_size:
        return None
    count = len(inner.members)
    outer = f"{format_count(len(content.members))} {plural(content.type_name)}"
    if len(content.members) == 1:
        outer = f"1 {content.type_name}"
    sizes = member_sizes(graph, inner).text
    return f"{outer} with {format_count(count)} {plural(inner.type_name)}{sizes}"


def carried(graph: HeapGraph, content: Content) -> Content | None:
    """Functions, exceptions or tasks that nearly every member has one of, one level down.

    Args:
        graph: the snapshot.
        content: what gathers in the holder.

    Returns:
        Them, one of each member that was looked at; None where there are none.

    Cost: what at most 1,000 members and their `__dict__`s hold alone.
    """
    if _CARRIED_TYPES.fullmatch(content.type_name) is not None:
        return None
    asked = content.members[:MAX_ASKED]
    owners, below = graph.dominators.children_by_parent(asked)
    is_dict = graph.type_mask({"dict"})[graph.type_ids[below]]
    of_dict, deeper = graph.dominators.children_by_parent(below[is_dict])
    owners = np.concatenate([owners, owners[is_dict][of_dict]])
    below = np.concatenate([below, deeper])
    for row in np.unique(graph.type_ids[below]).tolist():
        name = graph.type_names[row]
        if _CARRIED_TYPES.fullmatch(name) is None:
            continue
        found = graph.type_ids[below] == row
        _, firsts = np.unique(owners[found], return_index=True)
        if len(firsts) >= MOST * len(asked):
            return _as_content(graph, name, below[found][firsts])
    return None


def _as_content(graph: HeapGraph, name: str, members: NDArray[np.uint32]) -> Content:
    return Content(name, members, int(graph.dominators.retained_sizes[members].sum()))


def heavy_part(graph: HeapGraph, member: int, *, with_size: bool) -> str:
    """Where the bytes of a member go: ` (of which 4.93 KiB: ._context['request'])`; may be empty.

    Args:
        graph: the snapshot.
        member: one of the members.
        with_size: whether it is as large as the others; else no number is said of it.

    Cost: the children of the objects on the way, and one expression.
    """
    point = accumulation_point(graph, member)
    if point == member:
        return ""
    whole, text = expression(graph, member), expression(graph, point)
    tail = text[len(whole) :]
    if not text.startswith(whole) or not tail or "unnamed" in tail or "<..." in tail:
        return ""
    size = format_size(graph.folded.retained_size(point))
    return f" ({f'of which {size}' if with_size else 'most of it'}: {tail.removeprefix('.')})"
