"""The cyclic collector's state: where its lists begin, and whether it is at work."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from heapgraph.capture.cpython.layouts.kinds import collects_in_order
from heapgraph.capture.cpython.objects import ObjectReader
from heapgraph.capture.cpython.threads import read_interpreters

if TYPE_CHECKING:
    from collections.abc import Iterator

    from heapgraph.capture.cpython.layouts import Layout
    from heapgraph.capture.process.memory import Memory


def collector_address(reader: ObjectReader, runtime_address: int, interpreter: int) -> int:
    """Return the address of the collector's state; 3.8 has one for all interpreters.

    Args:
        reader: reads the target's memory.
        runtime_address: of its _PyRuntime.
        interpreter: address of the interpreter's struct.
    """
    if "is.gc" in reader.fields:
        return interpreter + reader.fields["is.gc"]
    return runtime_address + reader.fields["rt.gc"]


@dataclass(frozen=True)
class ListHeads:
    """Addresses of the collector's list heads, of all interpreters.

    Attributes:
        permanent: of what gc.freeze put aside.
        generations: of the three generations of each interpreter, the oldest first; the early 3.14
            releases have a young and two old lists in their places.
        in_order: objects lie in the lists, one behind the other, in the order of their creation.
    """

    permanent: list[int]
    generations: list[int]
    in_order: bool = False

    def __iter__(self) -> Iterator[int]:
        """Every head, the permanent ones first."""
        yield from self.permanent
        yield from self.generations


def gc_list_heads(
    memory: Memory,
    layout: Layout,
    runtime_address: int,
    version: tuple[int, int, int] | None = None,
) -> ListHeads:
    """Find the heads of all lists of all interpreters.

    Args:
        memory: of the target.
        layout: of its version.
        runtime_address: of its _PyRuntime.
        version: (major, minor, micro); without it nothing is known of the order of objects.

    Raises:
        UnreadableMemory: the list of interpreters cannot be read.
    """
    fields = layout.fields
    offsets = [
        fields["gc.generations"] + number * fields["gc.generation_size"]
        for number in reversed(range(fields["gc.num_generations"]))
    ]
    collectors = _collectors(memory, layout, runtime_address)
    return ListHeads(
        [collector + fields["gc.permanent"] for collector in collectors],
        [collector + offset for collector in collectors for offset in offsets],
        in_order=len(collectors) == 1 and version is not None and collects_in_order(version),
    )


def is_collecting(memory: Memory, layout: Layout, runtime_address: int) -> bool:
    """Tell whether a collection is under way in any interpreter.

    Cheap enough to be polled before the target is frozen; a memory that remembers pages must be
    told to forget them before each question.

    Raises:
        UnreadableMemory: the list of interpreters cannot be read.
    """
    reader = ObjectReader(memory, layout)
    return any(
        reader.number(collector, "gc.collecting") != 0
        for collector in _collectors(memory, layout, runtime_address)
    )


def _collectors(memory: Memory, layout: Layout, runtime_address: int) -> list[int]:
    """Addresses of the states of all collectors, each once."""
    reader = ObjectReader(memory, layout)
    interpreters = read_interpreters(reader, runtime_address)
    addresses = (
        collector_address(reader, runtime_address, interpreter.address)
        for interpreter in interpreters
    )
    return list(dict.fromkeys(addresses))
