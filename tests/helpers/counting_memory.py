"""A process memory that counts how often it is asked."""

from __future__ import annotations

from heapgraph.capture.process.memory import ProcessMemory


class CountingMemory(ProcessMemory):
    """Counts the reads, whether or not they are answered from a cache."""

    reads = 0

    def read(self, address: int, size: int) -> bytes:
        """Read and count."""
        self.reads += 1
        return super().read(address, size)
