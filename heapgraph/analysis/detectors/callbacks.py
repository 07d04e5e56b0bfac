"""Callbacks that keep their objects alive: listeners, handlers, closures, weak dictionaries."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np

from heapgraph.analysis.detectors.base import Detector, Evidence
from heapgraph.analysis.detectors.facts import CONTAINER_TYPES, HeapFacts
from heapgraph.analysis.expressions.attributes import attributes_of
from heapgraph.analysis.expressions.segments import edges_of
from heapgraph.model import EdgeKind
from heapgraph.units import format_count

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

MIN_CALLBACKS = 50
MOSTLY = 0.9
MIN_SAME_TARGET = 3
MIN_HANDLERS = 10
LARGE_CLOSURE = 1024
MIN_DEFEATED = 10
_SHOWN_FINDINGS = 5


def callback_lists(facts: HeapFacts) -> Iterator[Evidence]:
    """Containers of bound methods, partials and closures that nothing else keeps alive."""
    graph = facts.graph
    is_callback = facts.is_of_types("method", "functools.partial") | _is_closure(facts)
    is_box = facts.is_of_types("tuple", "dict")
    counts = facts.count_references(facts.is_item & is_callback[graph.targets])
    found = (counts >= MIN_CALLBACKS) & (counts >= MOSTLY * facts.item_counts)
    found &= facts.is_of_types(*CONTAINER_TYPES) & ~facts.is_owned_dict & facts.is_reachable
    owners = facts.ids(found)
    for owner in owners[np.argsort(~counts[owners], kind="stable")].tolist():
        callbacks = np.unique(graph.targets[edges_of(graph, owner)])
        callbacks = callbacks[is_callback[callbacks]]
        behind = np.unique(_behind(facts, callbacks))
        kept = behind[facts.dominated_by(owner, behind)]
        # The tuple of a closure or of arguments counts for what is in it.
        is_object = ~is_box[kept] | (graph.dominators.retained_sizes[kept] >= LARGE_CLOSURE)
        kept = kept[is_object]
        if len(kept) >= MIN_CALLBACKS:
            note = (
                f"{format_count(len(callbacks))} callbacks in one {graph.type_name(owner)} keep "
                f"{format_count(len(kept))} objects alive that nothing else does"
            )
            size = int(graph.dominators.retained_sizes[owner])
            yield Evidence(size, len(callbacks), note, owners=(owner,))


def _is_closure(facts: HeapFacts) -> NDArray[np.bool_]:
    """bool[n]: functions with variables of an outer one."""
    graph = facts.graph
    mask = np.zeros(graph.object_count, np.bool_)
    is_edge = (graph.edge_kinds == EdgeKind.FIELD) & np.isin(
        graph.labels, np.array(facts.names("__closure__"), np.uint32)
    )
    edges = np.flatnonzero(is_edge)
    holds_something = facts.is_of_types("tuple")[graph.targets[edges]]
    mask[facts.sources_of(edges[holds_something])] = True
    return mask


def _behind(facts: HeapFacts, callbacks: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """What callbacks are bound to: `__self__`, arguments, closures."""
    graph = facts.graph
    _, edges = facts.references(callbacks)
    labels = np.array(facts.names("__self__", "args", "keywords", "__closure__"), np.uint32)
    bound = (graph.edge_kinds[edges] == EdgeKind.FIELD) & np.isin(graph.labels[edges], labels)
    targets: NDArray[np.uint32] = graph.targets[edges[bound]]
    return targets


def logging_handlers(facts: HeapFacts) -> Iterator[Evidence]:
    """Loggers with many handlers of one class, or several that write to the same place."""
    graph = facts.graph
    loggers = facts.of_types("logging.Logger", "logging.RootLogger")
    lists = facts.attribute(loggers, "handlers")
    for handlers in np.unique(lists[lists >= 0]).tolist():
        if facts.item_counts[handlers] < MIN_SAME_TARGET:
            continue
        targets = graph.targets[edges_of(graph, handlers, EdgeKind.INDEX)].tolist()
        by_class: dict[object, list[int]] = defaultdict(list)
        by_place: dict[object, list[int]] = defaultdict(list)
        for handler in targets:
            by_class[graph.type_name(handler)].append(handler)
            by_place[_place(facts, handler)].append(handler)
        groups = [group for group in by_class.values() if len(group) >= MIN_HANDLERS]
        groups += [group for group in by_place.values() if len(group) >= MIN_SAME_TARGET]
        if groups:
            largest = max(groups, key=len)
            name = graph.type_name(largest[0])
            note = f"{format_count(len(largest))} handlers of class {name} on one logger"
            size = facts.retained(largest[1:])
            yield Evidence(size, len(largest) - 1, note, owners=(handlers,))


def _place(facts: HeapFacts, handler: int) -> object:
    """Where a handler writes to; itself where that is not known."""
    graph = facts.graph
    found = attributes_of(graph, handler)
    name = found.get("baseFilename")
    if name is not None:
        return graph.preview(name)
    stream = found.get("stream")
    return (graph.type_name(handler), handler if stream is None else (stream,))


def large_closures(facts: HeapFacts) -> Iterator[Evidence]:
    """Functions whose captured variables alone keep much alive, by their code."""
    graph = facts.graph
    functions = facts.ids(_is_closure(facts) & facts.is_reachable)
    cells = facts.attribute(functions, "__closure__")
    codes = facts.attribute(functions, "__code__")
    sizes = graph.dominators.retained_sizes[cells]
    large = (sizes >= LARGE_CLOSURE) & (codes >= 0)
    functions, cells, codes = functions[large], cells[large], codes[large]
    found = []
    for code in np.unique(codes).tolist():
        here = codes == code
        retained = facts.retained(cells[here].astype(np.uint32))
        what = graph.codes.place(code).text
        count = int(here.sum())
        note = f"the variables of {format_count(count)} closures {what}"
        found.append(Evidence(retained, count, note, functions[here]))
    found.sort(key=lambda evidence: -evidence.wasted_size)
    sizes = np.array([evidence.wasted_size for evidence in found])
    yield from facts.first(found, _SHOWN_FINDINGS, sizes)


def defeated_weak_dicts(facts: HeapFacts) -> Iterator[Evidence]:
    """Weak dictionaries that keep alive what they refer to weakly."""
    graph = facts.graph
    owners = facts.of_types("weakref.WeakKeyDictionary", "weakref.WeakValueDictionary")
    data = facts.attribute(owners, "data")
    for owner, mapping in zip(owners.tolist(), data.tolist(), strict=True):
        if mapping < 0:
            continue
        _, edges = facts.references(np.unique(np.concatenate(facts.entries(mapping))))
        weak = graph.targets[edges[graph.edge_kinds[edges] == EdgeKind.WEAK]]
        referents = np.unique(weak)
        kept = referents[facts.dominated_by(mapping, referents)]
        if len(kept) >= MIN_DEFEATED:
            name = graph.type_name(owner).rpartition(".")[2]
            note = (
                f"{format_count(len(kept))} entries of a {name} are kept alive by their own values"
            )
            yield Evidence(facts.retained(kept), len(kept), note, owners=(owner,))


DETECTORS = (
    Detector(
        "callback-lists",
        f"containers of {MIN_CALLBACKS} or more bound methods, partials or closures that alone"
        " keep objects alive",
        "unregister when the object is done, or register a weakref.WeakMethod",
        callback_lists,
        is_leak=True,
    ),
    Detector(
        "logging-handlers",
        f"loggers with {MIN_HANDLERS} handlers of one class, or {MIN_SAME_TARGET} to one place",
        "add handlers once, at start; remove and close those that were added for a while",
        logging_handlers,
        is_leak=True,
    ),
    Detector(
        "large-closures",
        f"closures whose captured variables retain {LARGE_CLOSURE} bytes or more",
        "pass the values that are needed instead of capturing the variables",
        large_closures,
    ),
    Detector(
        "defeated-weak-dicts",
        f"weak dictionaries with {MIN_DEFEATED} or more entries whose value holds the key",
        "break the reference from the value to the key, or make it weak",
        defeated_weak_dicts,
        is_leak=True,
    ),
)
