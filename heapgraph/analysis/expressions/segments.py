"""One reference as a piece of Python (`.history`, `['user:42']`, `[3]`), and the piece's inverse.

Writing a path and reading it back share this module, so that both know the same rules.
"""

from __future__ import annotations

from keyword import iskeyword
from typing import TYPE_CHECKING

import numpy as np

from heapgraph.analysis.expressions.literals import UNKNOWN, describe_value, literal, text_of
from heapgraph.graph.csr import rows_of
from heapgraph.model import EDGE_KIND_NAMES, NO_LABEL, EdgeKind
from heapgraph.native.scans import are_among
from heapgraph.snapshot.checks import LABEL_IS_NAME, LABEL_IS_OBJECT

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from heapgraph.graph.heap_graph import HeapGraph
    from heapgraph.graph.references import Reference

_PYTHON_NAMES = {
    ("generator", "f_code"): "gi_code",
    ("coroutine", "f_code"): "cr_code",
    ("coroutine", "gi_code"): "cr_code",
    ("coroutine", "gi_frame"): "cr_frame",
    ("async_generator", "f_code"): "ag_code",
    ("async_generator", "gi_code"): "ag_code",
    ("async_generator", "gi_frame"): "ag_frame",
    ("weakref", "callback"): "__callback__",
    ("weakref.ReferenceType", "callback"): "__callback__",
}
"""Fields, by type and name, whose Python attribute has another name."""

_C_ONLY_NAMES = frozenset(
    {"buffer", "descriptor", "exc_traceback", "exc_type", "exc_value", "f_func", "frame_obj"}
    | {"iterator", "iterators", "long_index", "mapping", "mbuf", "result", "sequence"}
    | {"co_localspluskinds", "co_localsplusnames", "zombieframe"}
)
_C_ONLY_PREFIXES = ("tp_", "ht_", "md_", "ob_", "lc_")
"""Fields of C structs so named have no Python attribute."""

_C_ONLY_SOURCES = frozenset(
    {"functools._lru_cache_wrapper", "itertools._tee_dataobject", "_queue.SimpleQueue"}
    | {"hamt_array_node", "hamt_bitmap_node", "hamt_collision_node"}
)
"""Types that show nothing of what they hold to Python."""

_FIXED_LABELS = {EdgeKind.TYPE: "__class__", EdgeKind.DICT: "__dict__"}

_MAX_COMPARED = 100
"""Keys of one type that are compared in words; of more, each is named with its id."""

FLAT_TYPE = "numpy.ndarray"
"""Its positions count through all dimensions, as those of its `.flat` do."""


def edges_of(graph: HeapGraph, source: int, *kinds: EdgeKind) -> NDArray[np.int64]:
    """Numbers of the references of an object, in stored order; only of these kinds if any given."""
    rows = rows_of(graph.offsets, source)
    if not kinds:
        return np.arange(rows.start, rows.stop)
    edges: NDArray[np.int64] = np.flatnonzero(are_among(graph.edge_kinds[rows], kinds)) + rows.start
    return edges


def is_attribute_name(name: str | None) -> bool:
    """Whether `.name` is valid Python."""
    return name is not None and name.isidentifier() and not iskeyword(name)


def label_text(graph: HeapGraph, reference: Reference) -> str | None:
    """What a reference is called, for people: an attribute, a key as Python source, a position.

    "..." where it has a name that was not found, None where it has none.
    """
    if reference.kind in _FIXED_LABELS:
        return _FIXED_LABELS[reference.kind]
    if reference.kind in (EdgeKind.KEY, EdgeKind.MEMBER):
        return describe_value(graph, reference.target)
    if reference.label != NO_LABEL:
        return _label_meaning(graph, reference)
    return UNKNOWN if reference.kind in (*LABEL_IS_OBJECT, *LABEL_IS_NAME) else None


def _label_meaning(graph: HeapGraph, reference: Reference) -> str:
    """What a label number stands for; see `EdgeKind`."""
    if reference.kind in (EdgeKind.ATTRIBUTE, EdgeKind.LOCAL):
        return text_of(graph, reference.label) or describe_value(graph, reference.label)
    if reference.kind is EdgeKind.VALUE:
        return describe_value(graph, reference.label)
    if reference.kind in (EdgeKind.SLOT, EdgeKind.FIELD, EdgeKind.WEAK):
        name = graph.name(reference.label)
        return _PYTHON_NAMES.get((graph.type_name(reference.source), name), name)
    return f"+{reference.label}" if reference.kind is EdgeKind.UNNAMED else str(reference.label)


