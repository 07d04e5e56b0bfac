"""What people type into the search line, to objects.

@123, 0x7f3c5a10, app.CACHE['user:42']   one object
type:app.Order, type:app.*               the objects of types
value:text                               objects whose kept value contains the text
anything else                            both: types and values that contain it
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from heapgraph.analysis.expressions import resolve, resolve_set
from heapgraph.errors import ObjectNotFound
from heapgraph.snapshot.arrow_arrays import numpy_array

if TYPE_CHECKING:
    from heapgraph.analysis.registry import Progress
    from heapgraph.graph.heap_graph import HeapGraph
    from heapgraph.native.graph_kernels import U32

SYNTAX = "@ID, 0xADDRESS, expression, type:NAME, value:TEXT, or any text"

_VALUES_AT_ONCE = 1_000_000
"""Values looked at between two reports: about 50 ms."""


@dataclass(frozen=True)
class Found:
    """What a search found.

    Attributes:
        members: uint32[k] object ids, rising.
        by_type: how many of them by the name of their type.
        by_value: how many by their value.
    """

    members: U32
    by_type: int
    by_value: int


def find_object(graph: HeapGraph, text: str) -> int | None:
    """The one object that a text names; None where it names none and may be a search."""
    text = text.strip()
    if text.startswith(("type:", "value:")):
        return None
    try:
        return resolve(graph, text)
    except ObjectNotFound as failure:
        if text.startswith("@") or text[:2].lower() == "0x" or " names " in failure.what:
            raise
        return None


def find_members(graph: HeapGraph, text: str, progress: Progress | None = None) -> Found:
    """The objects that a text finds.

    Args:
        graph: the snapshot.
        text: as people type it.
        progress: called for every part of the values; may raise to stop the search.

    Raises:
        ObjectNotFound: none.

    Cost: `value:` looks at every kept value, about 0.05 us each.
    """
    text = text.strip()
    if text.startswith("type:"):
        members = resolve_set(graph, text)
        return Found(members, len(members), 0)
    if (one := find_object(graph, text)) is not None:
        return Found(np.array([one], np.uint32), 0, 0)
    wanted = text.removeprefix("value:")
    by_value = objects_with_value(graph, wanted, progress)
    by_type = np.empty(0, np.uint32)
    if not text.startswith("value:"):
        by_type = graph.objects_of_type(f"*{wanted}*")
    members = np.union1d(by_type, by_value).astype(np.uint32)
    if not len(members):
        raise ObjectNotFound(
            f"nothing is called, or contains, {wanted!r}",
            "values are kept up to 80 characters, and not at all in a redacted snapshot",
            SYNTAX,
        )
    return Found(members, len(by_type), len(by_value))


def objects_with_value(graph: HeapGraph, text: str, progress: Progress | None = None) -> U32:
    """Ids of the objects whose kept value contains a text, rising; case matters not."""
    import pyarrow.compute as pc  # noqa: PLC0415 - only a search needs it

    values, found = graph.all_previews, [np.empty(0, np.uint32)]
    for begin in range(0, len(values), _VALUES_AT_ONCE):
        if progress is not None:
            progress("values", begin, len(values))
        part = values.slice(begin, _VALUES_AT_ONCE)
        fits = pc.match_substring(part, text, ignore_case=True).fill_null(False)
        found.append((np.flatnonzero(numpy_array(fits)) + begin).astype(np.uint32))
    return np.concatenate(found)
