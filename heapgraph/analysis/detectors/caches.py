"""Caches of functools that only grow, or that keep instances alive."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from heapgraph.analysis.detectors.base import Detector, Evidence
from heapgraph.analysis.expressions.attributes import attribute
from heapgraph.analysis.expressions.segments import edges_of
from heapgraph.model import NO_ROW, EdgeKind, ObjectFlags
from heapgraph.units import format_count

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from heapgraph.analysis.detectors.facts import HeapFacts

MIN_ENTRIES = 1000
MIN_INSTANCES = 10
_CACHE_TYPE = "functools._lru_cache_wrapper"
_LINK_TYPE = "functools._lru_list_elem"


def unbounded_caches(facts: HeapFacts) -> Iterator[Evidence]:
    """Caches without a maximum that have grown large."""
    is_link = facts.is_of_types(_LINK_TYPE)
    for cache, mapping in _caches(facts):
        entries = int(facts.item_counts[mapping])
        # The dict of a bounded cache holds links of a list, that of an unbounded one the results.
        if entries >= MIN_ENTRIES and not is_link[facts.entries(mapping)[1]].any():
            note = f"a cache without maxsize has {format_count(entries)} entries"
            size = int(facts.graph.dominators.retained_sizes[mapping])
            yield Evidence(size, entries, note, owners=(cache,))


def method_caches(facts: HeapFacts) -> Iterator[Evidence]:
    """Caches of methods whose keys are the only thing that keeps instances alive."""
    for cache, mapping in _caches(facts):
        if facts.item_counts[mapping] < MIN_INSTANCES:
            continue
        classes = _classes_with(facts, cache)
        if not classes:
            continue
        first = _first_arguments(facts, mapping)
        first = first[_is_instance(facts, first, classes)]
        pinned = first[facts.dominated_by(cache, first)]
        if len(pinned) >= MIN_INSTANCES:
            name = facts.graph.type_name(int(pinned[0]))
            note = f"only the cache of a method keeps {format_count(len(pinned))} {name} alive"
            # A bounded cache holds its results by links beside the dict.
            size = int(facts.graph.dominators.retained_sizes[cache])
            yield Evidence(size, len(pinned), note, owners=(cache,))


def _caches(facts: HeapFacts) -> Iterator[tuple[int, int]]:
    """Each lru_cache with the dict of its entries, which is not its `__dict__`."""
    graph = facts.graph
    for cache in facts.of_types(_CACHE_TYPE).tolist():
        for edge in edges_of(graph, cache, EdgeKind.UNNAMED, EdgeKind.FIELD):
            target = int(graph.targets[edge])
            if graph.type_name(target) == "dict":
                yield cache, target
                break


def _classes_with(facts: HeapFacts, method: int) -> set[int]:
    """Classes in whose namespace an object is."""
    graph = facts.graph
    owners = facts.dict_owner[graph.reverse.sources_of(method)]
    owners = owners[owners >= 0]
    return set(owners[(graph.flags[owners] & ObjectFlags.IS_TYPE) != 0].tolist())


def _first_arguments(facts: HeapFacts, mapping: int) -> NDArray[np.uint32]:
    """uint32[k], the distinct first items of the keys of a cache."""
    graph = facts.graph
    keys, _ = facts.entries(mapping)
    _, edges = facts.references(keys)
    first = (graph.edge_kinds[edges] == EdgeKind.INDEX) & (graph.labels[edges] == 0)
    return np.unique(graph.targets[edges[first]])


def _is_instance(
    facts: HeapFacts, objects: NDArray[np.uint32], classes: set[int]
) -> NDArray[np.bool_]:
    """Which objects are instances of one of these classes, by the `__mro__` of their types."""
    graph = facts.graph
    type_ids = graph.type_ids[objects]
    fitting = []
    for row in np.unique(type_ids).tolist():
        class_id = int(facts.type_columns["object"][row])
        if class_id == NO_ROW:
            continue
        mro = attribute(graph, class_id, "__mro__")
        lineage = set() if mro is None else set(graph.targets[edges_of(graph, mro)].tolist())
        if classes & (lineage | {class_id}):
            fitting.append(row)
    return np.isin(type_ids, fitting)


DETECTORS = (
    Detector(
        "unbounded-caches",
        f"functools.cache or lru_cache(maxsize=None) with {MIN_ENTRIES} or more entries",
        "set maxsize, or use a cache whose entries expire",
        unbounded_caches,
        is_leak=True,
    ),
    Detector(
        "method-caches",
        f"lru_cache on a method whose keys alone keep {MIN_INSTANCES} or more instances alive",
        "cache on the instance (functools.cached_property, a dict attribute) or by a weak key",
        method_caches,
        is_leak=True,
    ),
)
