"""The rows of a comparison of snapshots."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from heapgraph.analysis.results import TableResult, not_serialized, serialize
from heapgraph.units import Bytes, Count, TypeName, format_size


@dataclass(frozen=True)
class TypeGrowth:
    """All objects of one type in each snapshot.

    Attributes:
        type: qualified name.
        count_growth, size_growth: last snapshot against the first; sizes are shallow, in bytes.
        counts, sizes: in each snapshot, the oldest first.
        native_growth, native_sizes: the same of blocks of C code whose nearest owner is of the
            type: estimates. None where a snapshot does not know, which is not 0.
        survivors, survivors_size: objects that are new in the second snapshot and still in the
            third; None unless there are three snapshots.
        survivors_native_size: bytes of C code that came before the second and stayed, an estimate.
    """

    type: TypeName
    count_growth: Count
    size_growth: Bytes
    counts: tuple[Count, ...]
    sizes: tuple[Bytes, ...]
    native_growth: Bytes | None
    native_sizes: tuple[Bytes | None, ...]
    survivors: Count | None = None
    survivors_size: Bytes | None = None
    survivors_native_size: Bytes | None = None

    @property
    def rank(self) -> int:
        """Bytes that stayed, of three snapshots, else that were added; with those of C code."""
        return _rank(self.size_growth, self)


@dataclass(frozen=True)
class HolderGrowth:
    """Objects that are reached in one way, in each snapshot.

    Attributes:
        expression: how they are reached; `[*]` stands for any key or position.
        type: qualified type name.
        size_growth: bytes reached through them, last snapshot against the first.
        item_growth: items of the containers, last snapshot against the first.
        sizes: bytes reached through them in each snapshot.
        items: items of the containers in each snapshot.
        native_growth, native_sizes: bytes of blocks of C code whose nearest owner is reached
            through them: estimates. None where a snapshot does not know, which is not 0.
        grows_each_time: whether there were more bytes in every snapshot than in the one before.
        survivors_size: of what is reached through them, bytes that are new in the second snapshot
            and still in the third: of new objects, and those by which older ones grew; None unless
            there are three snapshots.
        survivors_native_size: bytes of C code that came before the second and stayed, an estimate.
        leak_share: bytes that they reach in the last snapshot and that nothing else does but other
            holders that grow; what several reach is shared evenly. None below four snapshots.
        leak_share_growth: the same, less that of the first snapshot.
        exclusive_size: the part of `leak_share` that no other growing holder reaches.
        examples: an object of each snapshot that is reached so; None where there is none.
    """

    expression: str
    type: TypeName
    size_growth: Bytes
    item_growth: Count
    sizes: tuple[Bytes, ...]
    items: tuple[Count, ...]
    native_growth: Bytes | None
    native_sizes: tuple[Bytes | None, ...]
    grows_each_time: bool
    survivors_size: Bytes | None = None
    survivors_native_size: Bytes | None = None
    leak_share: Bytes | None = None
    leak_share_growth: Bytes | None = None
    exclusive_size: Bytes | None = None
    examples: tuple[int | None, ...] = not_serialized(())  # type: ignore[arg-type]

    @property
    def rank(self) -> int:
        """Bytes by which its share grew, of four snapshots and more; else as of a type."""
        is_shared = self.leak_share_growth is not None
        return _rank(self.leak_share_growth or 0 if is_shared else self.size_growth, self)


def _rank(growth: int, row: TypeGrowth | HolderGrowth) -> int:
    """Bytes of objects and of C code; an estimate that falls hides no objects."""
    if row.survivors_size is not None:
        return row.survivors_size + (row.survivors_native_size or 0)
    return growth + max(0, row.native_growth or 0)


@dataclass(frozen=True)
class DiffTotals:
    """All of each snapshot, the oldest first.

    Attributes:
        resident_sizes: bytes of the process in memory.
        objects: how many, dead or alive.
        objects_sizes: bytes of them.
        garbage_sizes: bytes of those that nothing reaches.
        native_sizes: bytes of blocks of C code that objects own, estimates; None where a snapshot
            does not know.
    """

    resident_sizes: tuple[Bytes, ...]
    objects: tuple[Count, ...]
    objects_sizes: tuple[Bytes, ...]
    garbage_sizes: tuple[Bytes, ...]
    native_sizes: tuple[Bytes | None, ...]


@dataclass(frozen=True)
class Diff(TableResult):
    """Growth by type and by holder, the most first.

    With two snapshots the rank is growth in bytes. With three it is bytes of survivors: objects
    made between the first two that have not gone; ordinary traffic comes and goes and is not in
    it. With four or more only what grew in every snapshot is listed, by the growth of its share.
    Bytes of C code are estimates, apart from the exact sizes, and count in all ranks where every
    snapshot that is compared knows them.

    Attributes:
        types: types whose objects became more or larger.
        holders: where the growth gathers.
        totals: how large everything is.
        types_left_out, holders_left_out: how many more grew.
    """

    rows_field: ClassVar[str] = "holders"

    types: tuple[TypeGrowth, ...]
    holders: tuple[HolderGrowth, ...]
    totals: DiffTotals
    types_left_out: int = not_serialized()
    holders_left_out: int = not_serialized()

    def to_dict(self) -> dict[str, Any]:
        """The JSON document, without what needs more or fewer snapshots than there are."""
        return {
            "types": [_document(row) for row in self.types],
            "holders": [_document(row) for row in self.holders],
            "totals": serialize(self.totals),
        }

    @property
    def native_sentence(self) -> str:
        """What is to be said of memory of C code in words; empty where there is nothing."""
        sizes = self.totals.native_sizes
        is_known = [size is not None for size in sizes]
        if not any(sizes) and (all(is_known) or not any(is_known)):
            return ""
        if sizes[0] is None or sizes[-1] is None:
            unknown = "first" if sizes[0] is None else "last"
            return (
                "Growth of native memory is unknown: the"
                f" {unknown} snapshot does not say who leads to it."
            )
        growth = sizes[-1] - sizes[0]
        if growth <= 0:
            return ""
        sentence = f"Native memory of objects grew by {format_size(growth)} (estimate)"
        most = max(self.holders, key=lambda row: row.native_growth or 0, default=None)
        if most is None or not most.native_growth or most.native_growth <= 0:
            return f"{sentence}."
        return f"{sentence}; `{most.expression}` has {format_size(most.native_growth)} more."


def _document(row: TypeGrowth | HolderGrowth) -> dict[str, Any]:
    """A row for JSON; native memory that is not known is null there, and never left out."""
    asked = {"native_growth"}
    if row.survivors_size is not None:
        asked.add("survivors_native_size")
    return {
        key: value for key, value in serialize(row).items() if value is not None or key in asked
    }
