"""What the roots of one kind keep alive: modules, variables of frames, what C code holds."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from heapgraph.analysis.expressions.openings import root_names
from heapgraph.model import ROOT_KIND_NAMES
from heapgraph.tui.cells import Column, Row, count_text, safe
from heapgraph.tui.page import Page
from heapgraph.tui.rows.object_rows import RETAINED, SHARE, TYPE, object_cells_row
from heapgraph.tui.tables import LazyTable
from heapgraph.units import format_count, format_size

if TYPE_CHECKING:
    from heapgraph.analysis.registry import Progress
    from heapgraph.tui.places import RootsOf
    from heapgraph.tui.state import Session

_COLUMNS = (RETAINED, SHARE, Column("root", keep="both"), TYPE)


def build_roots(session: Session, place: RootsOf, progress: Progress) -> Page:
    """The page of a kind of roots."""
    progress("roots", 0, 0)
    graph = session.graph
    kind = next(kind for kind, name in ROOT_KIND_NAMES.items() if name == place.kind)
    roots = np.flatnonzero(graph.roots.kinds == kind)
    targets, first = np.unique(graph.roots.targets[roots], return_index=True)
    sizes = graph.folded.retained_sizes(targets)
    order = np.lexsort((targets, ~sizes))
    names = root_names(graph)

    def make_row(index: int) -> Row:
        at = int(order[index])
        opening = names.opening(int(roots[first[at]]))
        name = safe(f"{opening.prefix} {opening.head}".strip())
        target = int(targets[at])
        row = object_cells_row(session, target, name=name, retained=int(sizes[at]))
        retained, share, _, _, type_name, _ = row.cells
        cells = (retained, share, name, type_name)
        return replace(row, cells=cells, detail=f"root {name}: {row.detail}")

    page = Page(place, f"{place.kind} roots")
    alone = graph.dominators.minimum_retained_size(targets)
    count = f"{format_count(len(roots))} {place.kind} roots of {count_text(len(targets), 'object')}"
    page.facts = [
        ("roots", count),
        ("retained", f"the objects they refer to keep {format_size(alone)} alive"),
    ]
    page.left = [LazyTable(f"{place.kind} roots", _COLUMNS, len(targets), make_row)]
    return page
