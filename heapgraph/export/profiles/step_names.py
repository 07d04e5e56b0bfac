"""What leads to each object from the one before it on its path, as names that occur in code.

Keys, positions and members are `[*]`: they are data, which no profile may hold, and they change
from process to process, where profiles have to be compared.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from heapgraph.analysis.detectors.facts import HeapFacts
from heapgraph.analysis.expressions.literals import texts_of
from heapgraph.analysis.expressions.openings import root_names
from heapgraph.analysis.expressions.segments import is_attribute_name
from heapgraph.analysis.growth.numbering import number_texts
from heapgraph.analysis.growth.path_texts import (
    ANY_ITEM,
    ANY_KEY,
    MADE_MODULES,
    UNNAMED,
    describe_root,
    path_edges,
)
from heapgraph.model import NO_LABEL, NO_ROW, VIRTUAL_ROOT, EdgeKind, ObjectFlags, RootKind
from heapgraph.native.key_numbers import number_keys
from heapgraph.native.scans import steps

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from heapgraph.graph.heap_graph import HeapGraph

MANY_ATTRIBUTES = 200
"""An instance with more of them has been used as a dict: its names are data."""

MAX_NAME = 100
"""Characters of a name that are kept; nobody writes longer ones."""

_MODULE_NAME = re.compile(r"[^\W\d][\w.]{0,199}( \(interpreter \d+\))?")
"""Other keys of sys.modules are no names of modules."""

NAMELESS = "<attribute>"

_LABEL_BITS = 32
_NAME, _ANY_NAME = 100, 101
"""Stand beside the edge kinds for entries of a namespace, with and without their name."""

_WITHOUT_LABEL: dict[int, str] = {
    EdgeKind.DICT: ".__dict__",
    EdgeKind.INDEX: ANY_ITEM,
    EdgeKind.KEY: ANY_KEY,
    EdgeKind.TYPE: ".__class__",
    _ANY_NAME: NAMELESS,
    _NAME: NAMELESS,
    EdgeKind.LOCAL: NAMELESS,
    EdgeKind.SLOT: NAMELESS,
    EdgeKind.FIELD: NAMELESS,
}
_SAID_AS = np.arange(256, dtype=np.uint8)
"""uint8[256], by kind of a reference: the kind that stands for it."""
_SAID_AS[[EdgeKind.MEMBER, EdgeKind.VALUE, EdgeKind.STACK]] = EdgeKind.INDEX
_SAID_AS[EdgeKind.ATTRIBUTE] = _NAME

_HAS_LABEL = np.zeros(256, np.bool_)
_HAS_LABEL[[_NAME, EdgeKind.LOCAL, EdgeKind.SLOT, EdgeKind.FIELD]] = True

_NAMELESS_ROOTS = (RootKind.C_HELD, RootKind.INTERNED, RootKind.IMMORTAL)
"""Roots of which there may be a hundred thousand, and nothing but their kind to be said."""


def step_names(graph: HeapGraph) -> tuple[NDArray[np.int32], list[str]]:
    """What leads to each object from the one before it on its shortest path.

    Returns:
        int32[n], rows of the names: of what roots hold the root, of an entry of a `__dict__` its
        name. 0, an empty name, for what is not reached. And the distinct names.

    Cost: a few passes over the references, 16 bytes an object; one preview for each distinct
        attribute.
    """
    known = {"": 0}
    rows = np.zeros(graph.object_count, np.int32)
    first = np.flatnonzero(graph.root_paths.parent == VIRTUAL_ROOT)
    codes, code_rows, names = _root_names(graph, first)
    rows[first] = number_texts(names, known)[code_rows] if len(codes) else 0
    facts = HeapFacts(graph)
    edges, namespaces = path_edges(facts), _namespaces(facts)
    row_of: dict[int, int] = {}
    for here in steps(len(edges)):
        codes, code_rows = number_keys(_edge_codes(graph, edges[here], *namespaces))
        new = np.array([code for code in codes.tolist() if code not in row_of], np.int64)
        numbers = number_texts(_code_texts(graph, new), known)
        row_of |= zip(new.tolist(), numbers.tolist(), strict=True)
        row_of_code = np.array([row_of[code] for code in codes.tolist()], np.int32)
        rows[graph.targets[edges[here]]] = row_of_code[code_rows]
    return rows, list(known)


def _root_names(
    graph: HeapGraph, objects: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], list[str]]:
    """The distinct roots of some objects, the row of each object among them, and their names."""
    roots = graph.roots
    if not len(objects):
        return objects, objects, []
    best = roots.best_rows(objects)
    kinds = roots.kinds[best].astype(np.int64)
    # One code for all of a nameless kind, else one for each root.
    has_name = ~np.isin(kinds, _NAMELESS_ROOTS)
    codes, rows = number_keys(np.where(has_name, best, -1 - kinds))
    made = {each for group in graph.modules.made for each in group}
    names = []
    for code in codes.tolist():
        if code < 0:
            names.append(describe_root(graph, -1 - code, NO_ROW, "", made))
            continue
        kind, name = int(roots.kinds[code]), roots.names[code]
        frame = int(roots.frames[code]) if kind == RootKind.FRAME else NO_ROW
        is_data = kind == RootKind.MODULE and not _MODULE_NAME.fullmatch(name)
        names.append(MADE_MODULES if is_data else describe_root(graph, kind, frame, name, made))
    return codes, rows, names


def _edge_codes(
    graph: HeapGraph,
    edges: NDArray[np.int64],
    is_namespace: NDArray[np.bool_],
    has_names: NDArray[np.bool_],
) -> NDArray[np.int64]:
    """int64[k], kind and label of each reference, equal for those that are not told apart.

    Args:
        graph: the snapshot.
        edges: int64[k], of paths.
        is_namespace: of `_namespaces`.
        has_names: of `_namespaces`.
    """
    kinds = graph.edge_kinds[edges]
    entries = np.flatnonzero(kinds == EdgeKind.VALUE)
    namespaces = graph.root_paths.parent[graph.targets[edges[entries]]]
    is_entry = is_namespace[namespaces]
    entries, namespaces = entries[is_entry], namespaces[is_entry]
    kinds[entries] = np.where(has_names[namespaces], _NAME, _ANY_NAME)
    kinds = _SAID_AS[kinds]
    codes: NDArray[np.int64] = kinds.astype(np.int64) << _LABEL_BITS
    labelled = np.flatnonzero(_HAS_LABEL[kinds])
    codes[labelled] |= graph.labels[edges[labelled]]
    return codes


def _namespaces(facts: HeapFacts) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """bool[n] each: its keys are attributes or globals, and they are names written in code."""
    graph = facts.graph
    edges = np.flatnonzero(graph.edge_kinds == EdgeKind.DICT)
    dicts, owners = graph.targets[edges], facts.sources_of(edges)
    is_class = (graph.flags[owners] & ObjectFlags.IS_TYPE) != 0
    is_module = graph.type_mask({"module"})[graph.type_ids[owners]]
    references = graph.offsets[dicts.astype(np.int64) + 1] - graph.offsets[dicts]
    is_small = references <= 2 * MANY_ATTRIBUTES  # one to the key, one to the value
    is_namespace = np.zeros(graph.object_count, np.bool_)
    has_names = is_namespace.copy()
    is_namespace[dicts] = True
    has_names[dicts] = is_class | is_module | is_small
    modules = list(root_names(graph).namespaces)
    is_namespace[modules] = has_names[modules] = True
    return is_namespace, has_names


def _code_texts(graph: HeapGraph, codes: NDArray[np.int64]) -> list[str]:
    kinds = codes >> _LABEL_BITS
    labels = (codes & NO_LABEL).astype(np.uint32)
    texts = [_WITHOUT_LABEL.get(kind, UNNAMED) for kind in kinds.tolist()]

    def labelled(*wanted: int) -> list[int]:
        rows: list[int] = np.flatnonzero(np.isin(kinds, wanted) & (labels != NO_LABEL)).tolist()
        return rows

    rows = labelled(_NAME, EdgeKind.LOCAL)
    for row, name in zip(rows, texts_of(graph, labels[rows]), strict=True):
        texts[row] = _attribute(name)
    for row in labelled(EdgeKind.SLOT, EdgeKind.FIELD):
        texts[row] = _attribute(graph.name(int(labels[row])))
    return texts


def _attribute(name: str | None) -> str:
    """`.name`, if it may be one that somebody wrote down in code."""
    is_name = name is not None and is_attribute_name(name) and len(name) <= MAX_NAME
    return f".{name}" if is_name else NAMELESS
