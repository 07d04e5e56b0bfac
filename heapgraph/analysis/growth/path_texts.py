"""What leads to objects on their paths, as text in which keys of data and positions are left out.

The number of objects that are reached in one way has no limit, that of the ways does: each is
described once.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from heapgraph.analysis.expressions.literals import literals, texts_of
from heapgraph.analysis.expressions.openings import root_names
from heapgraph.analysis.expressions.segments import is_attribute_name
from heapgraph.analysis.growth.numbering import number_texts
from heapgraph.graph.references import EDGE_PREFERENCE
from heapgraph.model import NO_LABEL, NO_ROW, EdgeKind, RootKind
from heapgraph.native.key_numbers import number_keys
from heapgraph.native.scans import steps

if TYPE_CHECKING:
    from collections.abc import Collection

    from numpy.typing import NDArray

    from heapgraph.analysis.detectors.facts import HeapFacts
    from heapgraph.graph.heap_graph import HeapGraph

SMALL_DICT = 16
"""Keys of a dict with more entries than these are data, not names."""

ANY_ITEM = "[*]"
ANY_KEY = "<key>"
UNNAMED = "<reference>"
MADE_MODULES = "sys.modules[*]"
"""Modules whose names are made: each load adds one, so that sys.modules is what grows."""

_OFFSET = re.compile(r" \+0x[0-9a-f]+")
"""Where in a struct of the interpreter a root lies."""

_ROOT_WORDS: dict[int, str] = {kind: kind.name.lower().replace("_", " ") for kind in RootKind}

_LABEL_BITS = 32
_ITEM_KINDS = (EdgeKind.INDEX, EdgeKind.MEMBER, EdgeKind.VALUE, EdgeKind.STACK)
_NAME = 100
"""Stands beside the edge kinds for an entry of a namespace."""
_SMALL_DICT_KEY = 101

_WITHOUT_LABEL: dict[int, str] = {
    EdgeKind.DICT: "",  # not shown
    EdgeKind.INDEX: ANY_ITEM,
    EdgeKind.KEY: ANY_KEY,
    EdgeKind.TYPE: "<type>",
    EdgeKind.LOCAL: "<attribute>",
    EdgeKind.SLOT: "<...>",
    EdgeKind.FIELD: "<...>",
    _NAME: "<attribute>",
    _SMALL_DICT_KEY: ANY_ITEM,
}


def path_texts(facts: HeapFacts, max_distance: int) -> tuple[NDArray[np.int64], list[str]]:
    """What leads to each object from the one before it on its path, or the name of its root.

    Args:
        facts: of the snapshot.
        max_distance: references from a root; what lies deeper is left out.

    Returns:
        int64[n], rows of the texts (0 for what is left out or not reached), and the distinct texts.

    Cost: a few passes over the references; one preview for each distinct name or key.
    """
    graph = facts.graph
    known: dict[str, int] = {}
    rows = np.zeros(graph.object_count, np.int64)
    first = np.flatnonzero(graph.root_paths.distance == 0)
    rows[first] = number_texts(_root_texts(graph, first), known)
    edges = path_edges(facts, max_distance)
    codes, code_rows = number_keys(_edge_codes(facts, edges))
    rows[graph.targets[edges]] = number_texts(_code_texts(graph, codes), known)[code_rows]
    return rows, list(known)


def _root_texts(graph: HeapGraph, objects: NDArray[np.int64]) -> list[str]:
    """The name of the root of each object."""
    roots = graph.roots
    rows = roots.best_rows(objects)
    kinds = roots.kinds[rows]
    frames = np.where(kinds == RootKind.FRAME, roots.frames[rows], NO_ROW)
    names = [roots.names[row] for row in rows.tolist()]
    keys = list(zip(kinds.tolist(), frames.tolist(), names, strict=True))
    made = {each for group in graph.modules.made for each in group}
    texts = {key: describe_root(graph, *key, made) for key in dict.fromkeys(keys)}
    return [texts[key] for key in keys]


def describe_root(
    graph: HeapGraph, kind: int, frame_row: int, name: str, made: Collection[str]
) -> str:
    """A root's name without what differs from run to run: thread, line, number."""
    if frame_row != NO_ROW:
        frame = graph.frames[frame_row]
        file = frame.file.rpartition("/")[2]
        return f"<{frame.function}() at {file}> {name}"
    if kind == RootKind.MODULE:
        return MADE_MODULES if name in made else name
    if kind == RootKind.C_HELD:
        return "<held by C code>"
    name = _OFFSET.sub("", name) if "+" in name else name
    return f"<{_ROOT_WORDS[kind]} {name}>" if name else f"<{_ROOT_WORDS[kind]}>"


