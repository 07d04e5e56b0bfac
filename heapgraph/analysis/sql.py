"""SQL over a snapshot, by DuckDB: read-only, without files, extensions or settings."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from heapgraph.analysis.results import Result, html_table, not_serialized, pandas_frame
from heapgraph.analysis.sql_engine.running import (
    collect,
    memory_share,
    plain_rows,
    stopping,
    watched,
)
from heapgraph.analysis.sql_engine.tables import (
    VIEWS,
    HeapTables,
    column_units,
    heap_tables,
    scanned_columns,
)
from heapgraph.errors import UsageError

if TYPE_CHECKING:
    import duckdb
    import pandas as pd
    import pyarrow as pa

    from heapgraph.analysis.registry import Progress
    from heapgraph.analysis.results import Units
    from heapgraph.graph.heap_graph import HeapGraph

SCHEMA_QUERY = (
    "select table_name as table, column_name as column, data_type as type "
    "from information_schema.columns where table_name not like '\\_%' escape '\\' "
    "order by table_name, ordinal_position"
)
"""What is asked when nothing is: the tables and their columns."""

_SETTINGS = {
    "temp_directory": "''",
    "enable_external_access": "false",
    "python_enable_replacements": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_community_extensions": "false",
    "lock_configuration": "true",
}
"""No files, no network, no Python variables, no extensions, and no way to change that; last the
lock. Without a temporary directory a query fails rather than write parts of the heap to disk."""

_READING = frozenset({"SELECT", "EXPLAIN"})
"""Kinds of statements that are run; `describe`, `show` and `summarize` are SELECT to DuckDB."""

TIME_LIMIT_S = 600.0
"""A query over 10 million objects takes seconds; one that joins all of them with all, for ever."""

_HINT = 'heapgraph sql FILE "describe objects"; tables and examples: docs/sql.md'
_MAX_ERROR_CHARACTERS = 300


@dataclass(frozen=True)
class SqlResult(Result):
    """Rows of a query.

    Attributes:
        columns: names, in the order of the query.
        rows: values as numbers, text, bool, None, lists.
        left_out: whether there are more rows.
        table: the same as an Arrow table.
    """

    rows_field: ClassVar[str] = "rows"

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    left_out: bool = not_serialized(default=False)
    table: Any = field(default=None, metadata={"serialized": False})

    def units(self) -> Units:
        """Units of the columns that are called as in the tables."""
        return {"rows": column_units(self.columns)}

    def to_arrow(self) -> pa.Table:
        """The rows as an Arrow table."""
        return self.table

    def to_pandas(self) -> pd.DataFrame:
        """The rows as a pandas frame; UsageError where pandas is not installed."""
        return pandas_frame(self.table)

    def _repr_html_(self) -> str:
        """The rows as an HTML table, for notebooks."""
        return html_table(self.columns, self.rows, column_units(self.columns))


def query_heap(
    graph: HeapGraph,
    *,
    progress: Progress | None = None,
    query: str | None = None,
    limit: int | None = None,
    time_limit: float = TIME_LIMIT_S,
) -> SqlResult:
    """Run one query over objects, references, types, roots, threads, frames and maps.

    Args:
        graph: the snapshot.
        progress: told when the tables are made.
        query: one SELECT (or describe, show, summarize, explain) in DuckDB's SQL; None: the tables
            and their columns.
        limit: how many rows; None: all.
        time_limit: seconds after which it is stopped, the reading of the columns included.

    Raises:
        UsageError: the query is wrong, does anything but read, or needs too much memory or time.

    Cost: the columns that the query reads, once per snapshot; then what the query costs.
    """
    import duckdb  # noqa: PLC0415 - 0.1 s

    progress = stopping(progress, time_limit)
    progress("tables", 0, 0)
    tables = heap_tables(graph)
    share = memory_share()
    connection = _connected(tables, share)
    progress("query", 0, 0)
    try:
        statement = _only_statement(connection, SCHEMA_QUERY if query is None else query)
        _fill(connection, tables, statement, progress)
        # Of the other half the rows get one, and what is made of them the rest.
        table, left_out = watched(
            connection, lambda: _run(connection, statement, limit, share // 2), progress
        )
    except duckdb.InterruptException as failure:
        raise KeyboardInterrupt from failure
    except duckdb.Error as failure:
        raise _explained(failure) from failure
    rows = tuple(plain_rows(table, progress))
    return SqlResult(tuple(table.column_names), rows, left_out, table)


def _connected(tables: HeapTables, most_bytes: int) -> duckdb.DuckDBPyConnection:
    """A database of its own for one query; it ends with the last reference to it."""
    import duckdb  # noqa: PLC0415 - loaded already

    connection = duckdb.connect(":memory:")
    tables.register(connection)
    connection.execute(VIEWS)
    for name, value in {"memory_limit": f"'{most_bytes}B'", **_SETTINGS}.items():
        connection.execute(f"set {name} = {value}")
    return connection


def _only_statement(connection: duckdb.DuckDBPyConnection, query: str) -> duckdb.Statement:
    """The query, after a look whether it is one, and reads.

    Raises:
        UsageError: it is not.
    """
    statements = connection.extract_statements(query)
    if len(statements) != 1 or statements[0].type.name not in _READING:
        kinds = ", ".join(statement.type.name for statement in statements) or "nothing"
        raise UsageError(
            f"not a query: {kinds}",
            "a snapshot is read-only, and one query is answered at a time",
            "begin with SELECT, WITH or FROM",
        )
    return statements[0]


def _fill(
    connection: duckdb.DuckDBPyConnection,
    tables: HeapTables,
    statement: duckdb.Statement,
    progress: Progress | None,
) -> None:
    """Read the columns that the query needs: those that DuckDB's own plan of it scans."""
    import duckdb  # noqa: PLC0415 - loaded already

    # What is constant in a query is computed for its plan already, which may take long.
    explain = partial(_text, connection, f"explain (format json) {statement.query}")
    while True:
        try:
            if statement.type.name == "EXPLAIN":  # with `analyze` it runs what it explains
                wanted = None
            else:
                plans = json.loads(watched(connection, explain, progress))
                wanted = set().union(*map(scanned_columns, plans))
        except duckdb.Error:  # no plan of this statement: it has its say when it runs
            wanted = None
        if not tables.fill(wanted, progress):
            return
        # Asked again, for the plan may be another one now.
        tables.register(connection)


