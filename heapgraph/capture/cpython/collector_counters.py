"""What the cyclic collector counts, read from a process that runs on: no stop, no walk."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from heapgraph.capture.cpython.collector import collector_address
from heapgraph.capture.cpython.objects import ObjectReader
from heapgraph.capture.cpython.threads import read_interpreters
from heapgraph.capture.process.memory import UnreadableMemory

if TYPE_CHECKING:
    from collections.abc import Callable

    from heapgraph.capture.cpython.layouts import Layout
    from heapgraph.capture.process.memory import Memory

    Read: TypeAlias = Callable[[int, int], bytes]

_SANE_COUNT = 2**48
"""No counter of a real process is larger; a number above it was read while its place was changing,
or the place is not what it was."""


class CollectorCounters(NamedTuple):
    """The counters of the main interpreter's collector at one moment.

    Attributes:
        enabled: automatic collection is on.
        tracked: objects that the collector knows: on 3.14 and later those of now, before that
            those that the last full collection left; None before the first one.
        generations: collections, collected and uncollectable objects of each generation since the
            start, the youngest first: what `gc.get_stats()` says.
    """

    enabled: bool
    tracked: int | None
    generations: tuple[tuple[int, int, int], ...]


class CollectorPlace:
    """Where the counters of one process are; found once, read as often as is wanted.

    Args:
        layout: of the target's CPython.
        collector: address of its collector's state.
    """

    def __init__(self, layout: Layout, collector: int) -> None:
        """Take the places of the counters out of the layout."""
        fields = layout.fields
        self._fields = fields
        self._collector = collector
        self._stats = [
            fields[f"gc_stats.{name}"] for name in ("collections", "collected", "uncollectable")
        ]
        self._generations = fields["gc.num_generations"]

    def read(self, read: Read) -> CollectorCounters:
        """Read the counters.

        Args:
            read: returns so many bytes at an address of the target, or raises UnreadableMemory.

        Raises:
            UnreadableMemory: the process has ended, or what is there are no counters.

        Cost: one system call of `read`, two from 3.15 on.
        """
        fields = self._fields
        state = read(self._collector, fields["gc.size"])
        if "gc.stats_buffers" in fields:
            stats = self._of_buffers(state, read)
        else:
            size, first = fields["gc_stats.size"], fields["gc.stats"]
            stats = tuple(
                self._of_generation(state, first + row * size) for row in range(self._generations)
            )
        enabled = _i32(state, fields["gc.enabled"])
        if enabled not in (0, 1):
            raise UnreadableMemory(f"a collector that is neither on nor off: {enabled}")
        return CollectorCounters(enabled == 1, self._tracked(state, stats), stats)

    def _tracked(self, state: bytes, stats: tuple[tuple[int, int, int], ...]) -> int | None:
        """Objects that the collector knows, where it says so."""
        if "gc.heap_size" in self._fields:
            return _count(state, self._fields["gc.heap_size"])
        if not stats[-1][0]:
            return None  # it counts them at full collections, and there was none
        return _count(state, self._fields["gc.long_lived"])

    def _of_buffers(self, state: bytes, read: Read) -> tuple[tuple[int, int, int], ...]:
        """Since 3.15 each generation has a ring of its latest collections, with running totals."""
        fields = self._fields
        buffers = read(_word(state, fields["gc.stats_buffers"]), fields["gc_buffers.size"])
        places = [(fields["gc_buffers.young"], fields["gc_buffers.young_index"])]
        for row in range(self._generations - 1):
            start = fields["gc_buffers.old"] + row * fields["gc_buffers.old_size"]
            places.append((start, fields["gc_buffers.old_index"]))
        found = []
        for start, index_place in places:
            latest = buffers[start + index_place]
            place = start + latest * fields["gc_stats.size"]
            if place + fields["gc_stats.size"] > start + index_place:
                raise UnreadableMemory(f"the latest collection is said to be number {latest}")
            found.append(self._of_generation(buffers, place))
        return tuple(found)

    def _of_generation(self, content: bytes, place: int) -> tuple[int, int, int]:
        collections, collected, uncollectable = (
            _count(content, place + offset) for offset in self._stats
        )
        return collections, collected, uncollectable


def find_collector(memory: Memory, layout: Layout, runtime_address: int) -> CollectorPlace:
    """Find the counters of the main interpreter; those of others are not counted.

    Args:
        memory: of the process.
        layout: of its version.
        runtime_address: of its _PyRuntime.

    Raises:
        UnreadableMemory: there is no interpreter.
    """
    reader = ObjectReader(memory, layout)
    main = read_interpreters(reader, runtime_address)[0]
    return CollectorPlace(layout, collector_address(reader, runtime_address, main.address))


def _word(content: bytes, place: int) -> int:
    number: int = struct.unpack_from("<Q", content, place)[0]
    return number


def _i32(content: bytes, place: int) -> int:
    number: int = struct.unpack_from("<i", content, place)[0]
    return number


def _count(content: bytes, place: int) -> int:
    number: int = struct.unpack_from("<q", content, place)[0]
    if not 0 <= number < _SANE_COUNT:
        raise UnreadableMemory(f"{number} is no count of objects or collections")
    return number
