"""Containers that live as long as the program: globals, class attributes, defaults, registries."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from heapgraph.analysis.detectors.base import Detector, Evidence
from heapgraph.analysis.detectors.facts import CONTAINER_TYPES, HeapFacts
from heapgraph.model import NO_LABEL, EdgeKind, ObjectFlags, RootKind
from heapgraph.units import format_count

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

MIN_ITEMS = 1000
MIN_DEFAULT_ITEMS = 100
MIN_WARNINGS = 100
_SHOWN_FINDINGS = 10
_NOT_OF_THE_PROGRAM = frozenset({"builtins", "sys"})
"""Modules whose containers (sys.modules, and all of builtins) belong to the interpreter."""


def global_containers(facts: HeapFacts) -> Iterator[Evidence]:
    """Large containers that are globals of a module."""
    roots = facts.graph.roots
    found = np.flatnonzero(roots.kinds == RootKind.MODULE).tolist()
    rows = [row for row in found if roots.names[row] not in _NOT_OF_THE_PROGRAM]
    modules = np.unique(roots.targets[rows])
    yield from _large(facts, _namespace_values(facts, modules), MIN_ITEMS, "a global")


def class_containers(facts: HeapFacts) -> Iterator[Evidence]:
    """Large containers that are attributes of a class."""
    classes = facts.ids(((facts.graph.flags & ObjectFlags.IS_TYPE) != 0) & facts.is_reachable)
    found = _namespace_values(facts, classes)
    yield from _large(facts, found, MIN_ITEMS, "an attribute of a class")


def mutable_defaults(facts: HeapFacts) -> Iterator[Evidence]:
    """Large containers that are default values of parameters."""
    graph = facts.graph
    labels = np.array(facts.names("__defaults__", "__kwdefaults__"), np.uint32)
    edges = (graph.edge_kinds == EdgeKind.FIELD) & np.isin(graph.labels, labels)
    holders = np.unique(graph.targets[edges])
    _, inner = facts.references(holders)
    values = graph.targets[inner[facts.is_item[inner]]]
    # What something else refers to as well is shared on purpose: a global that is passed along.
    values = values[graph.refcounts[values] == 1]
    yield from _large(facts, values, MIN_DEFAULT_ITEMS, "a default value of a parameter")


def warning_registries(facts: HeapFacts) -> Iterator[Evidence]:
    """What `warnings` remembers of a module: each text that was ever shown, until it ends."""
    graph = facts.graph
    is_large = facts.is_of_types("dict") & facts.is_reachable & (facts.item_counts >= MIN_WARNINGS)
    edges = np.flatnonzero((graph.edge_kinds == EdgeKind.VALUE) & is_large[graph.targets])
    edges = edges[graph.labels[edges] != NO_LABEL]
    # The name is no interned string where C code made it.
    names = graph.previews(graph.labels[edges])
    named = np.array([name == "__warningregistry__" for name in names], np.bool_)
    registries = np.unique(graph.targets[edges[named]]).tolist()
    counts = {each: len(_warnings(facts, each)) for each in registries}
    found = np.array([each for each in registries if counts[each] >= MIN_WARNINGS], np.uint32)
    sizes = graph.dominators.retained_sizes[found]
    order = np.argsort(~sizes, kind="stable")
    for row in facts.first(order, _SHOWN_FINDINGS, sizes[order]).tolist():
        owner = int(found[row])
        note = f"a module remembers {format_count(counts[owner])} warnings of different texts"
        yield Evidence(int(sizes[row]), counts[owner], note, owners=(owner,))


def _warnings(facts: HeapFacts, registry: int) -> NDArray[np.uint32]:
    """Keys of a registry that are warnings: (text, category, line); one is its version."""
    keys, _ = facts.entries(registry)
    return keys[facts.is_of_types("tuple")[keys]]


def _namespace_values(facts: HeapFacts, owners: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """What the namespaces of modules or classes hold."""
    graph = facts.graph
    _, edges = facts.references(owners)
    dicts = graph.targets[edges[graph.edge_kinds[edges] == EdgeKind.DICT]]
    # The root of a sub-interpreter's module may be the dict itself.
    dicts = np.concatenate([dicts, owners[facts.is_of_types("dict")[owners]]])
    _, inner = facts.references(dicts)
    values: NDArray[np.uint32] = graph.targets[inner[graph.edge_kinds[inner] == EdgeKind.VALUE]]
    return values


def _large(
    facts: HeapFacts, values: NDArray[np.uint32], least: int, what: str
) -> Iterator[Evidence]:
    """One finding for each container among these objects that is large."""
    graph = facts.graph
    values = np.unique(values)
    containers = values[facts.is_of_types(*CONTAINER_TYPES)[values]]
    containers = containers[facts.item_counts[containers] >= least]
    containers = containers[~facts.is_owned_dict[containers]]
    sizes = graph.dominators.retained_sizes[containers]
    order = np.lexsort((containers, ~sizes))
    for row in facts.first(order, _SHOWN_FINDINGS, sizes[order]).tolist():
        owner = int(containers[row])
        count = int(facts.item_counts[owner])
        note = f"a {graph.type_name(owner)} of {format_count(count)} items is {what}"
        yield Evidence(int(sizes[row]), count, note, owners=(owner,))


DETECTORS = (
    Detector(
        "global-containers",
        f"dicts, lists, sets and deques of {MIN_ITEMS} or more items in a module's globals",
        "if it grows with every request, bound it or remove what is done",
        global_containers,
    ),
    Detector(
        "class-containers",
        f"dicts, lists, sets and deques of {MIN_ITEMS} or more items as class attributes",
        "create the container in __init__: all instances share that of the class",
        class_containers,
    ),
    Detector(
        "mutable-defaults",
        f"containers of {MIN_DEFAULT_ITEMS} or more items as default values of parameters",
        "use None as the default, and create the container inside the function",
        mutable_defaults,
        is_leak=True,
    ),
    Detector(
        "warning-registries",
        f"modules for which warnings remembers {MIN_WARNINGS} or more different texts",
        'give the warning a constant text (the data belongs into a log), or the filter "always"',
        warning_registries,
        is_leak=True,
    ),
)
