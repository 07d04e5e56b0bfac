"""Reads a snapshot file in place: nothing is extracted, nothing unchecked is handed out."""

from __future__ import annotations

import mmap
import threading
import zlib
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from heapgraph.errors import HeapgraphError
from heapgraph.snapshot import damage
from heapgraph.snapshot.archive import ArchiveError, MemberRange, locate_members, read_directory
from heapgraph.snapshot.arrow_arrays import cast, cast_table, in_one_piece, numpy_array, with_zeros
from heapgraph.snapshot.limits import (
    bytes_problem,
    check_memory,
    plain_text,
    table_problem,
    texts_to_measure,
)
from heapgraph.snapshot.manifest import MAX_MANIFEST_BYTES, NO_MEMBER, decode_manifest
from heapgraph.snapshot.mapped_file import identity_of, map_file
from heapgraph.snapshot.schema import MANIFEST_MEMBER, TABLES, TableLayout
from heapgraph.snapshot.table_encoder import empty_parquet
from heapgraph.snapshot.text_parts import TextParts, read_text_part
from heapgraph.units import format_size

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator, Sequence
    from types import TracebackType

    Progress = Callable[[str, int, int], None]

VERIFY_PHASE = "verify"
"""Name of the phase given to the progress callback."""

_TABLE_MEMBERS = {layout.member for layout in TABLES.values()}
_MISSING = "it is missing"
_WRONG_CHECKSUM = "its bytes do not have the checksum they had"
_FIRST_BYTES = b"PK\x03\x04"
_CHECKSUM_STEP = 16 * 2**20
_MAX_STRING_BYTES = 2**31 - 1  # what the 32-bit offsets of a pyarrow.StringArray can address


def open_snapshot(path: str | os.PathLike[str]) -> SnapshotFile:
    """Open a snapshot file.

    Checked at once: that it is a snapshot of a known format version, that its manifest is whole,
    and that every table is there with the size the manifest promises. A table's bytes are checked
    against their checksum when it is first read.

    Raises:
        SnapshotFormatError: it cannot be opened, or is damaged, cut short or something else.

    Cost: about 1 ms, whatever the size of the file.
    """
    file = Path(path)
    image, state = map_file(file)
    try:
        return _checked_file(file, image, state)
    except BaseException:
        image.close()
        raise


