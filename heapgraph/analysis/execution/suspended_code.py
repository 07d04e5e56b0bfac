"""Generators, coroutines and greenlets, counted by the place of their code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from heapgraph.analysis.execution.code_places import (
    CODE_FIELDS,
    FRAME_FIELDS,
    SUSPENDABLE_TYPES,
    common_line,
)
from heapgraph.analysis.execution.greenlets import GREENLET, code_of_greenlet, greenlets
from heapgraph.analysis.expressions import expression
from heapgraph.analysis.results import not_serialized
from heapgraph.graph.csr import rows_of_many
from heapgraph.model import EdgeKind
from heapgraph.units import Bytes, Count, Expression, Number, ObjectId

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from numpy.typing import NDArray

    from heapgraph.graph.heap_graph import HeapGraph


@dataclass(frozen=True)
class SuspendedRow:
    """Generators, coroutines or greenlets that run the same code.

    Attributes:
        type: generator, coroutine, async_generator or greenlet.
        function, file, line: the code, and the line at which most of them stand; where the code
            begins when all have ended, and of greenlets.
        count: objects that have not ended.
        ended: objects that have ended and are still there.
        retained_size: bytes that go with all of them, as a minimum.
        expression: how to reach the one that retains most.
        largest: its object id.
    """

    type: str
    function: str
    file: str
    line: Number
    count: Count
    ended: Count
    retained_size: Bytes
    expression: Expression
    largest: ObjectId = not_serialized()


@dataclass(frozen=True)
class SuspendedGroup:
    """The objects of one kind that run one code object.

    Attributes:
        code: object id of the code.
        type: generator, coroutine or async_generator.
        members: uint32[k], rising.
        alive: bool[k], whether each has not ended.
    """

    code: int
    type: str
    members: NDArray[np.uint32]
    alive: NDArray[np.bool_]


def suspended_groups(graph: HeapGraph) -> Iterator[SuspendedGroup]:
    """All suspendable objects by type and code. Cost: their references, vectorised."""
    for type_name in SUSPENDABLE_TYPES:
        members = graph.objects_of_type(type_name)
        owner, edges = rows_of_many(graph.offsets, members)
        kinds, labels = graph.edge_kinds[edges], graph.labels[edges]
        is_field = kinds == EdgeKind.FIELD
        is_code = is_field & np.isin(labels, name_rows(graph, CODE_FIELDS))
        codes = np.full(len(members), -1, np.int64)
        codes[owner[is_code]] = graph.targets[edges[is_code]]
        shows_life = (is_field & np.isin(labels, name_rows(graph, FRAME_FIELDS))) | np.isin(
            kinds, [EdgeKind.LOCAL, EdgeKind.STACK]
        )
        alive = np.zeros(len(members), np.bool_)
        alive[owner[shows_life]] = True
        for code in np.unique(codes[codes >= 0]).tolist():
            here = codes == code
            yield SuspendedGroup(code, type_name, members[here], alive[here])


def greenlet_groups(graph: HeapGraph) -> Iterator[SuspendedGroup]:
    """Greenlets that wait, by the code where they began. Cost: the references of each."""
    members = greenlets(graph)
    found = [code_of_greenlet(graph, one) for one in members.tolist()]
    codes = np.array([-1 if code is None else code for code in found], np.int64)
    for code in np.unique(codes[codes >= 0]).tolist():
        here = members[codes == code]
        yield SuspendedGroup(code, GREENLET, here, np.ones(len(here), np.bool_))


def suspended_rows(graph: HeapGraph) -> list[SuspendedRow]:
    """One row for each piece of code, the largest retained size first."""
    rows = []
    for group in (*suspended_groups(graph), *greenlet_groups(graph)):
        place = graph.codes.place(group.code)
        alive = int(np.count_nonzero(group.alive))
        sizes = graph.dominators.retained_sizes[group.members]
        largest = int(group.members[np.argmax(sizes)])
        line = common_line(graph, group.members[group.alive].tolist())
        rows.append(
            SuspendedRow(
                group.type,
                place.function,
                place.file,
                place.line if line is None else line,
                alive,
                len(group.members) - alive,
                graph.dominators.minimum_retained_size(group.members),
                expression(graph, largest),
                largest,
            )
        )
    rows.sort(key=lambda row: (-row.retained_size, -row.count, row.file, row.line))
    return rows


def name_rows(graph: HeapGraph, names: Collection[str]) -> list[int]:
    """Rows of the names table with one of these names."""
    texts = graph.source.strings("names", "name").to_pylist()
    return [row for row, text in enumerate(texts) if text in names]
