"""Classes that exist several times."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np

from heapgraph.analysis.detectors.base import Detector, Evidence
from heapgraph.model import NO_ROW
from heapgraph.units import format_count

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from heapgraph.analysis.detectors.facts import HeapFacts

MIN_CLASSES = 10
_SHOWN_FINDINGS = 5


def duplicate_classes(facts: HeapFacts) -> Iterator[Evidence]:
    """Live classes of the same module and name that no module has by a name of its own.

    A library that makes a family of classes in a loop gives each of them a name in its module.
    """
    by_name: dict[str, list[int]] = defaultdict(list)
    is_candidate = facts.is_reachable & ~_is_in_module(facts)
    objects = facts.type_columns["object"].tolist()
    for name, class_id in zip(facts.graph.type_names, objects, strict=True):
        # A name without a module is a builtin's or one that could not be read.
        if class_id != NO_ROW and "." in name and is_candidate[class_id]:
            by_name[name].append(class_id)
    found = []
    for name, classes in by_name.items():
        if len(classes) >= MIN_CLASSES:
            members = np.array(sorted(classes), np.uint32)
            size = facts.retained(members[1:])
            note = f"{format_count(len(classes))} live classes are called {name}"
            found.append(Evidence(size, len(classes) - 1, note, members))
    found.sort(key=lambda evidence: -evidence.wasted_size)
    sizes = np.array([evidence.wasted_size for evidence in found])
    yield from facts.first(found, _SHOWN_FINDINGS, sizes)


def _is_in_module(facts: HeapFacts) -> NDArray[np.bool_]:
    """bool[n]: the object is a value in the namespace of a module."""
    owners = facts.dict_owner
    is_module = np.append(facts.is_of_types("module"), False)  # the last one is for no owner
    _, edges = facts.references(np.flatnonzero(is_module[owners]).astype(np.uint32))
    found = np.zeros(facts.graph.object_count, np.bool_)
    found[facts.graph.targets[edges]] = True
    return found


DETECTORS = (
    Detector(
        "duplicate-classes",
        f"{MIN_CLASSES} or more live classes of the same module and name that no module names",
        "define the class once, outside the function; drop what a reload has replaced",
        duplicate_classes,
        is_leak=True,
    ),
)
