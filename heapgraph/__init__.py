"""heapgraph: who holds the memory of a live Python process, and by which references."""

__version__ = "0.1.0"
