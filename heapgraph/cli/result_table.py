"""The rows of any result as a table, by the units that they declare."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from heapgraph.analysis.results import columns_of, row_types, units_of
from heapgraph.cli.output import count_left_out, print_facts, print_table, say
from heapgraph.units import NUMBERS, Unit, format_value

if TYPE_CHECKING:
    from collections.abc import Sequence

    from heapgraph.analysis.results import Result, Units
    from heapgraph.cli.questions import Asked


def print_result(result: Result, asked: Asked) -> None:
    """Print a result that has no layout of its own: its single values, then its lists of rows."""
    del asked
    shape: type = type(result)
    tables, units = row_types(shape), units_of(shape)
    facts = [
        (_title(name, units.get(name)), format_value(getattr(result, name), units.get(name)))
        for name in columns_of(shape)
        if name not in tables
    ]
    if facts:
        print_facts(facts)
    for position, (name, row) in enumerate(tables.items()):
        if position or facts:
            say()
        print_rows(getattr(result, name), row, title=_title(name) if len(tables) > 1 else "")
        count_left_out(result.left_out_of(name), _title(name))


def print_rows(rows: Sequence[Any], row: type, *, title: str = "") -> None:
    """Print rows of a result as a table.

    Args:
        rows: dataclasses.
        row: their class, which says what is shown; see `columns_of`.
        title: a line above.
    """
    units = units_of(row)
    if_any: frozenset[str] = getattr(row, "shown_if_any", frozenset())
    shown = [
        name
        for name in columns_of(row)
        if _says_something(rows, name, units.get(name))
        and (name not in if_any or any(getattr(one, name) for one in rows))
    ]
    columns = [(_title(name, units.get(name)), _justify(units.get(name))) for name in shown]
    cells = ([format_value(getattr(one, name), units.get(name)) for name in shown] for one in rows)
    print_table(columns, cells, title=title)


def _says_something(rows: Sequence[Any], name: str, unit: Unit | Units | None) -> bool:
    """Whether a column is printed: one of parts that no row has is not."""
    is_part = isinstance(unit, Mapping)
    return not is_part or any(getattr(one, name) is not None for one in rows)


def _justify(unit: Unit | Units | None) -> str:
    return "right" if isinstance(unit, Unit) and unit in NUMBERS else "left"


def _title(name: str, unit: Unit | Units | None = None) -> str:
    """A field as a header; that it is a size is in the cells."""
    return (name.removesuffix("_size") if unit is Unit.BYTES else name).replace("_", " ")
