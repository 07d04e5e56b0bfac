"""The objects of a set: instances of a type, or what a search found."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from heapgraph.tui.cells import Column, Row, safe
from heapgraph.tui.page import Page, PageCommand
from heapgraph.tui.queries import set_query
from heapgraph.tui.rows.object_rows import OBJECT_COLUMNS, object_cells_row
from heapgraph.tui.tables import LazyTable
from heapgraph.units import format_count, format_size

if TYPE_CHECKING:
    from heapgraph.analysis.registry import Progress
    from heapgraph.native.graph_kernels import U32
    from heapgraph.tui.places import ObjectSet
    from heapgraph.tui.state import Session

_VALUE = Column("value", weight=2, rank=1)
_SAMPLED_VALUES = 20

ORDERS = ("retained", "shallow", "address")


def build_object_set(session: Session, place: ObjectSet, progress: Progress) -> Page:
    """The page of a set; it becomes the selection, which every other list marks."""
    progress("looking", 0, 0)
    members = session.members(place.text, progress)
    session.select(place.text)
    order = ORDERS[0]
    page = Page(place, safe(place.text), set_text=place.text)
    table = _table(session, members, order)
    page.left = [table]

    def describe() -> None:
        graph = session.graph
        shallow = format_size(int(graph.shallow_sizes[members].sum()))
        retained = format_size(graph.dominators.minimum_retained_size(members))
        page.facts = [
            ("set", f"{safe(place.text)}, sorted by {order}"),
            ("objects", f"{format_count(len(members))}, shallow {shallow}, retained >= {retained}"),
        ]

    def sort(row: Row | None, progress: Progress) -> None:
        nonlocal order
        del row
        progress("sorting", 0, 0)
        order = ORDERS[(ORDERS.index(order) + 1) % len(ORDERS)]
        page.left = [_table(session, members, order)]
        describe()

    describe()
    page.words = lambda _: ["sql", set_query(place.text, order)]
    page.commands = {"sort": PageCommand(sort, is_heavy=True)}
    return page


def _table(session: Session, members: U32, order: str) -> LazyTable:
    """The members as rows; folded dicts are listed with their own size."""
    ids = members
    if order == "retained":
        sizes = session.graph.folded.retained_sizes(members)
        ids = members[np.lexsort((members, ~sizes))]
    elif order == "shallow":
        ids = members[np.lexsort((members, ~session.graph.shallow_sizes[members]))]

    sample = ids[:_SAMPLED_VALUES].tolist()
    has_values = any(session.graph.preview(object_id) is not None for object_id in sample)

    def make_row(index: int) -> Row:
        object_id = int(ids[index])
        row = object_cells_row(session, object_id)
        value = (session.names.value(object_id),) if has_values else ()
        return Row((*row.cells, *value), row.place, object_id, detail=row.detail)

    columns = (*OBJECT_COLUMNS, _VALUE) if has_values else OBJECT_COLUMNS
    return LazyTable("objects", columns, len(ids), make_row)
