"""What containers know of their own past: how many items were taken out, and how many may be in."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from heapgraph.capture.heap.texts import words_at
from heapgraph.snapshot.plain_tables import plain_table

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from heapgraph.capture.heap.columns import HeapColumns
    from heapgraph.capture.heap.texts import Array
    from heapgraph.native.memory_reads import MemoryReads
    from heapgraph.snapshot.plain_tables import PlainTable

    Facts: TypeAlias = tuple[Array, Array, Array]
    _Reader: TypeAlias = Callable[["_Structs", Array], Facts]

MIN_REFERENCES = 20
"""Of a container that is asked; the others are parts of other things. Caches are always asked."""

UNLIMITED = -1
_MAX_SANE = 1 << 48
"""Of a count; more is damage, and becomes nothing."""


def read_container_facts(
    reads: MemoryReads,
    fields: Mapping[str, int],
    columns: HeapColumns,
    chosen: Mapping[str, Array],
) -> PlainTable:
    """Make the table `containers`.

    Args:
        reads: of the frozen moment.
        fields: the layout of its CPython.
        columns: the objects.
        chosen: ids by reader, of READERS at least.

    Returns:
        A row for each dict, set, deque and lru_cache of any size, by rising object id.

    Cost: 0.3 us per container.
    """
    found = []
    for name, read in _READERS.items():
        for part, addresses in columns.in_steps(chosen[name]):
            facts = read(_Structs(reads, fields), addresses)
            found.append(np.stack([part, *(each.astype(np.int64) for each in facts)], axis=1))
    rows = np.concatenate(found)
    rows = rows[np.argsort(rows[:, 0], kind="stable")]
    sane = np.where((rows >= 0) & (rows < _MAX_SANE), rows, 0)
    return plain_table(
        "containers",
        {
            "object": sane[:, 0].astype(np.uint32),
            "limit": np.where(rows[:, 1] < 0, UNLIMITED, sane[:, 1]),
            "removed": sane[:, 2].astype(np.uint64),
            "slots": sane[:, 3].astype(np.uint64),
        },
    )


class _Structs:
    """Fields of many structs of one kind at a time."""

    def __init__(self, reads: MemoryReads, fields: Mapping[str, int]) -> None:
        self._reads = reads
        self.fields = fields

    def words(self, addresses: Array, *names: str) -> list[Array]:
        """Each an int64[n]."""
        words = words_at(self._reads, addresses, [self.fields[name] for name in names])
        return list(words.view(np.int64).T)

    def bytes(self, addresses: Array, name: str) -> Array:
        """int64[n], of a field that is one byte wide."""
        at = self.fields[name]
        return self._reads.gather(addresses, at + 1)[:, at].astype(np.int64)


def _dicts(structs: _Structs, addresses: Array) -> Facts:
    """Entries that were deleted keep their place until the table is made anew."""
    used, keys = structs.words(addresses, "dict.used", "dict.keys")
    (entries,) = structs.words(keys, "dk.nentries")
    if "dk.log2_size" in structs.fields:
        slots = 1 << np.minimum(structs.bytes(keys, "dk.log2_size"), 48)
    else:
        (slots,) = structs.words(keys, "dk.size")
    return np.full(len(used), UNLIMITED), np.maximum(entries - used, 0), slots


def _sets(structs: _Structs, addresses: Array) -> Facts:
    """The same: a place that was used once counts as filled."""
    fill, used, mask = structs.words(addresses, "set.fill", "set.used", "set.mask")
    return np.full(len(used), UNLIMITED), np.maximum(fill - used, 0), mask + 1


def _deques(structs: _Structs, addresses: Array) -> Facts:
    """`state` counts what was put in and taken out; the difference of the two is what is there."""
    length, state, maxlen = structs.words(addresses, "deque.len", "deque.state", "deque.maxlen")
    return maxlen, np.maximum((state - length) // 2, 0), np.zeros_like(length)


def _caches(structs: _Structs, addresses: Array) -> Facts:
    """Every miss has put one in."""
    limit, misses, cache = structs.words(addresses, "lru.maxsize", "lru.misses", "lru.cache")
    (used,) = structs.words(cache, "dict.used")
    return limit, np.maximum(misses - used, 0), np.zeros_like(limit)


_READERS: dict[str, _Reader] = {
    "dict": _dicts,
    "ordered_dict": _dicts,
    "set": _sets,
    "deque": _deques,
    "lru_cache": _caches,
}

READERS = {name: 0 if name == "lru_cache" else MIN_REFERENCES for name in _READERS}
"""Readers of the walk whose objects are asked, each with the fewest references that they have."""
