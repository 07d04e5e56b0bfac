"""What no Python code refers to: garbage cycles, and objects that only C code keeps."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from heapgraph.analysis.detectors.base import Detector, Evidence
from heapgraph.analysis.execution.greenlets import EVENT_LOOP_TYPES
from heapgraph.analysis.garbage.found import MIN_UNCOLLECTED, garbage_of
from heapgraph.model import C_CODE_OF_GREENLET, NO_ROW, VIRTUAL_ROOT, EdgeKind, RootKind
from heapgraph.units import format_count, format_size

if TYPE_CHECKING:
    from collections.abc import Iterator

    from heapgraph.analysis.detectors.facts import HeapFacts

MIN_HELD = 100
_SHOWN_TYPES = 3
_SHOWN_FINDINGS = 5


def garbage_cycles(facts: HeapFacts) -> Iterator[Evidence]:
    """Objects that wait for the collector."""
    graph, garbage = facts.graph, garbage_of(facts.graph)
    members = garbage.members
    if not len(members):
        return
    types = ", ".join(
        f"{format_count(each.count)} {each.type}" for each in garbage.classes[:_SHOWN_TYPES]
    )
    note = f"{format_count(len(members))} unreachable objects: {types}"
    if garbage.never_freed:
        note += (
            f"; {format_size(garbage.never_freed)} are never freed, since a cycle goes through"
            f" {' and '.join(garbage.blind_types)}, which takes no part in collection"
        )
    largest = members[np.argsort(~graph.shallow_sizes[members], kind="stable")]
    yield Evidence(garbage.size, len(members), note, largest)


def uncollected_cycles(facts: HeapFacts) -> Iterator[Evidence]:
    """Garbage of a program that has switched the collector off: nothing frees it any more."""
    if facts.graph.manifest["interpreter"]["gc_enabled"]:
        return
    for garbage in garbage_cycles(facts):
        if garbage.count >= MIN_UNCOLLECTED:
            note = f"the collector is off (gc.disable), and there are {garbage.note}"
            yield replace(garbage, note=note)


def finalizer_cycles(facts: HeapFacts) -> Iterator[Evidence]:
    """Garbage whose class has a `__del__`: it runs late, and in no certain order."""
    graph = facts.graph
    edges = np.flatnonzero(
        (graph.edge_kinds == EdgeKind.VALUE) & np.isin(graph.labels, facts.string_ids("__del__"))
    )
    edges = edges[facts.is_of_types("function")[graph.targets[edges]]]
    owners = facts.dict_owner[facts.sources_of(edges)]
    classes = facts.type_columns["object"]
    rows = np.flatnonzero(np.isin(classes, owners[owners >= 0]) & (classes != NO_ROW))
    members = facts.ids(np.isin(graph.type_ids, rows) & ~facts.is_reachable)
    if len(members):
        name = graph.type_name(int(members[0]))
        note = f"{format_count(len(members))} unreachable objects with __del__, such as {name}"
        yield Evidence(facts.size(members), len(members), note, members)


def c_held_objects(facts: HeapFacts) -> Iterator[Evidence]:
    """Objects of one type whose reference count says that C code holds them."""
    graph = facts.graph
    is_held = graph.roots.kinds == RootKind.C_HELD
    # Calls that wait give back what they use when their greenlets go on.
    is_held &= np.array([name != C_CODE_OF_GREENLET for name in graph.roots.names], np.bool_)
    held = np.unique(graph.roots.targets[is_held])
    # What a module or a frame explains as well is on a longer path, and no mystery.
    held = held[graph.root_paths.parent[held] == VIRTUAL_ROOT]
    counts = np.bincount(graph.type_ids[held], minlength=len(graph.type_names))
    found = np.flatnonzero(counts >= MIN_HELD)
    names = [graph.type_names[row] for row in found.tolist()]
    by_design = [re.fullmatch(EVENT_LOOP_TYPES, name) is not None for name in names]
    found = found[~np.array(by_design, np.bool_)]  # those are held until their event comes
    found = found[np.argsort(-counts[found], kind="stable")]
    for row in facts.first(found, _SHOWN_FINDINGS, counts[found]).tolist():
        members = held[graph.type_ids[held] == row]
        name = graph.type_names[row]
        note = (
            f"{format_count(len(members))} {name} are alive by references that only C code can hold"
        )
        yield Evidence(facts.retained(members), len(members), note, members)


DETECTORS = (
    Detector(
        "garbage-cycles",
        "objects that no root reaches and the collector has not freed yet",
        "break the cycles (weakref), or let gc run: see gc.get_threshold() and gc.isenabled()",
        garbage_cycles,
    ),
    Detector(
        "uncollected-cycles",
        f"{MIN_UNCOLLECTED} or more objects in garbage cycles while the collector is off",
        "call gc.enable(), or gc.collect() at quiet moments; or break the cycles (weakref)",
        uncollected_cycles,
        is_leak=True,
    ),
    Detector(
        "finalizer-cycles",
        "garbage cycles with instances of classes that have __del__",
        "use weakref.finalize or a context manager instead of __del__",
        finalizer_cycles,
        is_leak=True,
    ),
    Detector(
        "c-held-objects",
        f"{MIN_HELD} or more objects of one type that nothing but C code refers to",
        "look for a missing Py_DECREF in the extension that handles this type",
        c_held_objects,
        is_leak=True,
    ),
)
