"""The result of any analysis as lists, by the shape of its JSON document alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from heapgraph.analysis.registry import REGISTRY, run
from heapgraph.tui.cells import safe
from heapgraph.tui.page import Page
from heapgraph.tui.rows.documents import DocumentTable, scalar_facts, text_of_value

if TYPE_CHECKING:
    from heapgraph.analysis.registry import Progress
    from heapgraph.tui.places import AnalysisOf
    from heapgraph.tui.state import Session

_MOST_TABLES = 4
MOST_ROWS = 1_000
"""Rows an analysis is asked for; beyond that one filters or asks more exactly."""


def missing_parameters(name: str, given: tuple[tuple[str, str], ...]) -> list[tuple[str, str]]:
    """Names and descriptions of what an analysis still has to be told."""
    known = {key for key, _ in given}
    return [
        (parameter.name, parameter.description)
        for parameter in REGISTRY[name].parameters
        if parameter.required and parameter.name not in known
    ]


def build(session: Session, place: AnalysisOf, progress: Progress) -> Page:
    """The page of an analysis.

    Raises:
        UsageError: a parameter makes no sense.
    """
    parameters: dict[str, object] = dict(place.parameters)
    if any(parameter.name == "limit" for parameter in REGISTRY[place.name].parameters):
        parameters.setdefault("limit", MOST_ROWS)
    document = run(place.name, session.graph, progress=progress, **parameters).to_dict()
    page = Page(place, place.name)
    page.facts = [("analysis", REGISTRY[place.name].description)]
    page.facts.extend((safe(key), text_of_value(key, value)) for key, value in place.parameters)
    page.facts.extend(scalar_facts(document))
    tables = _tables(document)
    if not tables:
        page.facts.append(("result", "nothing"))
    page.left, page.right = [*tables[:2]], [*tables[2:_MOST_TABLES]]
    page.detail_lines = 5
    return page


def _tables(document: dict[str, Any]) -> list[DocumentTable]:
    """A list for each part of the document that has rows; named values make a list of their own."""
    names = document.get("columns")
    tables = []
    for key, value in document.items():
        rows = value
        if isinstance(value, dict):
            rows = [{"name": name, "value": part} for name, part in value.items()]
        elif isinstance(names, list) and key == "rows":
            rows = [dict(zip(names, row, strict=True)) for row in value]
        if isinstance(rows, list) and rows and isinstance(rows[0], dict):
            tables.append(DocumentTable(key, rows))
    return tables
