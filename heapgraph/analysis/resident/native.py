"""Memory of C code by who leads to it: objects by type and holder, libraries, stacks, nobody."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from heapgraph.analysis.resident.sharing import OBJECT, SHARED, OwnersByHolder
from heapgraph.graph.native.shares import joint_owners
from heapgraph.model import NATIVE_KIND_NAMES, NO_ROW, NativeKind
from heapgraph.units import Bytes, Count, Expression, TypeName, format_count, format_size

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from heapgraph.graph.heap_graph import HeapGraph

LIBRARY, LOST = NATIVE_KIND_NAMES[NativeKind.LIBRARY], NATIVE_KIND_NAMES[NativeKind.LOST]
ALLOCATOR = NATIVE_KIND_NAMES[NativeKind.ALLOCATOR]
UNOWNED = NATIVE_KIND_NAMES[NativeKind.UNOWNED]

BY_OBJECTS = "blocks that objects lead to (estimate)"
BY_LIBRARIES = "blocks that only variables of libraries lead to (estimate)"
BY_STACKS = "blocks that only words of stacks lead to (estimate)"
BY_NOTHING = "blocks that nothing leads to (estimate)"
BY_ALLOCATORS = "blocks of other allocators that no object leads to (estimate)"
_PARTS = {
    BY_OBJECTS: (NativeKind.OBJECT, NativeKind.SHARED),
    BY_LIBRARIES: (NativeKind.LIBRARY,),
    BY_STACKS: (NativeKind.STACK,),
    BY_NOTHING: (NativeKind.LOST,),
    BY_ALLOCATORS: (NativeKind.UNOWNED,),
}

_NAMED = 3
"""Owners that a sentence names."""

_MOST_GROUPS = 1000
"""Groups of blocks that several objects share, of which these objects are named: the largest."""

_REST_SHARE = 0.01
"""From this share on it is said what those who are named do not have."""

_TYPES_NAMED = 3
"""Types of owners that are named; all are in the JSON document."""

_BY_NUMBER = "int (its address)"

_NAMED_SHARE = 0.05
"""Of the native memory: an owner with less is not worth a place in a sentence."""


@dataclass(frozen=True)
class NativeOwner:
    """Who leads to memory of C code; all numbers are estimates.

    Attributes:
        kind: "object"; "shared" (objects that only modules, classes or the roots have in common,
            and that are of several types or not in one container: no holder has it); where no
            object leads there "library", "stack", "lost", "allocator" (that of a library has it)
            or "unowned" (the same, and it is in use or in its caches).
        size: bytes in memory.
        count: objects, alone or together; where no object leads there, blocks.
        type: of the objects, or of most of them; else empty.
        holder: how to reach what holds most of the objects, empty where nothing does; where no
            object leads there, the name of the variable of a library, or how large blocks are.
        types: of the objects, all there are, that of most objects first; else empty.
        is_doubtful: of that kind, or of several types: the memory may be of any of the objects. The
            key is `doubtful`.
    """

    kind: str
    size: Bytes
    count: Count
    type: TypeName
    holder: Expression
    types: tuple[TypeName, ...] = ()
    is_doubtful: bool = field(default=False, metadata={"key": "doubtful"})

    @property
    def types_in_words(self) -> str:
        """The first three types, and how many more there are.

        Of an int nothing but its number leads to a block: it may be no pointer at all.
        """
        shown = [_BY_NUMBER if name == "int" else name for name in self.types[:_TYPES_NAMED]]
        named, more = ", ".join(shown), len(self.types) - _TYPES_NAMED
        return f"{named} and {format_count(more)} more" if more > 0 else named


def is_known(graph: HeapGraph) -> bool:
    """Whether the snapshot says who leads to memory of C code."""
    return len(graph.native.objects) > 0


def native_parts(graph: HeapGraph, most: int) -> list[tuple[str, int]]:
    """What leads to memory of C code, in bytes.

    Args:
        graph: the snapshot.
        most: bytes of blocks that no object is known to have: the parts are no more together.
    """
    parts = []
    for name, kinds in _PARTS.items():
        size = min(graph.native.size_of(*kinds), most)
        most -= size
        parts.append((name, size))
    return parts


def native_owners(graph: HeapGraph) -> tuple[NativeOwner, ...]:
    """Who leads to memory of C code, the most bytes first.

    Args:
        graph: the snapshot.

    Cost: the dominator tree and the root paths, and 2,000 look-ups for each type of owners.
    """
    if not is_known(graph):
        return ()
    found = [*_of_objects(graph), *_others(graph)]
    return tuple(sorted(found, key=lambda owner: (-owner.size, owner.kind, owner.holder)))


def _of_objects(graph: HeapGraph) -> list[NativeOwner]:
    """Owners by type and holder: objects alone, and those that share some.

    Each object has what `HeapGraph.native_shares` says, so that a holder has one number wherever it
    is listed. What goes with what holds several owners is named by these.
    """
    groups, shares = graph.native_groups, graph.native_shares
    found = OwnersByHolder(graph)
    is_several = np.diff(groups.starts) > 1
    is_parted = np.zeros(len(groups.sizes), np.bool_)
    is_parted[shares.groups[shares.objects != groups.dominators[shares.groups]]] = True
    by_size = np.argsort(~groups.sizes, kind="stable")
    together = by_size[(is_several & ~is_parted)[by_size]][:_MOST_GROUPS]
    is_together = np.zeros(len(groups.sizes), np.bool_)
    for group in together.tolist():
        owners, holder = joint_owners(graph, group), int(groups.dominators[group])
        if holder not in owners and len(owners):
            found.add_shared(owners, holder, int(groups.sizes[group]))
            is_together[group] = True
    alone = shares.of_groups(~is_together).of_each()
    ids = np.flatnonzero(alone)
    for row in np.unique(graph.type_ids[ids]).tolist():
        mine = ids[graph.type_ids[ids] == row]
        found.add_alone(mine[np.argsort(~alone[mine], kind="stable")], alone)
    return [_owner(graph, *row) for row in found.rows()]


def _owner(
    graph: HeapGraph, kind: str, holder: str, size: int, owners: NDArray[np.uint32]
) -> NativeOwner:
    rows, counts = np.unique(graph.type_ids[owners], return_counts=True)
    by_count = np.argsort(-counts, kind="stable")
    types = tuple(graph.type_names[row] for row in rows[by_count].tolist())
    is_doubtful = kind == SHARED or len(types) > 1
    return NativeOwner(kind, size, len(owners), types[0], holder, types, is_doubtful)


def _others(graph: HeapGraph) -> list[NativeOwner]:
    native = graph.native
    sums: dict[tuple[int, str], list[int]] = {}
    for row in np.flatnonzero((native.objects == NO_ROW) & (native.kinds > NativeKind.SHARED)):
        total = sums.setdefault((int(native.kinds[row]), native.names[row]), [0, 0])
        total[0] += int(native.sizes[row])
        total[1] += int(native.blocks[row])
    return [
        NativeOwner(NATIVE_KIND_NAMES[NativeKind(kind)], size, blocks, "", name)
        for (kind, name), (size, blocks) in sums.items()
    ]


def native_sentence(owners: Sequence[NativeOwner], size: int) -> str:
    """The largest owners in words, and what is left of the memory; empty without any.

    Args:
        owners: who leads to memory of C code.
        size: bytes in memory that the sentence divides: the same number as stands before it.
    """
    total = sum(owner.size for owner in owners)
    named = [each for each in _joined(owners) if each.size >= _NAMED_SHARE * total][:_NAMED]
    if not named:
        return ""
    texts = list(map(_worded, named))
    rest = size - sum(each.size for each in named)
    if rest >= _REST_SHARE * size:
        texts.append(f"{format_size(rest)} are of others or of nobody that is known")
    return f"Of it, by estimate: {'; '.join(texts)}."


def _joined(owners: Iterable[NativeOwner]) -> list[NativeOwner]:
    """Lost memory as one, whatever the sizes of its blocks."""
    listed = [owner for owner in owners if owner.kind != LOST]
    lost = [owner for owner in owners if owner.kind == LOST]
    if lost:
        size, count = sum(each.size for each in lost), sum(each.count for each in lost)
        listed.append(NativeOwner(LOST, size, count, "", ""))
    return sorted(listed, key=lambda owner: -owner.size)


def _worded(owner: NativeOwner) -> str:
    size, count = format_size(owner.size), format_count(owner.count)
    if owner.kind == OBJECT and not owner.is_doubtful:
        verb = "owns" if owner.count == 1 else "own"
        held = f" held by `{owner.holder}`" if owner.holder else ""
        return f"{count} {owner.types_in_words}{held} {verb} {size}"
    if owner.types:
        kinds = format_count(len(owner.types))
        who = f"{count} {owner.types_in_words}"
        if len(owner.types) > 1:
            who = f"{count} objects of {kinds} types ({owner.types_in_words})"
        held = f" held by `{owner.holder}`" if owner.kind == OBJECT else " without a common holder"
        if owner.kind == SHARED and owner.holder:
            held = f", most of them held by `{owner.holder}`,"
        return f"{who}{held} share {size} (doubtful)"
    if owner.kind == LIBRARY:
        verb = "lead" if owner.holder.startswith(("variables ", "several")) else "leads"
        return f"only {owner.holder} {verb} to {size}"
    texts = {
        LOST: f"nothing leads to {size} in {count} blocks",
        ALLOCATOR: f"an allocator of {owner.holder} has {size} for owners that are not known",
        UNOWNED: f"no object leads to {size} of {owner.holder}, in use or in its caches",
    }
    return texts.get(owner.kind, f"only words of {owner.holder} lead to {size}")


def native_advice(owners: Sequence[NativeOwner]) -> str:
    """What to do about memory of C code, by who has most of it."""
    sizes: dict[str, int] = {}
    for owner in owners:
        kind = OBJECT if owner.kind == SHARED else owner.kind
        sizes[kind] = sizes.get(kind, 0) + owner.size
    most = max(sizes, key=lambda kind: sizes[kind], default="")
    if most == OBJECT:
        return "If it grows, objects that own it leak: heapgraph diff of two snapshots says which."
    if most == LIBRARY:
        return "A library keeps it by itself: look for its caches and how to bound them."
    if most in (ALLOCATOR, UNOWNED):
        return (
            "That may be in use or free: objects of this library may own it. Drop some, and see"
            " whether it shrinks."
        )
    if most == LOST:
        return (
            "C code has lost most of it, or hides its pointers: a profiler of native memory says"
            " who allocated it."
        )
    return (
        "Who owns it is not known, and objects of C types may: a profiler of native memory says"
        " who allocated it."
    )
