"""One object: what it is, what it refers to, what refers to it, and what keeps it alive."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from heapgraph.analysis.expressions import expression
from heapgraph.analysis.expressions.literals import literal
from heapgraph.analysis.expressions.segments import entry_label
from heapgraph.analysis.object_rows import ObjectRow, object_id_of, object_row
from heapgraph.analysis.results import Result, not_serialized, serialize
from heapgraph.graph.fields import field_references, stored_references
from heapgraph.graph.native.shares import native_by_grade
from heapgraph.model import (
    EDGE_KIND_NAMES,
    NATIVE_GRADE_NAMES,
    EdgeFlags,
    RootKind,
)
from heapgraph.units import Bytes, Count, Expression, ObjectId, TypeName

if TYPE_CHECKING:
    from collections.abc import Iterable

    from heapgraph.analysis.registry import Progress
    from heapgraph.graph.heap_graph import HeapGraph

DEFAULT_LIMIT = 20


@dataclass(frozen=True)
class ShownReference:
    """A referent or a referrer.

    Attributes:
        id, type, expression, value, retained_size: of the object at the other end.
        label: what the reference is called.
        label_kind: kind of the reference.
    """

    id: ObjectId
    type: TypeName
    label: str | None
    label_kind: str
    expression: Expression
    value: str | None
    retained_size: Bytes


@dataclass(frozen=True)
class ShownObject(Result):
    """Everything about one object.

    Attributes:
        row: name and sizes; its `__dict__`, if folded, is counted in.
        value: what was kept of its value, None for nothing.
        refcount: as in the target.
        held_from_c: references that only C code holds.
        native_grades: bytes of C code that go with it by how sure that is, an estimate: "direct",
            "chain" (over other memory of C code), "doubtful"; empty without any.
        references: what it refers to.
        referrers: what refers to it.
        dominators: its dominators, the immediate one first.
        references_left_out, referrers_left_out, dominators_left_out: how many more there are.
        found_references: counted references to it that were found in objects.
        root_references: counted references that roots hold, without those of C code.
        getsizeof: what `sys.getsizeof` says.
    """

    row: ObjectRow
    value: str | None
    refcount: Count
    held_from_c: Count
    native_grades: dict[str, Bytes]
    references: tuple[ShownReference, ...]
    referrers: tuple[ShownReference, ...]
    dominators: tuple[ObjectRow, ...]
    references_left_out: int = not_serialized()
    referrers_left_out: int = not_serialized()
    dominators_left_out: int = not_serialized()
    found_references: int = not_serialized()
    root_references: int = not_serialized()
    getsizeof: Bytes = not_serialized()

    def to_dict(self) -> dict[str, Any]:
        """The JSON document of the command line; sizes in bytes."""
        account = {
            "value": self.value,
            "refcount": self.refcount,
            "held_from_c": self.held_from_c,
            "native_grades": self.native_grades,
        }
        return {
            "object": serialize(self.row) | account,
            "references": serialize(self.references),
            "referrers": serialize(self.referrers),
            "dominators": serialize(self.dominators),
        }


@dataclass(frozen=True)
class ReferenceAccount:
    """The reference count of an object as the sum of what was found.

    Attributes:
        from_objects: counted references in other objects.
        from_roots: counted references of roots, without those of C code.
        from_c: references that only C code holds.
    """

    from_objects: int
    from_roots: int
    from_c: int


def reference_account(graph: HeapGraph, object_id: int) -> ReferenceAccount:
    """Who holds the references that an object's count stands for."""
    edges = graph.reverse.edges_to(object_id)
    counted = (graph.edge_flags[edges] & EdgeFlags.COUNTED) != 0
    return ReferenceAccount(
        int(np.count_nonzero(counted)),
        _root_references(graph, object_id, c_held=False),
        _root_references(graph, object_id, c_held=True),
    )


def show_object(
    graph: HeapGraph,
    *,
    progress: Progress | None = None,
    object: int | str,  # noqa: A002 - the name of the thing on the command line
    limit: int = DEFAULT_LIMIT,
    raw: bool = False,
) -> ShownObject:
    """Describe one object.

    Args:
        graph: the snapshot.
        progress: told when derived arrays are computed.
        object: id or OBJECT text.
        limit: how many references, referrers and dominators each.
        raw: list the references as they are stored, with `__dict__` and keys apart.

    Raises:
        ObjectNotFound: it names nothing, or more than one object.

    Cost: dominators, paths and reverse references, each once per snapshot.
    """
    object_id = object_id_of(graph, object)
    if progress is not None:
        progress("dominators, paths, referrers", 0, 0)
    edges = (stored_references if raw else field_references)(graph, object_id)
    reverse = graph.reverse.edges_to(object_id)
    account = reference_account(graph, object_id)
    dominators = graph.folded.chain(object_id)
    return ShownObject(
        row=object_row(graph, object_id),
        value=_value(graph, object_id),
        refcount=int(graph.refcounts[object_id]),
        held_from_c=account.from_c,
        references=_shown(graph, edges[:limit].tolist(), outgoing=True),
        referrers=_shown(graph, reverse[:limit].tolist(), outgoing=False),
        dominators=tuple(object_row(graph, above) for above in dominators[:limit]),
        references_left_out=max(0, len(edges) - limit),
        referrers_left_out=max(0, len(reverse) - limit),
        dominators_left_out=max(0, len(dominators) - limit),
        found_references=account.from_objects,
        root_references=account.from_roots,
        getsizeof=int(graph.getsizeof[object_id]),
        native_grades={
            NATIVE_GRADE_NAMES[grade]: size
            for grade, size in native_by_grade(graph.exact, object_id).items()
        },
    )


def _shown(graph: HeapGraph, edges: Iterable[int], *, outgoing: bool) -> tuple[ShownReference, ...]:
    rows = []
    for edge in edges:
        reference = graph.reference(edge)
        is_folded = graph.folded.owner_of(reference.source) != reference.source
        other = reference.target if outgoing else reference.source
        rows.append(
            ShownReference(
                other,
                graph.type_name(other),
                entry_label(graph, reference, in_namespace=is_folded),
                EDGE_KIND_NAMES[reference.kind],
                expression(graph, other),
                _value(graph, other),
                graph.folded.shown_retained_size(other),
            )
        )
    return tuple(rows)


def _value(graph: HeapGraph, object_id: int) -> str | None:
    """As Python writes it, or what was kept of it."""
    return literal(graph, object_id) or graph.preview(object_id)


def _root_references(graph: HeapGraph, object_id: int, *, c_held: bool) -> int:
    roots = graph.roots
    rows = [row for row in roots.rows_of(object_id) if roots.kinds[row] != RootKind.IMMORTAL]
    return sum(
        int(roots.counts[row]) for row in rows if (roots.kinds[row] == RootKind.C_HELD) == c_held
    )
