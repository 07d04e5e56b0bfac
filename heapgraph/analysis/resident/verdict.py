"""What the resident memory of a process is mostly made of, in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from heapgraph.analysis.resident.native import native_advice, native_sentence
from heapgraph.analysis.resident.parts import (
    DATA_FILES,
    FILES,
    MAPPED_BY_OBJECTS,
    NATIVE,
    OBJECTS,
    POOL_HEADERS,
    PROGRAM,
    PROGRAM_DATA,
    ROUNDING,
    SHARED,
    SLACK,
    STACKS,
    UNKNOWN,
)
from heapgraph.units import format_count, format_share, format_size

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from heapgraph.analysis.resident.arenas import ArenaTotals
    from heapgraph.analysis.resident.native import NativeOwner
    from heapgraph.analysis.resident.parts import MemoryPart

DECISIVE_SHARE = 0.5
"""A cause with more than this share of the memory that a program could do without is the verdict:
no other can be as large. Below it the verdict is "mixed"."""

NAMED_NATIVE_SHARE = 0.1
"""From this share on the owners of memory of C code are named, whatever else has more."""

_NAMED = 3
"""Parts or types that a sentence names."""

_CAUSES = {
    OBJECTS: "objects",
    SLACK: "fragmentation",
    NATIVE: "native memory",
    UNKNOWN: "native memory",
    FILES: "mapped files",
    STACKS: "thread stacks",
}
_OF_MAPPINGS = {
    DATA_FILES: "The kernel takes pages of files back when it needs them, those that were changed"
    " after it has written them to the file.",
    SHARED: "Shared memory is no cache: it stays until every process that has it lets go, and a"
    " file in /dev/shm until it is deleted.",
    MAPPED_BY_OBJECTS: "It goes when the objects that have mapped it are closed.",
}
_OF_STACKS = "Fewer threads need less: a pool with a limit, or threading.stack_size()."
_OF_GREENLETS = (
    "A greenlet keeps a stack while it waits: heapgraph threads FILE lists them by their code."
)

LEAST_SHARED = 0.1
"""From this share on it is said how much of the memory other processes have as well."""

_OF_OBJECTS = (ROUNDING, POOL_HEADERS)
"""Slack that comes with objects, and goes with them."""

_ADVICE = {
    "objects": "If it grows, objects leak: heapgraph suspects FILE, or diff of two snapshots.",
    "mixed": "No single cause has more than half of it.",
}


@dataclass(frozen=True)
class MemoryVerdict:
    """The cause that has most of the memory.

    Attributes:
        kind: "objects", "fragmentation", "native memory", "mapped files", "thread stacks", "mixed".
        size: bytes of the largest cause.
        share: of the resident memory without the program and its libraries, 0..1.
        reason: the numbers, and what to do.
    """

    kind: str
    size: int
    share: float
    reason: str

    @property
    def is_of_objects(self) -> bool:
        """Whether objects are the cause, or nothing is: then one looks at the heap."""
        return self.kind in _ADVICE


@dataclass(frozen=True)
class ProcessFacts:
    """What the verdict must know of the process besides its memory's parts.

    Attributes:
        threads: Python threads.
        greenlets: with a stack of their own, or ended.
        shared: bytes of its private anonymous memory that other processes have as well, since a
            fork, and nobody has written to since.
        owners: who leads to memory of C code; none where that is not known.
    """

    threads: int
    greenlets: int = 0
    shared: int = 0
    owners: Sequence[NativeOwner] = ()


def judge_memory(
    parts: Iterable[MemoryPart],
    arenas: ArenaTotals,
    types: Sequence[tuple[str, int]],
    process: ProcessFacts,
) -> MemoryVerdict:
    """Say what the memory is mostly made of.

    The program and its libraries are left aside: every process has them, and they do not grow.

    Args:
        parts: of the resident memory.
        arenas: of pymalloc.
        types: names and shallow sizes, the largest first.
        process: what else is known of the process.
    """
    listed = [part for part in parts if part.name not in (PROGRAM, PROGRAM_DATA)]
    sizes: dict[str, int] = dict.fromkeys(_CAUSES.values(), 0)
    for part in listed:
        sizes["objects" if part.name in _OF_OBJECTS else _CAUSES[part.group]] += part.size
    total = sum(sizes.values())
    cause = max(sizes, key=lambda name: sizes[name])
    size = sizes[cause]
    share = size / total if total else 0.0
    kind = cause if share > DECISIVE_SHARE else "mixed"
    beyond = f"{format_size(total)} beyond the program and its libraries"
    if kind == "mixed":
        largest = sorted(sizes.items(), key=lambda item: -item[1])[:2]
        shown = " and ".join(f"{name} ({format_size(part)})" for name, part in largest)
        text = f"Of {beyond}, most is {shown}."
    else:
        text = f"{_subject(cause)} {format_size(size)} of {beyond} ({format_share(share)})."
    detail = {
        "objects": _objects(types),
        "fragmentation": _fragmentation(listed, arenas),
        "native memory": f"It is {_listed(listed, NATIVE, UNKNOWN)}.",
        "mapped files": f"It is {_listed(listed, FILES)}.",
        "thread stacks": _stacks(listed, process),
    }.get(cause, "")
    native = sizes["native memory"]
    if native >= NAMED_NATIVE_SHARE * total and (owned := native_sentence(process.owners, native)):
        # It divides the number that stands before it, and says more of it than the parts do.
        if kind != "native memory":
            owned = f"{_subject('native memory')} {format_size(native)}. {owned}"
        detail = owned if cause == "native memory" else f"{detail} {owned}".strip()
    details = [detail, _shared(process, total), _advice(kind, listed, process)]
    return MemoryVerdict(kind, size, share, " ".join(part for part in (text, *details) if part))


def _subject(cause: str) -> str:
    """Who takes the memory, as the beginning of a sentence."""
    return {
        "objects": "Live Python objects take",
        "fragmentation": "Free space that the allocators keep takes",
        "native memory": "Memory of C code takes",
        "mapped files": "Mapped memory takes",
        "thread stacks": "Stacks take",
    }[cause]


def _fragmentation(parts: list[MemoryPart], arenas: ArenaTotals) -> str:
    text = f"It is {_listed(parts, SLACK)}."
    if arenas.nearly_empty:
        text += (
            f" {format_count(arenas.nearly_empty)} of {format_count(arenas.count)} arenas are"
            f" nearly empty: {format_size(arenas.pinning_size)} in"
            f" {format_count(arenas.pinning_blocks)} blocks keep"
            f" {format_size(arenas.nearly_empty_size)}."
        )
    return text


def _stacks(parts: list[MemoryPart], process: ProcessFacts) -> str:
    text = f"It is {_listed(parts, STACKS)}. Python threads: {format_count(process.threads)}"
    if process.greenlets:
        text += f", greenlets: {format_count(process.greenlets)}"
    return f"{text}."


def _shared(process: ProcessFacts, total: int) -> str:
    if process.shared < LEAST_SHARED * total:
        return ""
    return (
        f"Of it {format_size(process.shared)} are shared since a fork, with processes that have not"
        " written to these pages either: they go when the last one lets go."
    )


def _advice(kind: str, parts: list[MemoryPart], process: ProcessFacts) -> str:
    if kind == "native memory":
        return native_advice(process.owners)
    if kind == "mapped files":
        mapped = [part for part in parts if part.name in _OF_MAPPINGS]
        return _OF_MAPPINGS[max(mapped, key=lambda part: part.size).name] if mapped else ""
    if kind == "thread stacks":
        return _OF_GREENLETS if process.greenlets > process.threads else _OF_STACKS
    if kind != "fragmentation":
        return _ADVICE[kind]
    of_malloc = sum(p.size for p in parts if p.group == SLACK and p.name.endswith("of malloc"))
    of_all = sum(p.size for p in parts if p.group == SLACK and p.name not in _OF_OBJECTS)
    text = "Live objects are not the cause."
    if of_malloc > of_all / 2:
        return (
            f"{text} malloc_trim(0) gives free chunks back; MALLOC_ARENA_MAX=2 makes fewer heaps."
        )
    return (
        f"{text} An arena goes back when its last block is freed: build what stays before what"
        " goes, or do the large work in a process of its own."
    )


def _objects(types: Sequence[tuple[str, int]]) -> str:
    largest = [f"{name} ({format_size(size)})" for name, size in types[:_NAMED]]
    return f"The largest types are {', '.join(largest)}." if largest else ""


def _listed(parts: list[MemoryPart], *groups: str) -> str:
    """The largest parts of groups in words."""
    mine = [part for part in parts if part.group in groups and part.name not in _OF_OBJECTS]
    largest = sorted(mine, key=lambda part: -part.size)[:_NAMED]
    return ", ".join(f"{part.name} ({format_size(part.size)})" for part in largest)