def _text(connection: duckdb.DuckDBPyConnection, query: str) -> str:
    """The second column of the first row."""
    text: str = connection.execute(query).fetchall()[0][1]
    return text


def _run(
    connection: duckdb.DuckDBPyConnection,
    statement: duckdb.Statement,
    limit: int | None,
    most_bytes: int,
) -> tuple[pa.Table, bool]:
    """The rows as a table, and whether there are more."""
    relation = connection.sql(statement)
    # One row more tells whether there are more.
    table = collect(relation if limit is None else relation.limit(limit + 1), most_bytes)
    return table.slice(0, limit), limit is not None and table.num_rows > limit


def _explained(failure: Exception) -> UsageError:
    """DuckDB's message with the likely cause, by the class of the failure."""
    import duckdb  # noqa: PLC0415 - loaded already

    text = " ".join(str(failure).split())[:_MAX_ERROR_CHARACTERS]
    if isinstance(failure, duckdb.ParserException):
        cause = "it is not valid SQL"
    elif isinstance(failure, duckdb.CatalogException | duckdb.BinderException):
        cause = "it names a table, a column or a function that does not exist"
    elif isinstance(failure, duckdb.OutOfMemoryException):
        # Behind the first line is advice about settings, which are locked here.
        return UsageError(
            f"the query failed: {str(failure).splitlines()[0][:_MAX_ERROR_CHARACTERS]}",
            "it needs more than half of the memory that is free, and nothing is written to disk",
            "join or sort fewer rows (a `where` on both sides), or take a machine with more memory",
        )
    elif isinstance(failure, duckdb.PermissionException | duckdb.InvalidInputException):
        cause = "queries cannot reach files, extensions or settings"
    else:
        cause = "a value does not fit the operation"
    return UsageError(f"the query failed: {text}", cause, _HINT)