class SnapshotFile:
    """An open snapshot file.

    Safe to use from several threads. The file is mapped: it may be renamed, deleted or replaced
    (as `--force` does) while it is open, but must not be truncated or overwritten in place.

    Attributes:
        path: as given.
        manifest: the manifest; see docs/file-format.md.
        identity: stands for the content wherever something derived from it is kept.
    """

    def __init__(
        self,
        path: Path,
        manifest: dict[str, Any],
        image: mmap.mmap,
        members: dict[str, MemberRange],
        identity: str,
    ) -> None:
        """Take over a mapped file whose directory is checked; use `open_snapshot`."""
        self.path = path
        self.manifest = manifest
        self.identity = identity
        self._image = image
        self._members = members
        self._footers: dict[str, tuple[pq.FileMetaData, list[str]]] = {}
        self._texts = TextParts(lambda table: self._reading(TABLES[table]))
        self._lock = threading.RLock()

    def __enter__(self) -> Self:
        """Return the file itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the file."""
        self.close()

    def close(self) -> None:
        """Give up the mapping; arrays already read stay valid."""
        with suppress(BufferError):  # a read is still under way elsewhere; then it goes with that
            self._image.close()

    def row_count(self, table: str) -> int:
        """Rows of a table, without reading it."""
        return int(self.manifest["members"][TABLES[table].member]["rows"])

    def column(self, table: str, name: str) -> npt.NDArray[Any]:
        """Read a column of numbers.

        Returns:
            A new array of the column's dtype, C-contiguous, in row order; not cached here.

        Raises:
            SnapshotFormatError: the table is damaged.
            KeyError: no such column, or one of text.

        Cost: 20-40 ms per 10 million numbers, and at the first read of a table its checksum.
        """
        data_type = self._column_type(table, name)
        if pa.types.is_string(data_type):
            raise KeyError(f"{table}.{name} holds text: use strings()")
        with self._reading(TABLES[table]) as parquet:
            dtype = np.dtype(str(data_type))
            check_memory(self.row_count(table) * dtype.itemsize)
            if name not in parquet.schema_arrow.names:
                return np.zeros(self.row_count(table), dtype)
            values = np.empty(self.row_count(table), dtype)
            start = 0
            for group in range(parquet.num_row_groups):
                # One row group at a time: the whole column is never held twice.
                part = parquet.read_row_group(group, columns=[name], use_threads=False).column(0)
                if part.null_count:
                    raise pa.ArrowInvalid(f"{name} has null values")
                for chunk in part.chunks:
                    values[start : start + len(chunk)] = numpy_array(chunk)
                    start += len(chunk)
            if start != len(values):
                raise pa.ArrowInvalid(f"{name} has {start} values")
        return values

    def strings(self, table: str, name: str) -> pa.StringArray:
        """Read a column of text.

        Returns:
            A pyarrow.StringArray, or a LargeStringArray (equal in use) beyond 2 GiB of text.

        Raises:
            SnapshotFormatError: the table is damaged.
            KeyError: no such column, or one of numbers.
        """
        if not pa.types.is_string(self._column_type(table, name)):
            raise KeyError(f"{table}.{name} holds numbers: use column()")
        with self._reading(TABLES[table]) as parquet:
            values = plain_text(parquet.read(columns=[name], use_threads=False).column(0), table)
            values.validate(full=True)
            if values.nbytes > _MAX_STRING_BYTES:
                values = cast(values, pa.large_string())
            return in_one_piece(values)

    def strings_at(self, table: str, name: str, rows: Sequence[int]) -> list[str | None]:
        """Read a few rows of a column of text.

        Args:
            table: its table.
            name: its name.
            rows: in any order.

        Returns:
            Their texts in this order; None where there is none.

        Raises:
            SnapshotFormatError: the table is damaged.
            KeyError: no such column, or one of numbers.
            IndexError: no such row.

        Cost: some 5 ms for each stretch of 200,000 rows that is asked for the first time; what was
            read is kept, and a row of it takes 2 us.
        """
        if not pa.types.is_string(self._column_type(table, name)):
            raise KeyError(f"{table}.{name} holds numbers: use column()")
        if len(rows) and not 0 <= min(rows) <= max(rows) < self.row_count(table):
            raise IndexError(f"{table} has {self.row_count(table)} rows")
        return self._texts.at(table, name, rows)

    def table(self, name: str) -> pa.Table:
        """Read a whole table, with the columns and types of the schema.

        Raises:
            SnapshotFormatError: the table is damaged.
            KeyError: no such table.
        """
        layout = TABLES[name]
        with self._reading(layout) as parquet:
            table = parquet.read(columns=layout.schema.names, use_threads=False)
            table = with_zeros(table, layout.schema)
            columns = [plain_text(table.column(column), name) for column in layout.schema.names]
            table = pa.table(dict(zip(layout.schema.names, columns, strict=True)))
            table.validate(full=True)
            return cast_table(table, layout.schema)

    def verify_all(self, progress: Progress | None = None) -> None:
        """Check every table against its checksum, schema and number of rows, and read its texts.

        What the tables say of one another is `checks.check_consistency`.

        Args:
            progress: called as (phase, tables done, tables in total).

        Raises:
            SnapshotFormatError: a table is damaged.

        Cost: about 0.1 s per 100 MB, and 0.05 s per million objects.
        """
        for done, layout in enumerate(TABLES.values()):
            if progress is not None:
                progress(VERIFY_PHASE, done, len(TABLES))
            with self._reading(layout) as parquet:
                for column in layout.schema:
                    if pa.types.is_string(column.type):
                        for group in range(parquet.num_row_groups):
                            read_text_part(parquet, layout.name, column.name, group)

    def _column_type(self, table: str, name: str) -> pa.DataType:
        return TABLES[table].schema.field(name).type

    @contextmanager
    def _reading(self, layout: TableLayout) -> Iterator[pq.ParquetFile]:
        """Give the checked Parquet file of a table; what fails inside becomes one clear error."""
        member = layout.member
        try:
            if member not in self._members:  # a table that came later than the file
                yield empty_parquet(layout)
                return
            yield self._open_parquet(layout)
            _forget_pages(self._image, self._members[member])
            pa.default_memory_pool().release_unused()  # what decompressing needed
        except MemoryError as error:  # also pyarrow's
            raise HeapgraphError(
                f"not enough memory to read {layout.name} of {self.path}",
                f"it has {self.row_count(layout.name)} rows",
                "free some memory, or open the snapshot on a larger machine",
            ) from error
        except (pa.ArrowException, OSError, ValueError) as error:
            reason = str(error).partition("\n")[0]
            problem = f"it is not readable as Parquet ({reason})"
            raise damage.damaged(self.path, member, problem) from error

    def _open_parquet(self, layout: TableLayout) -> pq.ParquetFile:
        member = self._members[layout.member]
        with self._lock:
            if layout.name not in self._footers:
                # Before anything is parsed, so that accidental damage never reaches the parser.
                self._check_sum(member)
                footer = self._checked_footer(layout, member)
                self._footers[layout.name] = (footer, texts_to_measure(layout, footer))
            return self._parquet_file(member, *self._footers[layout.name])

    def _parquet_file(
        self,
        member: MemberRange,
        footer: pq.FileMetaData | None = None,
        as_dictionaries: Sequence[str] = (),
    ) -> pq.ParquetFile:
        # A buffer instead of a Python file, no threads and no read-ahead: pyarrow's thread pool can
        # abort or hang the process at its exit (apache/arrow 34314, 50482).
        view = memoryview(self._image)[member.start : member.start + member.size]
        source = pa.BufferReader(pa.py_buffer(view))
        return pq.ParquetFile(
            source, metadata=footer, pre_buffer=False, read_dictionary=list(as_dictionaries)
        )

    def _check_sum(self, member: MemberRange) -> None:
        if _checksum(self._image, member) != self.manifest["members"][member.name]["crc32"]:
            raise damage.damaged(self.path, member.name, _WRONG_CHECKSUM)

    def _checked_footer(self, layout: TableLayout, member: MemberRange) -> pq.FileMetaData:
        parquet = self._parquet_file(member)
        with memoryview(self._image)[member.start : member.start + member.size] as image:
            problem = table_problem(layout, parquet, self.row_count(layout.name), image)
        if problem:
            raise damage.damaged(self.path, layout.member, problem)
        return parquet.metadata