def entry_label(graph: HeapGraph, reference: Reference, *, in_namespace: bool) -> str | None:
    """`label_text`, but an entry of a `__dict__` by its bare name, as an attribute is called."""
    name = None
    if in_namespace and reference.kind is EdgeKind.VALUE:
        name = text_of(graph, reference.label)
    return label_text(graph, reference) if name is None else name


def is_namespace(reference: Reference) -> bool:
    """Whether the reference leads from an instance, a module or a class to its own dict."""
    return reference.kind is EdgeKind.DICT


def segment(graph: HeapGraph, reference: Reference) -> str:
    """The reference as text to put behind the expression of its source.

    Python where it is true in Python, `<...>` otherwise. Namespaces, types and local variables are
    the caller's business: they change more than the end of the expression.
    """
    if reference.kind is EdgeKind.VALUE:
        key = literal(graph, reference.label)
        return f"[{key}]" if key is not None else _hidden_key(graph, reference)
    name = label_text(graph, reference)
    kind = EDGE_KIND_NAMES[reference.kind]
    which = "" if _is_alone(graph, reference) else f" @{reference.target}"
    hidden = f"<{kind}{which}>" if name is None else f"<{kind} {name}{which}>"
    if name == UNKNOWN:
        return f"<{UNKNOWN}{which}>"
    source_type = graph.type_name(reference.source)
    if source_type in _C_ONLY_SOURCES:
        return hidden
    if reference.kind is EdgeKind.INDEX:
        return f".flat[{name}]" if source_type == FLAT_TYPE else f"[{name}]"
    if (
        reference.kind in (EdgeKind.ATTRIBUTE, EdgeKind.SLOT, EdgeKind.FIELD)
        and name is not None
        and is_attribute_name(name)
        and not _is_c_only(reference.kind, name)
        and direct_attribute_targets(graph, reference.source, name) == {reference.target}
    ):
        return f".{name}"
    return hidden


def _hidden_key(graph: HeapGraph, reference: Reference) -> str:
    """An entry whose key is no literal, by what is known of the key, with its id if need be."""
    text = describe_value(graph, reference.label)
    if reference.label == NO_LABEL:
        return f"[<{text}>]"
    edges = edges_of(graph, reference.source, EdgeKind.VALUE)
    keys = graph.labels[edges]
    keys = keys[(keys != NO_LABEL) & (keys != reference.label)]
    alike = keys[graph.type_ids[keys] == graph.type_ids[reference.label]]
    is_alone = len(alike) <= _MAX_COMPARED and all(
        describe_value(graph, int(key)) != text for key in alike
    )
    return f"[<{text}>]" if is_alone else f"[<{text} @{reference.label}>]"


def _is_alone(graph: HeapGraph, reference: Reference) -> bool:
    """Whether no other reference of the source, to another object, reads like this one."""
    edges = edges_of(graph, reference.source, reference.kind)
    others = edges[graph.targets[edges] != reference.target]
    if reference.kind in (EdgeKind.MEMBER, EdgeKind.KEY):
        return not len(others)
    return not bool(np.any(graph.labels[others] == reference.label))


def _is_c_only(kind: EdgeKind, name: str) -> bool:
    return kind is EdgeKind.FIELD and (name in _C_ONLY_NAMES or name.startswith(_C_ONLY_PREFIXES))


_DIRECT_KINDS = (EdgeKind.ATTRIBUTE, EdgeKind.SLOT, EdgeKind.FIELD)


def direct_attribute_targets(
    graph: HeapGraph, source: int, name: str, kinds: tuple[EdgeKind, ...] = _DIRECT_KINDS
) -> set[int]:
    """What `.name` of an object means by its own layout: inline attributes, slots, fields."""
    references = (graph.reference(int(edge)) for edge in edges_of(graph, source, *kinds))
    return {reference.target for reference in references if label_text(graph, reference) == name}


def type_object(graph: HeapGraph, source: int) -> int | None:
    """The object's class, or None.

    Only the first reference of its kind means it: an lru_cache, for one, refers to the types of its
    links as well.
    """
    edges = edges_of(graph, source, EdgeKind.TYPE)
    return int(graph.targets[edges[0]]) if len(edges) else None


def namespace_of(graph: HeapGraph, source: int) -> int | None:
    """The `__dict__` of an instance, a module or a class, or None."""
    edges = edges_of(graph, source, EdgeKind.DICT)
    return int(graph.targets[edges[0]]) if len(edges) else None
