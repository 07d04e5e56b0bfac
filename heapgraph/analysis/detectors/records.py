"""Many objects of one shape: dicts as records, instances with a `__dict__`, unused attributes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from heapgraph.analysis.detectors.base import Detector, Evidence
from heapgraph.analysis.detectors.facts import GC_HEAD, HeapFacts
from heapgraph.analysis.expressions.literals import UNKNOWN, describe_value, text_of
from heapgraph.analysis.expressions.segments import edges_of
from heapgraph.graph.object_sets import distinct_ids
from heapgraph.model import EdgeKind
from heapgraph.units import format_count, format_share

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

MIN_RECORDS = 1000
MAX_SLOTS = 64
UNUSED_SHARE = 0.9
_SHOWN_FINDINGS = 5
_SHOWN_KEYS = 8

_OBJECT_HEADER = 16
_WEAKREF_LIST = 8
_POINTER = 8
_LARGEST_PLAIN_INSTANCE = 48
"""tp_basicsize of a class without a C base: header, and pointers to dict and weak references."""

_HEAP_TYPE = 1 << 9  # Py_TPFLAGS_HEAPTYPE
_MIX = np.uint64(0x9E3779B97F4A7C15)


def record_dicts(facts: HeapFacts) -> Iterator[Evidence]:
    """Dicts that all have the same keys."""
    graph = facts.graph
    mask = facts.is_of_types("dict") & facts.is_reachable & ~facts.is_owned_dict
    members = facts.ids(mask & (facts.item_counts > 0) & (facts.item_counts <= MAX_SLOTS))
    owner, edges = facts.references(members)
    is_value = graph.edge_kinds[edges] == EdgeKind.VALUE
    owner, keys = owner[is_value], graph.labels[edges[is_value]].astype(np.uint64)
    mixed = (keys + np.uint64(1)) * _MIX
    mixed ^= mixed >> np.uint64(31)
    shapes = np.zeros(len(members), np.uint64)
    np.add.at(shapes, owner, mixed * _MIX)
    _, groups, counts = np.unique(shapes, return_inverse=True, return_counts=True)
    sizes = np.bincount(groups, graph.shallow_sizes[members], len(counts))
    found = np.flatnonzero(counts >= MIN_RECORDS)
    found = found[np.argsort(-counts[found], kind="stable")]
    for group in facts.first(found, _SHOWN_FINDINGS, sizes[found]).tolist():
        same = members[groups == group]
        slotted = GC_HEAD + _OBJECT_HEADER + _POINTER * int(facts.item_counts[same[0]])
        saved = facts.size(same) - slotted * len(same)
        if saved > 0:
            note = f"{format_count(len(same))} dicts with the keys {_keys(facts, int(same[0]))}"
            yield Evidence(saved, len(same), note, same)


def _keys(facts: HeapFacts, mapping: int) -> str:
    keys, _ = facts.entries(mapping)
    texts = [describe_value(facts.graph, key) for key in keys[:_SHOWN_KEYS].tolist()]
    return ", ".join(texts) + (", ..." if len(keys) > _SHOWN_KEYS else "")


def instances_with_dict(facts: HeapFacts) -> Iterator[Evidence]:
    """Classes with many instances whose attributes a fixed layout could hold."""
    types = facts.type_columns
    counts = np.bincount(facts.graph.type_ids, minlength=len(facts.graph.type_names))
    fits = (counts >= MIN_RECORDS) & (types["flags"] & _HEAP_TYPE != 0)
    fits &= types["basicsize"] <= _LARGEST_PLAIN_INSTANCE
    for row in np.flatnonzero(fits).tolist():
        members = facts.ids((facts.graph.type_ids == row) & facts.is_reachable)
        yield from _slots_wanted(facts, row, members)


def _slots_wanted(facts: HeapFacts, row: int, members: NDArray[np.uint32]) -> Iterator[Evidence]:
    graph = facts.graph
    _, edges = facts.references(members)
    kinds = graph.edge_kinds[edges]
    dicts = np.unique(graph.targets[edges[kinds == EdgeKind.DICT]])
    _, dict_edges = facts.references(dicts)
    in_dicts = dict_edges[graph.edge_kinds[dict_edges] == EdgeKind.VALUE]
    inline = edges[kinds == EdgeKind.ATTRIBUTE]
    names = np.unique(np.concatenate([graph.labels[inline], graph.labels[in_dicts]]))
    if not 1 <= len(names) <= MAX_SLOTS or len(members) < MIN_RECORDS:
        return
    if any(text_of(graph, name) is None for name in names.tolist()):
        return
    slotted = GC_HEAD + _OBJECT_HEADER + _WEAKREF_LIST + _POINTER * len(names)
    saved = facts.size(members) + facts.size(dicts) - slotted * len(members)
    if saved > 0:
        name = graph.type_names[row]
        note = f"{format_count(len(members))} instances of {name}, {len(names)} attributes at most"
        yield Evidence(saved, len(members), note, members)


def unused_attributes(facts: HeapFacts) -> Iterator[Evidence]:
    """Attributes that are None in nearly all instances of a class."""
    graph = facts.graph
    is_none = facts.is_of_types("NoneType")
    named = np.isin(graph.edge_kinds, [EdgeKind.ATTRIBUTE, EdgeKind.SLOT, EdgeKind.VALUE])
    edges = np.flatnonzero(named & is_none[graph.targets])
    owner = facts.dict_owner[facts.sources_of(edges)]
    in_dict = graph.edge_kinds[edges] == EdgeKind.VALUE
    edges, owner, in_dict = (part[~in_dict | (owner >= 0)] for part in (edges, owner, in_dict))
    holder = np.where(in_dict, owner, facts.sources_of(edges))
    is_slot = (graph.edge_kinds[edges] == EdgeKind.SLOT).astype(np.uint64)
    keys = (graph.type_ids[holder].astype(np.uint64) << np.uint64(33)) | (
        graph.labels[edges].astype(np.uint64) << np.uint64(1)
    )
    unique, first, counts = np.unique(keys | is_slot, return_index=True, return_counts=True)
    type_rows = (unique >> np.uint64(33)).astype(np.int64)
    instances = np.bincount(graph.type_ids, minlength=len(graph.type_names))[type_rows]
    found = np.flatnonzero((counts >= MIN_RECORDS) & (counts > UNUSED_SHARE * instances))
    found = found[np.argsort(-counts[found], kind="stable")]
    for row in facts.first(found, _SHOWN_FINDINGS, _POINTER * counts[found]).tolist():
        reference = graph.reference(int(edges[first[row]]))
        is_name = reference.kind is EdgeKind.SLOT
        name = graph.name(reference.label) if is_name else text_of(graph, reference.label)
        where = f"{graph.type_names[type_rows[row]]}.{name or UNKNOWN}"
        share = format_share(float(counts[row] / instances[row]))
        note = f"{where} is None in {share} of {format_count(int(instances[row]))} instances"
        members = facts.ids((graph.type_ids == type_rows[row]) & facts.is_reachable)
        yield Evidence(_POINTER * int(counts[row]), int(counts[row]), note, members)


def vertical_bars(facts: HeapFacts) -> Iterator[Evidence]:
    """Containers of very many small containers of one type."""
    graph = facts.graph
    small = facts.is_of_types("dict", "list", "tuple") & ~facts.is_owned_dict
    small &= (facts.item_counts >= 1) & (facts.item_counts <= _SHOWN_KEYS)
    counts = facts.count_references(facts.is_item & small[graph.targets])
    is_bar = (counts >= MIN_RECORDS) & (counts >= UNUSED_SHARE * facts.item_counts)
    bars = facts.ids(is_bar & facts.is_reachable)
    bars = bars[np.argsort(~counts[bars], kind="stable")]
    for bar in facts.first(bars, _SHOWN_FINDINGS, graph.dominators.retained_sizes[bars]).tolist():
        targets = distinct_ids(graph.targets[edges_of(graph, bar)], graph.object_count)
        inner = targets[small[targets] & facts.dominated_by(bar, targets)]
        saved = facts.size(inner) - _POINTER * int(facts.item_counts[inner].sum())
        if len(inner) >= MIN_RECORDS and saved > 0:
            note = f"{format_count(len(inner))} containers of {_SHOWN_KEYS} items at most in one"
            yield Evidence(saved, len(inner), note, owners=(bar,))


DETECTORS = (
    Detector(
        "record-dicts",
        f"{MIN_RECORDS} or more dicts with the same keys",
        "use a slotted dataclass, a NamedTuple, or columns",
        record_dicts,
    ),
    Detector(
        "instances-with-dict",
        f"classes with {MIN_RECORDS} or more instances that have a __dict__",
        "give the class __slots__, or @dataclass(slots=True)",
        instances_with_dict,
    ),
    Detector(
        "unused-attributes",
        f"attributes that are None in over 90 % of {MIN_RECORDS} or more instances",
        "move them to a subclass or a side table",
        unused_attributes,
    ),
    Detector(
        "vertical-bars",
        f"containers of {MIN_RECORDS} or more containers of up to {_SHOWN_KEYS} items",
        "turn rows into columns: one array or list for each field",
        vertical_bars,
    ),
)
