"""Which columns of a snapshot file a command reads."""

from __future__ import annotations

from contextlib import contextmanager
from functools import wraps
from typing import TYPE_CHECKING, Any

import pytest

from heapgraph.snapshot.reader import SnapshotFile
from heapgraph.snapshot.schema import TABLES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Column = tuple[str, str]

READERS = ("column", "strings", "strings_at", "table")
"""All methods of SnapshotFile that give away what a table holds."""


@contextmanager
def recorded_reads() -> Iterator[set[Column]]:
    """Collect (table, column) of all that is read of any snapshot file inside the block."""
    seen: set[Column] = set()
    with pytest.MonkeyPatch.context() as patch:
        for name in READERS:
            patch.setattr(SnapshotFile, name, _recording(getattr(SnapshotFile, name), seen))
        yield seen


def _recording(read: Callable[..., Any], seen: set[Column]) -> Callable[..., Any]:
    """The same method, which first notes what it is asked for; a whole table is every column."""

    @wraps(read)
    def recording(file: SnapshotFile, table: str, *arguments: Any) -> Any:
        names = arguments[:1] or TABLES[table].schema.names
        seen.update((table, name) for name in names)
        return read(file, table, *arguments)

    return recording
