from heapgraph.api import Picture as Picture
from heapgraph.api import Snapshot as Snapshot
from heapgraph.api import dump as dump
from heapgraph.api import dump_core as dump_core
from heapgraph.api import open_snapshot as open  # noqa: A004 - heapgraph.open, as in the docs
from heapgraph.errors import GateFailed as GateFailed
from heapgraph.errors import HeapgraphError as HeapgraphError
from heapgraph.errors import ObjectNotFound as ObjectNotFound
from heapgraph.errors import SnapshotFormatError as SnapshotFormatError
from heapgraph.errors import TargetError as TargetError
from heapgraph.errors import UsageError as UsageError

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

__version__: str
