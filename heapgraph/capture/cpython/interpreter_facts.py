"""What the interpreter itself says of its memory management: collector, tracemalloc, flags."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from heapgraph.capture.cpython.collector import collector_address
from heapgraph.capture.cpython.objects import ObjectReader
from heapgraph.capture.cpython.threads import read_interpreters
from heapgraph.capture.process.memory import UnreadableMemory

if TYPE_CHECKING:
    from heapgraph.capture.cpython.target import Target
    from heapgraph.capture.process.memory import Memory

_MAX_FLAGS = 64
_TRACE_SIZE = 16  # trace_t of Python/tracemalloc.c: size, traceback
_MAX_FRAMES = 65535  # MAX_NFRAME
_SANE_COUNT = 2**40


@dataclass(frozen=True)
class InterpreterFacts:
    """Facts of the main interpreter.

    Attributes:
        gc_enabled: automatic collection is on.
        gc_thresholds, gc_counts: of the generations, the youngest first.
        gc_disabled_in: how many of all interpreters have it off.
        interpreters: how many there are.
        tracemalloc: it traces; None where the build does not tell.
        tracemalloc_frames: how many it keeps of each allocation; 0 when it does not trace.
        tracemalloc_bytes: its own memory at least; None where the build does not tell.
        flags: sys.flags.
    """

    gc_enabled: bool
    gc_thresholds: list[int]
    gc_counts: list[int]
    gc_disabled_in: int
    interpreters: int
    tracemalloc: bool | None
    tracemalloc_frames: int
    tracemalloc_bytes: int | None
    flags: dict[str, int]

    def record(self, frozen: int) -> dict[str, Any]:
        """The section `interpreter` of the manifest.

        Args:
            frozen: objects in the permanent generation, of all interpreters.
        """
        return {**asdict(self), "gc_frozen": frozen}


def read_interpreter_facts(memory: Memory, target: Target) -> InterpreterFacts:
    """Read what one moment's memory says.

    Args:
        memory: of the frozen target.
        target: where its runtime is.

    Raises:
        UnreadableMemory: the list of interpreters cannot be read.

    Cost: about a hundred reads.
    """
    reader, runtime = ObjectReader(memory, target.layout), target.runtime_address
    interpreters = read_interpreters(reader, runtime)
    collectors = [collector_address(reader, runtime, each.address) for each in interpreters]
    enabled = [reader.number(each, "gc.enabled") != 0 for each in collectors]
    generations = [
        collectors[0] + reader.fields["gc.generations"] + row * reader.fields["gc.generation_size"]
        for row in range(reader.fields["gc.num_generations"])
    ]
    tracing, frames, used = _tracemalloc(reader, target)
    return InterpreterFacts(
        enabled[0],
        [_count(reader, each, "gc.generation.threshold") for each in generations],
        [_count(reader, each, "gc.generation.count") for each in generations],
        enabled.count(False),
        len(interpreters),
        tracing,
        frames,
        used,
        _flags(reader, reader.word(interpreters[0].address, "is.sysdict")),
    )


def _count(reader: ObjectReader, generation: int, name: str) -> int:
    """A C int that is a count; what is below nothing is damage."""
    return max(0, reader.number(generation, name))


def _tracemalloc(reader: ObjectReader, target: Target) -> tuple[bool | None, int, int | None]:
    """Whether it traces, with how many frames, and the bytes of its tables (3.12 and later)."""
    fields = reader.fields
    state = target.tracemalloc_config
    if "rt.tracemalloc" in fields:
        state = target.runtime_address + fields["rt.tracemalloc"]
    if state == 0:
        return None, 0, None
    with suppress(UnreadableMemory):
        tracing = reader.number(state, "tracemalloc.tracing")
        frames = reader.number(state, "tracemalloc.max_nframe")
        if tracing not in (0, 1) or not 1 <= frames <= _MAX_FRAMES:
            return None, 0, None  # another micro release has it elsewhere
        if not tracing:
            return False, 0, 0
        if "tracemalloc.traces" not in fields:
            return True, frames, None
        return True, frames, _table_bytes(reader, state)
    return None, 0, None


def _table_bytes(reader: ObjectReader, state: int) -> int:
    """Its hash tables, the traces, and one frame of each traceback."""
    fields, total = reader.fields, 0
    items = {"traces": _TRACE_SIZE, "tracebacks": fields["tracemalloc.traceback_size"]}
    for name in ("filenames", "tracebacks", "traces"):
        table = reader.word(state, f"tracemalloc.{name}")
        if table == 0:
            continue
        entries = reader.word(table, "hashtable.nentries")
        buckets = reader.word(table, "hashtable.nbuckets")
        if max(entries, buckets) > _SANE_COUNT:
            raise UnreadableMemory(f"the hash table at {table:#x} claims {entries} entries")
        total += buckets * 8 + entries * (fields["hashtable.entry_size"] + items.get(name, 0))
    return total


def _flags(reader: ObjectReader, sysdict: int) -> dict[str, int]:
    """`sys.flags`: numbers by the names that its type gives them. What is no count is left out."""
    found: dict[str, int] = {}
    with suppress(UnreadableMemory):
        flags = reader.dict_get(sysdict, "flags") or 0
        members = reader.word(reader.type_address(flags), "tp.members")
        for row in range(_MAX_FLAGS):
            member = members + row * reader.fields["member.size"]
            name_address = reader.word(member, "member.name")
            name = reader.memory.cstring(name_address) if name_address else ""
            if not name.isidentifier():
                break
            value = reader.memory.u64(flags + reader.word(member, "member.offset"))
            with suppress(UnreadableMemory):  # some are None
                number = reader.read_int(value)
                if 0 <= number < _SANE_COUNT:
                    found[name] = number
    return found
