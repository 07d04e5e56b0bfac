"""Why nothing can be written down."""

from __future__ import annotations

from heapgraph.errors import HeapgraphError


class AuditUnavailable(HeapgraphError):
    """A line cannot be written, or it is not known to be on the disk: do not do what it says."""


class AuditLocked(AuditUnavailable):
    """Another process writes to this log; a second one never does, required or not."""
