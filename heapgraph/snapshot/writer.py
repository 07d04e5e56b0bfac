"""Writes a snapshot file: whole and durable under its final name, or not at all."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import pyarrow as pa

from heapgraph.errors import SnapshotWriteFailed
from heapgraph.snapshot.manifest import complete_manifest, encode_manifest
from heapgraph.snapshot.pending_file import PendingFile
from heapgraph.snapshot.redacting.redaction import redact_manifest
from heapgraph.snapshot.schema import MANIFEST_MEMBER, TABLES, TableLayout
from heapgraph.snapshot.table_encoder import BackgroundTable, write_table
from heapgraph.snapshot.write_errors import free_bytes, write_error
from heapgraph.units import format_size

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping

    Progress = Callable[[str, int, int], None]

WRITE_PHASE = "write"
"""Name of the phase given to the progress callback."""

_PRIVATE_MEMBER = 0o600 << 16

_BESIDE = "references"
"""The table that is encoded while the objects are written; both take about as long."""


def check_output(
    path: str | os.PathLike[str], force: bool = False, expected_bytes: int = 0
) -> None:
    """Refuse an output that cannot be written, before a target is stopped for it.

    A temporary file is created in the folder and removed: the only test that knows every limit.

    Args:
        path: where the snapshot will be written.
        force: an existing file may be replaced.
        expected_bytes: the estimated size of the snapshot; 0 asks for no space.

    Raises:
        SnapshotWriteFailed: the file exists and `force` is not set, it is not a regular file, the
            folder is missing or not writable, or less than `expected_bytes` are free.
    """
    output = Path(path)
    with PendingFile(output, force=force):
        free = free_bytes(output.parent)
    if free < expected_bytes:
        raise SnapshotWriteFailed(
            f"{output.parent} has {format_size(free)} free, but the snapshot needs about "
            f"{format_size(expected_bytes)}",
            "the disk, or this user's share of it, is nearly full",
            "free some space, or write elsewhere: -o /other/folder/NAME.heapgraph",
        )


def write_snapshot(
    path: str | os.PathLike[str],
    manifest: Mapping[str, Any],
    tables: Mapping[str, pa.Table],
    *,
    force: bool = False,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Write a snapshot file.

    The file is written without a name, or under a temporary one where the file system cannot do
    that, brought to the disk and only then named; whatever happens before that, nothing is left.

    Args:
        path: the final name.
        manifest: every key of `manifest.SHAPE` except format, format_version, counts and members.
            If `redacted` is set, the command line is redacted here, so that nobody forgets it; the
            tables must have gone through `redaction.redact_tables`.
        tables: every table of `schema.TABLES`, with its columns and types.
        force: replace an existing file.
        progress: called as (phase, rows written, rows in total) after every row group; what it
            raises ends the writing and goes on to the caller.

    Returns:
        The manifest as written.

    Raises:
        SnapshotWriteFailed: the output cannot be written; see `check_output`.
        ValueError: a table or a key of the manifest is missing or of another type, or a text is no
            UTF-8.

    Cost:
        About 0.1 s per million objects on two cores, and 4 to 10 bytes of disk per object. Beyond
        the tables given, memory holds the references as encoded: about half of the file.
    """
    output = Path(path)
    checked = {name: _checked(layout, tables) for name, layout in TABLES.items()}
    with PendingFile(output, force=force) as pending:
        try:
            complete = _write_archive(pending.file, manifest, checked, progress)
        except OSError as error:
            raise write_error(output, error) from error
        pending.publish()
    return complete


def _checked(layout: TableLayout, tables: Mapping[str, pa.Table]) -> pa.Table:
    table = tables.get(layout.name)
    if table is None:
        raise ValueError(f"the table {layout.name} is missing")
    if table.column_names != layout.schema.names:
        raise ValueError(f"the table {layout.name} has the columns {table.column_names}")
    for column in layout.schema:
        values = table.column(column.name)
        if not column.nullable and values.null_count:
            raise ValueError(f"{layout.name}.{column.name} has null values")
        if values.type != column.type and not _fits(values.type, column.type):
            raise ValueError(f"{layout.name}.{column.name} is {values.type}, not {column.type}")
    return table


def _fits(found: pa.DataType, wanted: pa.DataType) -> bool:
    """Whether every value of a type is one of the other: it is cast when it is written."""
    if pa.types.is_string(wanted):
        return bool(pa.types.is_large_string(found))
    if not (pa.types.is_integer(found) and pa.types.is_integer(wanted)):
        return False
    return bool(pa.types.is_unsigned_integer(found) and found.bit_width < wanted.bit_width)


def _write_archive(
    file: BinaryIO,
    manifest: Mapping[str, Any],
    tables: Mapping[str, pa.Table],
    progress: Progress | None,
) -> dict[str, Any]:
    """Write the members: the tables first, the manifest last because it holds their checksums."""
    total = sum(table.num_rows for table in tables.values())
    done = 0

    def report(rows: int = 0) -> None:
        nonlocal done
        done += rows
        if progress is not None:
            progress(WRITE_PHASE, done + beside.rows, total)

    members: dict[str, dict[str, int]] = {}
    with (
        BackgroundTable(TABLES[_BESIDE], tables[_BESIDE]) as beside,
        zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive,
    ):
        for name, table in tables.items():
            info = _member_info(TABLES[name].member)
            with archive.open(info, "w", force_zip64=True) as member:
                if name == _BESIDE:
                    beside.copy_to(member, report)
                else:
                    write_table(member, TABLES[name], table, report)
            members[info.filename] = {
                "size": info.file_size,
                "crc32": info.CRC,
                "rows": table.num_rows,
            }
        wanted = redact_manifest(manifest) if manifest.get("redacted") else manifest
        complete = complete_manifest(wanted, members)
        archive.writestr(_member_info(MANIFEST_MEMBER), encode_manifest(complete))
    return complete


def _member_info(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)  # without a time: equal content makes equal bytes
    info.external_attr = _PRIVATE_MEMBER
    return info
