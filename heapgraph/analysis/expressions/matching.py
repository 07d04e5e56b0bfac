"""Which of many objects equal a Python value: the search behind `CACHE['user:42']`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from heapgraph.analysis.expressions.literals import literal_value
from heapgraph.graph.csr import rows_of_many
from heapgraph.model import NO_LABEL, EdgeKind

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from numpy.typing import NDArray

    from heapgraph.graph.heap_graph import HeapGraph

_NUMBER_TYPES = frozenset({"int", "float", "complex", "bool"})


def equal_to(graph: HeapGraph, object_ids: NDArray[np.uint32], value: object) -> NDArray[np.bool_]:
    """Which objects hold a value that is equal to `value`, as dict keys are compared.

    Args:
        graph: the snapshot.
        object_ids: uint32[k], e.g. the keys of a dict.
        value: str, bytes, a number, bool, None, Ellipsis, or a tuple of these.

    Returns:
        bool[k]; False where the value was not kept whole.

    Cost: about 0.3 us per key of the value's type.
    """
    if value is None or value is ...:
        return _of_types(graph, object_ids, {"NoneType" if value is None else "ellipsis"})
    if isinstance(value, tuple):
        return _equal_tuples(graph, object_ids, value)
    if isinstance(value, str):
        return _where(graph, object_ids, {"str"}, lambda text: text == value)
    if isinstance(value, bytes):
        return _where(graph, object_ids, {"bytes"}, lambda text: _is_equal(text, value))
    if isinstance(value, int | float | complex):
        digits = str(_simplest(value))
        return _where(
            graph,
            object_ids,
            _NUMBER_TYPES,
            # Most keys are ints, and two of them are equal when they are written alike.
            lambda text: text == digits or (not text.isdigit() and _is_equal(text, value)),
        )
    return np.zeros(len(object_ids), dtype=np.bool_)


def _of_types(
    graph: HeapGraph, object_ids: NDArray[np.uint32], names: Collection[str]
) -> NDArray[np.bool_]:
    wanted = [row for row, name in enumerate(graph.type_names) if name in names]
    is_known = object_ids != NO_LABEL  # the label of a key that was not found
    types = graph.type_ids[np.where(is_known, object_ids, 0)]
    found: NDArray[np.bool_] = np.logical_and(np.isin(types, wanted), is_known)
    return found


def _where(
    graph: HeapGraph,
    object_ids: NDArray[np.uint32],
    types: Collection[str],
    fits: Callable[[str], bool],
) -> NDArray[np.bool_]:
    """Objects of these types whose kept value fits."""
    found = _of_types(graph, object_ids, types)
    rows = np.flatnonzero(found)
    previews = graph.previews(object_ids[rows])
    found[rows] = [preview is not None and fits(preview) for preview in previews]
    return found


def _simplest(value: complex) -> complex:
    """The int that is equal to a number, if there is one."""
    if isinstance(value, int | float) and value % 1 == 0:
        return int(value)
    return value


def _is_equal(preview: str, value: object) -> bool:
    """Whether the source in a preview evaluates to an equal value: 1, 1.0 and True are one key."""
    try:
        return bool(literal_value(preview) == value)
    except ValueError:
        return False


def _equal_tuples(
    graph: HeapGraph, object_ids: NDArray[np.uint32], value: tuple[object, ...]
) -> NDArray[np.bool_]:
    """Tuples of the same length whose items are equal one by one."""
    found = _of_types(graph, object_ids, {"tuple"})
    rows = np.flatnonzero(found)
    owner, edges = rows_of_many(graph.offsets, object_ids[rows])
    items = graph.edge_kinds[edges] == EdgeKind.INDEX
    owner, edges = owner[items], edges[items]
    equal = np.bincount(owner, minlength=len(rows)) == len(value)
    for position, part in enumerate(value):
        here = np.flatnonzero((graph.labels[edges] == position) & equal[owner])
        same = equal_to(graph, graph.targets[edges[here]], part)
        equal[owner[here[~same]]] = False
    found[rows] = equal
    return found