def path_edges(facts: HeapFacts, max_distance: int | None = None) -> NDArray[np.int64]:
    """int64[k], the best-named reference by which its path reaches each object, if any does.

    Args:
        facts: of the graph.
        max_distance: steps from a root, beyond which objects are left out; None: none is.

    Cost: a pass over the references, and 16 bytes an object.
    """
    graph = facts.graph
    paths = graph.root_paths
    rank = np.empty(len(EDGE_PREFERENCE), np.int64)
    rank[list(EDGE_PREFERENCE)] = np.arange(len(EDGE_PREFERENCE))
    none = np.iinfo(np.int64).max
    best = np.full(graph.object_count, none, np.int64)
    shift = 40  # more references than any snapshot has
    for here in steps(graph.reference_count):
        targets = graph.targets[here]
        in_tree = (paths.parent[targets] == _sources(graph, here)) & (paths.skip[here] == 0)
        if max_distance is not None:
            in_tree &= paths.distance[targets] <= max_distance
        rows = np.flatnonzero(in_tree)
        ranks = rank[graph.edge_kinds[here][rows]] << shift
        np.minimum.at(best, targets[rows], ranks | (rows + here.start))
    found: NDArray[np.int64] = best[best != none]
    found &= (1 << shift) - 1
    return found


def _sources(graph: HeapGraph, references: slice) -> NDArray[np.int64]:
    """int64[k], the referrers of references that follow one another."""
    begin, end = references.start, references.stop
    first, last = np.searchsorted(graph.offsets, np.array([begin, end - 1], np.uint64), "right")
    bounds = np.clip(graph.offsets[first - 1 : last + 1].astype(np.int64), begin, end)
    return np.repeat(np.arange(first - 1, last), np.diff(bounds))


def _edge_codes(facts: HeapFacts, edges: NDArray[np.int64]) -> NDArray[np.int64]:
    """int64[k], kind and label of each reference, equal for those that are not told apart."""
    graph = facts.graph
    kinds = graph.edge_kinds[edges].astype(np.int64)
    labels = graph.labels[edges].astype(np.int64)
    sources = facts.sources[edges]
    is_value = kinds == EdgeKind.VALUE
    namespaces = facts.is_owned_dict.copy()
    namespaces[list(root_names(graph).namespaces)] = True
    is_small = facts.item_counts[sources] <= SMALL_DICT
    kinds[is_value & is_small] = _SMALL_DICT_KEY
    kinds[is_value & namespaces[sources]] = _NAME
    kinds[kinds == EdgeKind.ATTRIBUTE] = _NAME
    anything = np.isin(kinds, _ITEM_KINDS)
    kinds[anything] = EdgeKind.INDEX
    labels[anything | (kinds == EdgeKind.KEY)] = 0
    codes: NDArray[np.int64] = (kinds << _LABEL_BITS) | labels
    return codes


def _code_texts(graph: HeapGraph, codes: NDArray[np.int64]) -> list[str]:
    """Ways of being reached as texts; empty for a `__dict__`, which is not shown."""
    kinds = codes >> _LABEL_BITS
    labels = (codes & NO_LABEL).astype(np.uint32)
    texts = [_WITHOUT_LABEL.get(kind, UNNAMED) for kind in kinds.tolist()]

    def labelled(*wanted: int) -> list[int]:
        rows: list[int] = np.flatnonzero(np.isin(kinds, wanted) & (labels != NO_LABEL)).tolist()
        return rows

    rows = labelled(_NAME, EdgeKind.LOCAL)
    for row, name in zip(rows, texts_of(graph, labels[rows]), strict=True):
        texts[row] = f".{name}" if is_attribute_name(name) else f"<{name or 'attribute'}>"
    rows = labelled(_SMALL_DICT_KEY)
    for row, key in zip(rows, literals(graph, labels[rows]), strict=True):
        texts[row] = ANY_ITEM if key is None else f"[{key}]"
    for row in labelled(EdgeKind.SLOT, EdgeKind.FIELD):
        texts[row] = f".{graph.name(int(labels[row]))}"
    return texts
