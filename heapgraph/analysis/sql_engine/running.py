"""Running a query: beside the thread that wants the answer, and within a share of the memory."""

from __future__ import annotations

import math
import threading
import time
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from heapgraph.errors import UsageError
from heapgraph.machine_memory import MOUNTS, group_memory, machine_memory
from heapgraph.units import format_size

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import duckdb
    import pyarrow as pa

    from heapgraph.analysis.registry import Progress

_Result = TypeVar("_Result")

_ASK_EVERY_S = 0.1
"""How long a query that nobody wants any more runs on."""

_MAX_WAIT_S = 1.0
"""How long an interrupted query may take to end. One that is inside a single long function is left
to itself."""

_ROWS_AT_ONCE = 1 << 14
_BYTES_A_VALUE = 100
"""Of a value of the result as a Python object, with its place in a row."""

_GROUP = Path("/proc/self/cgroup")
_LEAST = 1 << 28


def memory_share() -> int:
    """Bytes that DuckDB may use: half of what the machine and the control group have left."""
    free = [
        number
        for number in (machine_memory().get("MemAvailable"), _group_bytes())
        if number is not None
    ]
    return max(_LEAST, min(free, default=2 * _LEAST) // 2)


def _group_bytes(group: Path = _GROUP, mounts: Path = MOUNTS) -> int | None:
    """What the tightest of this process's control groups can still take; None without a limit."""
    return min((max(0, one.limit - one.used) for one in group_memory(group, mounts)), default=None)


def watched(
    connection: duckdb.DuckDBPyConnection,
    work: Callable[[], _Result],
    progress: Progress | None,
) -> _Result:
    """Run a query beside this thread, which asks all the time whether it is still wanted.

    A query may take for ever, and reports nothing by itself. In this thread Ctrl-C arrives at
    once, and so does what `progress` raises.

    Args:
        connection: of the query. To close it waits for the query, so leave that to its last user.
        work: the query.
        progress: asked ten times a second.

    Raises:
        BaseException: what `work` or `progress` raises; KeyboardInterrupt.
    """
    future: Future[_Result] = Future()
    is_over = threading.Event()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as failure:  # noqa: BLE001 - raised again where the result is wanted
            future.set_exception(failure)
        is_over.set()

    # A daemon: the process can end although DuckDB is inside a function that cannot be stopped.
    threading.Thread(target=run, name="heapgraph-sql", daemon=True).start()
    try:
        while not is_over.wait(_ASK_EVERY_S):
            if progress is not None:
                progress("query", 0, 0)
    except BaseException:
        _interrupt(connection, is_over)
        raise
    return future.result()


def _interrupt(connection: duckdb.DuckDBPyConnection, is_over: threading.Event) -> None:
    """Stop a query. Again and again, for DuckDB forgets it when the next part of a query begins."""
    for _ in range(round(_MAX_WAIT_S / _ASK_EVERY_S)):
        connection.interrupt()
        if is_over.wait(_ASK_EVERY_S):
            return


def stopping(progress: Progress | None, limit_s: float) -> Progress:
    """A progress callback that gives a query up when its time is over.

    Args:
        progress: told everything that this one is told.
        limit_s: seconds from now.

    Raises (the callback): UsageError: the time is over.
    """
    end = time.monotonic() + limit_s

    def report(phase: str, done: int, total: int) -> None:
        if time.monotonic() > end:
            raise UsageError(
                f"the query was stopped after {limit_s:g} seconds",
                "it is still not done, and nobody may be waiting for it any more",
                "join fewer rows (a `where` on both sides), or --time-limit SECONDS for more time",
            )
        if progress is not None:
            progress(phase, done, total)

    return report


def collect(relation: Any, most_bytes: int) -> pa.Table:  # noqa: ANN401 - its stub knows no Arrow
    """All rows of a query as a table, a piece at a time, so that DuckDB can be stopped between.

    Args:
        relation: of DuckDB.
        most_bytes: how much the rows may take. DuckDB's own limit does not count what it has
            handed over.

    Raises:
        UsageError: they take more.
        duckdb.Error: the query failed, at its beginning or on the way.
    """
    import pyarrow as pa  # noqa: PLC0415 - loaded by DuckDB's tables already

    reader = relation.to_arrow_reader(_ROWS_AT_ONCE)
    batches, used, rows = [], 0, 0
    for batch in _batches(reader):
        batches.append(batch)
        rows += batch.num_rows
        used += batch.nbytes + batch.num_rows * (batch.num_columns + 1) * _BYTES_A_VALUE
        if used > most_bytes:
            raise UsageError(
                f"the query failed: {rows:,} rows and more need over {format_size(most_bytes)}",
                "a result is kept in memory, and may take a quarter of what is free",
                "ask for fewer rows or columns: --limit N, or count and group in the query",
            )
    return pa.Table.from_batches(batches, reader.schema)


def _batches(reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
    """The pieces; what fails on the way passes through Arrow, which keeps no more than the text."""
    import duckdb  # noqa: PLC0415 - loaded already

    try:
        yield from reader
    except (OSError, RuntimeError) as failure:
        text = str(failure)
        if text.startswith("INTERRUPT") or "interrupted" in text:
            raise duckdb.InterruptException(text) from failure
        if text.startswith("Out of Memory"):
            raise duckdb.OutOfMemoryException(text) from failure
        raise duckdb.DataError(text) from failure


def _values(column: pa.Array) -> list[Any]:
    """The values of a column.

    Raises:
        UsageError: Python has no such date, time or interval.
    """
    try:
        values: list[Any] = column.to_pylist()
    except (OverflowError, ValueError) as failure:
        raise UsageError(
            f"the query failed: a value of type {column.type} cannot be shown",
            "Python's dates end with the year 9999, its intervals with 999,999,999 days",
            "ask for it as text: select (EXPRESSION)::varchar",
        ) from failure
    return values


def plain_rows(table: pa.Table, progress: Progress | None) -> Iterator[tuple[Any, ...]]:
    """The rows of a table as values that JSON can hold, while `progress` is asked to go on."""
    for done, batch in enumerate(table.to_batches(_ROWS_AT_ONCE)):
        if progress is not None:
            progress("rows", done * _ROWS_AT_ONCE, table.num_rows)
        columns = [_values(column) for column in batch.columns]
        for row in zip(*columns, strict=True):
            yield tuple(map(_plain, row))


def _plain(value: Any) -> Any:  # noqa: ANN401 - whatever SQL gives
    """A value that JSON can hold: what it cannot becomes text, and no number becomes None."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if isinstance(value, dict):
        return {str(key): _plain(part) for key, part in value.items()}
    if hasattr(value, "as_integer_ratio"):  # Decimal
        return int(value) if value == value.to_integral_value() else float(value)
    return str(value)
