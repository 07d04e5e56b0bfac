"""Tables as Parquet bytes: into a member of the archive, or into memory by a thread beside."""

from __future__ import annotations

import threading
from typing import IO, TYPE_CHECKING, Protocol, Self

import pyarrow as pa
import pyarrow.parquet as pq

from heapgraph.snapshot.arrow_arrays import cast_table
from heapgraph.snapshot.schema import ROW_GROUP_ROWS, TableLayout

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType


_REPORT_INTERVAL_S = 0.2


class ByteSink(Protocol):
    """Where encoded bytes go."""

    def write(self, data: bytes, /) -> int:
        """Take all of the bytes and say how many they were."""


def write_table(
    sink: ByteSink, layout: TableLayout, table: pa.Table, report: Callable[[int], None]
) -> None:
    """Encode one row group after the other, so that the table is never held twice.

    Args:
        sink: gets the bytes of the Parquet file.
        layout: the table's schema and encodings.
        table: its rows.
        report: told the number of rows after each row group; what it raises ends the writing.

    Raises:
        ValueError: a text is no UTF-8.
    """
    with pq.ParquetWriter(_ParquetSink(sink), layout.schema, **layout.writer_options()) as writer:
        for start in range(0, table.num_rows, ROW_GROUP_ROWS):
            part = cast_table(table.slice(start, ROW_GROUP_ROWS), layout.schema)
            part.validate(full=True)  # text made from raw buffers may be no UTF-8
            writer.write_table(part, row_group_size=ROW_GROUP_ROWS)
            report(part.num_rows)


def empty_parquet(layout: TableLayout) -> pq.ParquetFile:
    """A Parquet file without rows: what an older snapshot has of a table that came later."""
    sink = pa.BufferOutputStream()
    pq.write_table(layout.schema.empty_table(), sink, store_schema=False)
    return pq.ParquetFile(pa.BufferReader(sink.getvalue()))


class BackgroundTable:
    """A table that a second thread encodes in memory while the caller writes another.

    A context manager: leaving it ends the thread, after the row group in work.

    Attributes:
        rows: how many are encoded so far; may be read at any time.

    Cost: the encoded table in memory, 2 to 4 bytes per object for the references.
    """

    def __init__(self, layout: TableLayout, table: pa.Table) -> None:
        """Start nothing yet."""
        self.rows = 0
        self._layout = layout
        self._table = table
        self._chunks: list[bytes] = []
        self._failure: BaseException | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._encode, name="heapgraph-encode", daemon=True)

    def __enter__(self) -> Self:
        """Begin; where no thread can be had, the table is encoded at once."""
        try:
            self._thread.start()
        except RuntimeError:
            self._encode()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End the thread, whether or not it is done."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join()

    def copy_to(self, member: IO[bytes], report: Callable[[], None]) -> None:
        """Wait for the end of the encoding and write the bytes.

        Args:
            member: the member of the archive.
            report: called some times a second while waiting; what it raises ends the writing.

        Raises:
            ValueError: a text is no UTF-8.
        """
        while self._thread.is_alive():
            self._thread.join(_REPORT_INTERVAL_S)
            report()
        if self._failure is not None:
            raise self._failure
        for chunk in self._chunks:
            member.write(chunk)
        self._chunks.clear()

    def write(self, data: bytes, /) -> int:
        """Keep encoded bytes: the table is its own sink."""
        self._chunks.append(bytes(data))
        return len(data)

    def _encode(self) -> None:
        try:
            write_table(self, self._layout, self._table, self._count)
        except BaseException as error:  # noqa: BLE001 - raised again by copy_to, in the caller's thread
            self._failure = error

    def _count(self, rows: int) -> None:
        self.rows += rows
        if self._stop.is_set():
            raise InterruptedError("nobody waits for this table")


class _ParquetSink:
    """A sink as the output of a ParquetWriter, which asks for its position.

    After an error nothing more is written: the writer closes itself by writing the file's end,
    and that must neither succeed by half nor hide the first error.
    """

    closed = False

    def __init__(self, sink: ByteSink) -> None:
        self._sink = sink
        self._written = 0
        self._error: BaseException | None = None

    def write(self, data: bytes) -> int:
        if self._error is not None:
            raise self._error
        try:
            written = self._sink.write(data)
        except BaseException as error:
            self._error = error
            raise
        self._written += written
        return written

    def tell(self) -> int:
        return self._written

    def flush(self) -> None:
        """Nothing is buffered here."""
