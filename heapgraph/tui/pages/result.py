"""The result of any analysis as lists, by the shape of its JSON document alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from heapgraph.analysis.registry import REGISTRY, run
from heapgraph.tui.cells import safe
from heapgraph.tui.page import Page
from heapgraph.tui.rows.documents import (
    DocumentTable,
    named_values,
    scalar_facts,
    units_below,
)

if TYPE_CHECKING:
    from heapgraph.analysis.registry import Progress
    from heapgraph.analysis.results import Units
    from heapgraph.tui.places import AnalysisOf
    from heapgraph.tui.state import Session

_MAX_TABLES = 4
MAX_ROWS = 1_000
"""Rows an analysis is asked for; beyond that one filters or asks more exactly."""


def build_result(session: Session, place: AnalysisOf, progress: Progress) -> Page:
    """The page of an analysis.

    Raises:
        UsageError: a parameter makes no sense.
    """
    analysis = REGISTRY[place.name]
    parameters = analysis.parse(dict(place.parameters))
    if analysis.parameter("limit") is not None:
        parameters.setdefault("limit", MAX_ROWS)
    result = run(place.name, session.graph, progress=progress, **parameters)
    document, units = result.to_dict(), result.units()
    page = Page(place, place.name)
    page.facts = [("analysis", analysis.description)]
    page.facts.extend((safe(name), safe(text)) for name, text in place.parameters)
    page.facts.extend(scalar_facts(document, units))
    tables = _tables(document, units)
    for table in tables:
        table.left_out = result.left_out_of(table.key)
    if not tables:
        page.facts.append(("result", "nothing"))
    page.left, page.right = [*tables[:2]], [*tables[2:_MAX_TABLES]]
    page.detail_lines = 5
    return page


def _tables(document: dict[str, Any], units: Units) -> list[DocumentTable]:
    """A list for each part of the document that has rows; named values make a list of their own."""
    names = document.get("columns")
    tables = []
    for key, value in document.items():
        rows = value
        if isinstance(value, dict):
            rows = named_values(value, units_below(units, key))
        elif isinstance(names, list) and key == "rows":
            rows = [dict(zip(names, row, strict=True)) for row in value]
        if isinstance(rows, list) and rows and isinstance(rows[0], dict):
            tables.append(DocumentTable(key, rows, units_below(units, key)))
    return tables