def _checked_file(path: Path, image: mmap.mmap, state: os.stat_result) -> SnapshotFile:
    try:
        infos = read_directory(image, {MANIFEST_MEMBER, *_TABLE_MEMBERS})
        if not any(info.filename in _TABLE_MEMBERS for info in infos):
            raise damage.foreign(path, "it is a zip file of something else")
        members = locate_members(image, infos)
    except ArchiveError as error:
        if error.member:
            raise damage.damaged(path, error.member, str(error)) from error
        if image[: len(_FIRST_BYTES)] == _FIRST_BYTES:
            raise damage.cut_short(path) from error
        raise damage.foreign(path, "it is no zip file") from error
    manifest = _read_manifest(path, image, members)
    for layout in TABLES.values():
        promised = manifest["members"][layout.member]
        member = members.get(layout.member)
        if member is None and layout.is_later and promised == NO_MEMBER:
            continue
        if member is None:
            raise damage.damaged(path, layout.member, _MISSING)
        if (member.size, member.crc32) != (promised["size"], promised["crc32"]):
            raise damage.damaged(
                path, layout.member, "its size or checksum is not what was written"
            )
        problem = bytes_problem(layout.name, promised["rows"], member.size)
        if problem:
            raise damage.damaged(path, layout.member, problem)
    known = identity_of(image, state, members, MANIFEST_MEMBER)
    return SnapshotFile(path, manifest, image, members, known)


def _read_manifest(path: Path, image: mmap.mmap, members: dict[str, MemberRange]) -> dict[str, Any]:
    member = members.get(MANIFEST_MEMBER)
    if member is None:
        raise damage.damaged(path, MANIFEST_MEMBER, _MISSING)
    if member.size > MAX_MANIFEST_BYTES:
        raise damage.damaged(path, MANIFEST_MEMBER, f"it has {format_size(member.size)}")
    if _checksum(image, member) != member.crc32:
        raise damage.damaged(path, MANIFEST_MEMBER, _WRONG_CHECKSUM)
    return decode_manifest(image[member.start : member.start + member.size], path)


def _checksum(image: mmap.mmap, member: MemberRange) -> int:
    checksum = 0
    with memoryview(image) as view:
        for start in range(0, member.size, _CHECKSUM_STEP):
            stop = min(start + _CHECKSUM_STEP, member.size)
            checksum = zlib.crc32(view[member.start + start : member.start + stop], checksum)
    _forget_pages(image, member)
    return checksum


def _forget_pages(image: mmap.mmap, member: MemberRange) -> None:
    """Have the pages of a member not count as resident any more; they stay in the page cache."""
    start = member.start - member.start % mmap.PAGESIZE
    image.madvise(mmap.MADV_DONTNEED, start, member.start + member.size - start)
