"""What every result of an analysis can do: become a dict, an Arrow table, a pandas frame, HTML."""

from __future__ import annotations

from dataclasses import field, fields, is_dataclass
from functools import cache
from html import escape
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, get_args, get_origin, get_type_hints

from heapgraph.errors import UsageError
from heapgraph.units import NUMBERS, Unit, format_value

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import pandas as pd
    import pyarrow as pa

    Units = Mapping[str, "Unit | Units"]


def not_serialized(default: int | str = 0) -> Any:  # noqa: ANN401 - stands in for a default of any type
    """Default of a field that words a result for people and is no part of the JSON document."""
    return field(default=default, metadata={"serialized": False})


def serialize(value: Any) -> Any:  # noqa: ANN401 - any part of a result
    """A result or a part of one as dicts, lists, numbers and text, ready for JSON.

    Dataclasses become dicts of their fields in declared order, without those `not_serialized`.
    """
    if is_dataclass(value) and not isinstance(value, type):
        return {
            part.metadata.get("key", part.name): serialize(getattr(value, part.name))
            for part in fields(value)
            if part.metadata.get("serialized", True)
        }
    if isinstance(value, dict):
        return {key: serialize(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [serialize(part) for part in value]
    return value


@cache
def units_of(row: type) -> Units:
    """Units of the fields of a dataclass by their keys; of a nested one, the units of its fields.

    They are declared as `retained_size: Bytes`; a list has the unit of its parts, and what may be
    None that of the rest. A field without one is not in the result.
    """
    hints = get_type_hints(row, include_extras=True)
    found = {
        part.metadata.get("key", part.name): _unit_of(hints[part.name]) for part in fields(row)
    }
    return {name: unit for name, unit in found.items() if unit is not None}


def _unit_of(hint: Any) -> Unit | Units | None:  # noqa: ANN401 - a type, or what typing makes of it
    if get_origin(hint) is Annotated:
        return next((extra for extra in hint.__metadata__ if isinstance(extra, Unit)), None)
    if is_dataclass(hint) and isinstance(hint, type):
        return units_of(hint)
    found = (_unit_of(part) for part in get_args(hint))
    return next((unit for unit in found if unit is not None), None)


@cache
def row_types(result: type) -> Mapping[str, type]:
    """Fields of a result that are lists of rows, with the class of a row."""
    hints = get_type_hints(result)
    parts = {part.name: get_args(hints[part.name])[:1] for part in fields(result)}
    return {
        name: row
        for name, rows in parts.items()
        for row in rows
        if isinstance(row, type) and is_dataclass(row)
    }


def columns_of(row: type) -> tuple[str, ...]:
    """Fields of a row that a table shows: its `printed_columns`, else all that hold one value."""
    declared: tuple[str, ...] = getattr(row, "printed_columns", ())
    hints = get_type_hints(row)
    return declared or tuple(
        part.name
        for part in fields(row)
        if part.metadata.get("serialized", True)
        and get_origin(hints[part.name]) not in (tuple, dict)
        and not is_dataclass(hints[part.name])
    )


def pandas_frame(table: pa.Table) -> pd.DataFrame:
    """An Arrow table as a pandas frame.

    Raises:
        UsageError: pandas is not installed.
    """
    try:
        return table.to_pandas()
    except ModuleNotFoundError as failure:
        raise UsageError(
            "pandas is not installed",
            "it is not a dependency of heapgraph",
            "pip install pandas",
        ) from failure


def html_table(columns: Sequence[str], rows: Iterable[Sequence[Any]], units: Units) -> str:
    """Rows as an HTML table, for notebooks; numbers stand at the right, worded by their units.

    Args:
        columns: names; they are the fields of the documents, so that code can be written by them.
        rows: one value per column.
        units: of the columns that have one.
    """
    sides = ["right" if units.get(name) in NUMBERS else "left" for name in columns]
    styles = [f' style="text-align: {side}"' for side in sides]
    head = "".join(
        f"<th{style}>{escape(name)}</th>" for style, name in zip(styles, columns, strict=True)
    )
    body = "".join(
        "<tr>"
        + "".join(
            f"<td{style}>{escape(format_value(cell, units.get(name)))}</td>"
            for style, name, cell in zip(styles, columns, row, strict=True)
        )
        + "</tr>"
        for row in rows
    )
    if not body:
        return "<p>no rows</p>"
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


class Result:
    """Base of the frozen results; the fields of the dataclass are the keys of the JSON document."""

    def to_dict(self) -> dict[str, Any]:
        """The result as the JSON document of the command line; sizes in bytes."""
        document: dict[str, Any] = serialize(self)
        return document

    def left_out_of(self, key: str) -> int | bool:
        """How many rows a list of the document lacks; True where only that it lacks some is known.

        They are in the field `KEY_left_out`, of the main list in `left_out`.
        """
        is_main = key == getattr(self, "rows_field", "")
        main = getattr(self, "left_out", 0) if is_main else 0
        left_out: int | bool = getattr(self, f"{key}_left_out", main)
        return left_out

    def units(self) -> Units:
        """Units of the document, by key; see `units_of`."""
        result: type = type(self)
        return units_of(result)


class TableResult(Result):
    """A result whose main part is a list of rows.

    Attributes:
        rows_field: name of the field with the rows.
        left_out: how many more rows there are, where the result has such a field.
    """

    rows_field: ClassVar[str]

    def rows(self) -> list[dict[str, Any]]:
        """The rows as plain dicts, in the order of the result."""
        rows: list[dict[str, Any]] = self.to_dict()[self.rows_field]
        return rows

    def to_arrow(self) -> pa.Table:
        """The rows as an Arrow table; sizes are int64 bytes."""
        import pyarrow as pa  # noqa: PLC0415 - only who asks for a table pays for it

        return pa.Table.from_pylist(self.rows())

    def to_pandas(self) -> pd.DataFrame:
        """The rows as a pandas frame.

        Raises:
            UsageError: pandas is not installed.
        """
        return pandas_frame(self.to_arrow())

    def _repr_html_(self) -> str:
        """The rows as an HTML table, for notebooks."""
        rows = self.rows()
        shape: type = type(self)
        row = row_types(shape).get(self.rows_field)
        names = columns_of(row) if row else tuple(rows[0]) if rows else ()
        cells = [[one.get(name) for name in names] for one in rows]
        return html_table(names, cells, units_of(row) if row else {})
