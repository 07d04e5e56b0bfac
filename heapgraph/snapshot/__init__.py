"""The snapshot file: schema, writer, reader, redaction."""

from heapgraph.snapshot.reader import SnapshotFile, open_snapshot
from heapgraph.snapshot.writer import check_output, write_snapshot

__all__ = ["SnapshotFile", "check_output", "open_snapshot", "write_snapshot"]
