"""One object as the row that every list of objects shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from heapgraph.analysis.ages.growth import growth_of_container, has_enough_items
from heapgraph.analysis.ages.verdict import NOT_JUDGED, Growth
from heapgraph.analysis.expressions import expression
from heapgraph.analysis.expressions.resolving import resolve
from heapgraph.units import Address, Bytes, Expression, ObjectId, Share, TypeName

if TYPE_CHECKING:
    from heapgraph.graph.heap_graph import HeapGraph


@dataclass(frozen=True)
class ObjectRow:
    """One object with its name and sizes.

    Attributes:
        id: object id, valid in this snapshot only.
        address: where it lay in the target.
        type: qualified name of its type.
        expression: how to reach it.
        shallow_size: bytes of the object itself.
        retained_size: bytes that go with it.
        native_size: bytes of C code that go with it as well: an estimate.
        share: retained size as a share (0..1) of everything reachable.
        growth: of a container, what the ages of its members tell; None for another object.
    """

    printed_columns: ClassVar[tuple[str, ...]] = (
        *("retained_size", "share", "native_size", "shallow_size"),
        *("growth", "id", "type", "expression"),
    )
    shown_if_any: ClassVar[frozenset[str]] = frozenset({"native_size"})

    id: ObjectId
    address: Address
    type: TypeName
    expression: Expression
    shallow_size: Bytes
    retained_size: Bytes
    native_size: Bytes
    share: Share
    growth: Growth | None


def object_row(
    graph: HeapGraph, object_id: int, *, raw: bool = False, is_judged: bool = True
) -> ObjectRow:
    """Describe an object.

    Args:
        graph: the snapshot.
        object_id: the object.
        raw: sizes of the object alone; else its folded `__dict__` is a part of it.
        is_judged: False says of a container that its growth was not looked at.

    Cost: of a container, what it dominates, once: see `growth_of`.
    """
    exact = graph.exact
    if raw:
        shallow = int(exact.shallow_sizes[object_id])
        retained = int(exact.dominators.retained_sizes[object_id])
        native = exact.native_shares.retained_by(object_id)
    else:
        shallow = exact.folded.shallow_size(object_id)
        retained = exact.folded.retained_size(object_id)
        native = exact.folded.native_size(object_id)
    if is_judged:
        growth = growth_of_container(graph, object_id)
    else:
        growth = NOT_JUDGED if has_enough_items(graph, object_id) else None
    return ObjectRow(
        id=object_id,
        address=int(graph.addresses[object_id]),
        type=graph.type_name(object_id),
        expression=expression(graph, object_id),
        shallow_size=shallow,
        retained_size=retained,
        native_size=native,
        share=share_of_heap(exact, retained),
        growth=growth,
    )


def share_of_heap(graph: HeapGraph, size: int) -> float:
    """A size as a share (0..1) of everything the roots reach; 0 for an empty heap."""
    return size / graph.reachable_size if graph.reachable_size else 0.0


def object_id_of(graph: HeapGraph, which: int | str) -> int:
    """The object that an id or a text names; see `resolve`."""
    return resolve(graph, f"@{which}" if isinstance(which, int) else which)
