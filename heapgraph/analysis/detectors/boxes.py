"""Numbers and texts as objects of their own, where an array would hold the bare values."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from heapgraph.analysis.detectors.base import Detector, Evidence
from heapgraph.analysis.detectors.facts import CONTAINER_TYPES, HeapFacts
from heapgraph.graph.object_sets import distinct_ids
from heapgraph.units import format_count

if TYPE_CHECKING:
    from collections.abc import Iterator

MIN_ITEMS = 1000
MOSTLY = 0.9
_SHOWN_OWNERS = 5


def _boxes(
    facts: HeapFacts, containers: tuple[str, ...], boxed: tuple[str, ...], what: str
) -> Iterator[Evidence]:
    """Containers whose items are mostly objects that nothing else refers to."""
    graph = facts.graph
    is_box = facts.is_of_types(*boxed) & ~facts.is_permanent & (graph.refcounts == 1)
    is_boxed_item = facts.is_item & is_box[graph.targets]
    counts = facts.count_references(is_boxed_item)
    found = (counts >= MIN_ITEMS) & (counts >= MOSTLY * facts.item_counts)
    found &= facts.is_of_types(*containers) & facts.is_reachable
    owners = facts.ids(found)
    if not len(owners):
        return
    _, edges = facts.references(owners)
    boxes = distinct_ids(graph.targets[edges[is_boxed_item[edges]]], graph.object_count)
    largest = owners[np.argsort(~counts[owners], kind="stable")][:_SHOWN_OWNERS]
    note = f"{format_count(len(boxes))} {what} in {format_count(len(owners))} containers"
    yield Evidence(facts.size(boxes), len(boxes), note, owners=tuple(largest.tolist()))


def boxed_numbers(facts: HeapFacts) -> Iterator[Evidence]:
    """Lists, tuples, dicts, sets and deques of numbers."""
    return _boxes(facts, (*CONTAINER_TYPES, "tuple"), ("int", "float", "complex"), "numbers")


def object_arrays(facts: HeapFacts) -> Iterator[Evidence]:
    """Arrays of numpy whose elements are objects."""
    return _boxes(facts, ("numpy.ndarray",), ("int", "float", "str", "bytes"), "elements")


DETECTORS = (
    Detector(
        "boxed-numbers",
        f"containers of {MIN_ITEMS} or more items that are mostly numbers held by nothing else",
        "array.array or numpy: 8 bytes a number",
        boxed_numbers,
    ),
    Detector(
        "object-arrays",
        f"numpy arrays of {MIN_ITEMS} or more Python objects, as pandas makes for text",
        "a typed dtype, string[pyarrow], or a categorical column",
        object_arrays,
    ),
)
