"""heapgraph: who holds the memory of a live Python process, and by which references.

Public names are looked up when they are first used, so that `import heapgraph` costs nothing;
type checkers read them from `__init__.pyi`.
"""

from __future__ import annotations

import importlib

__version__ = "0.1.0"

__all__ = [
    "GateFailed",
    "HeapgraphError",
    "ObjectNotFound",
    "Picture",
    "Snapshot",
    "SnapshotFormatError",
    "TargetError",
    "UsageError",
    "__version__",
    "dump",
    "dump_core",
    "open",
]

_PLACES = {
    "Picture": ("heapgraph.api", "Picture"),
    "Snapshot": ("heapgraph.api", "Snapshot"),
    "dump": ("heapgraph.api", "dump"),
    "dump_core": ("heapgraph.api", "dump_core"),
    "open": ("heapgraph.api", "open_snapshot"),
}


def __getattr__(name: str) -> object:
    """Import the module of a public name."""
    if name not in __all__:
        raise AttributeError(f"module 'heapgraph' has no attribute {name!r}")
    module, attribute = _PLACES.get(name, ("heapgraph.errors", name))
    return getattr(importlib.import_module(module), attribute)


def __dir__() -> list[str]:
    """The public names."""
    return sorted(__all__)
