"""Memory that mmap objects have mapped: it is theirs, and goes when they are closed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from heapgraph.capture.heap.texts import words_at
from heapgraph.capture.process.maps import is_anonymous, is_shared_memory
from heapgraph.model import MAPPING_TYPE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from heapgraph.capture.heap.columns import HeapColumns
    from heapgraph.capture.process.maps import Mapping
    from heapgraph.capture.process.residency import Residency
    from heapgraph.native.memory_reads import MemoryReads


def mapped_bytes(
    reads: MemoryReads,
    residency: Residency,
    maps: Sequence[Mapping],
    columns: HeapColumns,
    object_size: int,
) -> list[tuple[int, int]]:
    """What of the memory of mmap objects the kernel cannot take back without them.

    That is memory without a file (anonymous, shared, of /dev/shm or memfd), and what was written of
    a private copy of a file. Pages of files are the kernel's, whoever has mapped them.

    Args:
        reads: of the frozen moment.
        residency: of the private anonymous memory.
        maps: the mappings, by address, with sizes.
        columns: the objects.
        object_size: bytes of the head of every object.

    Returns:
        Object id and bytes, by rising id; of a `multiprocessing.shared_memory` it is its mmap.

    Cost: some us for each such object.
    """
    ids = columns.objects_named(MAPPING_TYPE)
    if not len(ids):
        return []
    # mmap_object of Modules/mmapmodule.c begins with `char *data; Py_ssize_t size`.
    words = words_at(reads, columns.addresses_of(ids), [object_size, object_size + 8])
    starts = np.array([mapping.start for mapping in maps], np.uint64)
    found = []
    for object_id, (data, size) in zip(ids.tolist(), words.tolist(), strict=True):
        if not data or size >= 1 << 47:  # closed, or damaged
            continue
        first = max(0, int(np.searchsorted(starts, np.uint64(data), side="right")) - 1)
        own = sum(_own_parts(residency, maps[first:], data, data + size))
        if own:
            found.append((object_id, own))
    return found


def _own_parts(
    residency: Residency, maps: Sequence[Mapping], start: int, end: int
) -> Iterator[int]:
    """Bytes in each mapping of a range that would go with it."""
    for mapping in maps:
        if mapping.start >= end:
            return
        begin, behind = max(start, mapping.start), min(end, mapping.end)
        if begin >= behind:
            continue
        if is_anonymous(mapping):
            yield residency.total(begin, behind)
        elif is_shared_memory(mapping):
            yield min(mapping.rss, behind - begin)
        elif mapping.permissions.endswith("p"):  # a shared page may be "private" and of a file
            yield min(mapping.private_dirty, behind - begin)
