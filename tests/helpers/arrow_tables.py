"""Tables of the file, made by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa

from heapgraph.snapshot.arrow_tables import arrow_tables
from heapgraph.snapshot.plain_tables import plain_table
from heapgraph.snapshot.schema import TABLES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def table_from_columns(name: str, columns: Mapping[str, Any]) -> pa.Table:
    """A table of the schema from one array or list for each of its columns."""
    plain = {
        column: values.to_pylist() if isinstance(values, pa.Array) else values
        for column, values in columns.items()
    }
    return arrow_tables({name: plain_table(name, plain)})[name].cast(TABLES[name].schema)


def table_from_rows(name: str, rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """A table of the schema from row dicts, each with every column."""
    return table_from_columns(
        name, {column: [row[column] for row in rows] for column in TABLES[name].types}
    )
