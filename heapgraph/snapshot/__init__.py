"""The snapshot file: schema, writer, reader, redaction; and tables in memory in its place.

The names are looked up when they are used: who asks a heap in memory needs neither reader nor
writer, and their libraries take a tenth of a second.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from heapgraph.snapshot.reader import SnapshotFile, open_snapshot
    from heapgraph.snapshot.writer import check_output, write_snapshot

__all__ = ["SnapshotFile", "check_output", "open_snapshot", "write_snapshot"]

_OF_READER = frozenset({"SnapshotFile", "open_snapshot"})


def __getattr__(name: str) -> object:
    """Import the module of a name."""
    if name not in __all__:
        raise AttributeError(f"module 'heapgraph.snapshot' has no attribute {name!r}")
    module = "reader" if name in _OF_READER else "writer"
    return getattr(importlib.import_module(f"heapgraph.snapshot.{module}"), name)
