"""Children of the dominator tree gathered by type, module or package."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from heapgraph.analysis.expressions.openings import root_names

if TYPE_CHECKING:
    from heapgraph.graph.heap_graph import HeapGraph
    from heapgraph.native.graph_kernels import U32, U64

GROUPINGS = ("", "type", "module", "package")
"""What `g` goes through; "" lists the objects themselves."""

BUILTIN = "builtins"


@dataclass(frozen=True)
class Group:
    """Objects that belong together.

    Attributes:
        label: name of the type, module or package.
        members: uint32[k], object ids.
        retained_size: bytes that go with them. Children of one object in the dominator tree hold
            nothing in common, so the sum is exact.
    """

    label: str
    members: U32
    retained_size: int


def group_objects(graph: HeapGraph, object_ids: U32, sizes: U64, grouping: str) -> list[Group]:
    """Gather objects.

    Args:
        graph: the snapshot.
        object_ids: uint32[k].
        sizes: uint64[k], retained size of each.
        grouping: one of GROUPINGS but not "".

    Returns:
        Groups, the largest first, then by label.

    Cost: sorts the objects once; names are made for each type and each module only.
    """
    labels = _labels(graph, object_ids, grouping)
    if not len(labels):
        return []
    names, codes = np.unique(labels, return_inverse=True)
    order = np.argsort(codes, kind="stable")
    bounds = np.searchsorted(codes[order], np.arange(len(names) + 1))
    groups = []
    for row, name in enumerate(names.tolist()):
        members = order[bounds[row] : bounds[row + 1]]
        groups.append(Group(str(name), object_ids[members], int(sizes[members].sum())))
    return sorted(groups, key=lambda group: (-group.retained_size, group.label))


def _labels(graph: HeapGraph, object_ids: U32, grouping: str) -> np.ndarray[tuple[int], np.dtype]:
    """A label for each object; a module belongs to itself, any other object to its type's."""
    type_ids = graph.type_ids[object_ids]
    present, codes = np.unique(type_ids, return_inverse=True)
    names = [graph.type_names[row] for row in present.tolist()]
    if grouping == "type":
        return np.array(names, object)[codes]
    labels = np.array([module_of_type(graph, name) for name in names], object)[codes]
    module_names = {
        target: name for name, targets in root_names(graph).modules.items() for target in targets
    }
    for row in np.flatnonzero(np.array(names, object)[codes] == "module").tolist():
        labels[row] = module_names.get(int(object_ids[row]), labels[row])
    if grouping == "package":
        unique, back = np.unique(labels.astype(str), return_inverse=True)
        packages = [name.partition(".")[0] for name in unique.tolist()]
        labels = np.array(packages, object)[back]
    return labels


def module_of_type(graph: HeapGraph, type_name: str) -> str:
    """The module that defines a type: the longest known one that its qualified name begins with."""
    modules = root_names(graph).modules
    name = type_name.rpartition(".")[0]
    while name and name not in modules:
        name = name.rpartition(".")[0]
    return name or type_name.rpartition(".")[0].partition(".")[0] or BUILTIN
