"""Referents, referrers and dominators of one object as lists that may have a million rows."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from heapgraph.analysis.expressions.segments import entry_label
from heapgraph.graph.fields import field_references, stored_references
from heapgraph.model import EDGE_KIND_NAMES
from heapgraph.tui.cells import Column, Row, safe
from heapgraph.tui.places import Inspect
from heapgraph.tui.rows.object_rows import (
    OBJECT_COLUMNS,
    TYPE,
    mark,
    object_cells_row,
    retained_text,
)
from heapgraph.tui.tables import LazyTable

if TYPE_CHECKING:
    from heapgraph.tui.state import Session

_RETAINED = Column("retained", 9, align="right", rank=3)
_LABEL = Column("refers to", keep="both")
_REFERENT_COLUMNS = (
    _LABEL,
    Column("value", weight=2, rank=1),
    TYPE,
    _RETAINED,
)
_LONG_LABEL = 20
_SAMPLED_LABELS = 50
_REFERRER_COLUMNS = (
    Column("holder", keep="end", weight=2),
    Column("holds it as", keep="both"),
    TYPE,
    _RETAINED,
)


def referents(session: Session, object_id: int, *, raw: bool) -> LazyTable:
    """What an object refers to, in stored order.

    Folded, the entries of its `__dict__` are its fields, and keys stand beside their values; raw,
    every reference has a line.
    """
    graph = session.graph
    choose = stored_references if raw else field_references
    edges = choose(graph, object_id)

    def make_row(index: int) -> Row:
        reference = graph.reference(int(edges[index]))
        in_namespace = graph.folded.owner_of(reference.source) != reference.source
        label = entry_label(graph, reference, in_namespace=in_namespace)
        kind = EDGE_KIND_NAMES[reference.kind]
        target = reference.target
        label_cell = safe(label) if label is not None else kind
        cells = (
            label_cell,
            session.names.value(target),
            safe(graph.type_name(target)),
            retained_text(session, target),
        )
        detail = f"{kind} {label_cell}: {session.names.of(target)}  @{target}"
        return Row(cells, Inspect(target), target, style=mark(session, target), detail=detail)

    table = LazyTable("refers to", _REFERENT_COLUMNS, len(edges), make_row)
    sample = (table.row(index).cells[0] for index in range(min(len(edges), _SAMPLED_LABELS)))
    if any(isinstance(label, str) and len(label) > _LONG_LABEL for label in sample):
        table.columns = (replace(_LABEL, weight=3), *_REFERENT_COLUMNS[1:])
    return table


def referrers(session: Session, object_id: int) -> LazyTable:
    """What refers to an object, by rising address."""
    graph = session.graph
    edges = graph.reverse.edges_to(object_id)

    def make_row(index: int) -> Row:
        reference = graph.reference(int(edges[index]))
        source = reference.source
        owner = graph.folded.owner_of(source)
        label = entry_label(graph, reference, in_namespace=owner != source)
        kind = EDGE_KIND_NAMES[reference.kind]
        name = session.names.of(source)
        label_cell = kind if label is None else f"{kind} {safe(label)}"
        cells = (name, label_cell, safe(graph.type_name(source)), retained_text(session, source))
        detail = f"{name}  {label_cell}  @{source}"
        return Row(cells, Inspect(source), source, style=mark(session, source), detail=detail)

    return LazyTable("referred to by", _REFERRER_COLUMNS, len(edges), make_row)


def dominators(session: Session, object_id: int) -> LazyTable:
    """Who keeps an object alive by itself: its folded dominators, the nearest first."""
    chain = session.graph.folded.chain(object_id)

    def make_row(index: int) -> Row:
        return object_cells_row(session, chain[index])

    return LazyTable("dominated by", OBJECT_COLUMNS, len(chain), make_row)
