"""The rows of a comparison of snapshots."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from heapgraph.analysis.results import TableResult, not_serialized, serialize
from heapgraph.units import Bytes, Count, TypeName


@dataclass(frozen=True)
class TypeGrowth:
    """All objects of one type in each snapshot.

    Attributes:
        type: qualified name.
        count_growth, size_growth: last snapshot against the first; sizes are shallow, in bytes.
        counts, sizes: in each snapshot, the oldest first.
        survivors, survivors_size: objects that are new in the second snapshot and still in the
            third; None unless there are three snapshots.
    """

    type: TypeName
    count_growth: Count
    size_growth: Bytes
    counts: tuple[Count, ...]
    sizes: tuple[Bytes, ...]
    survivors: Count | None = None
    survivors_size: Bytes | None = None


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
        grows_each_time: whether there were more bytes in every snapshot than in the one before.
        survivors_size: of what is reached through them, bytes that are new in the second snapshot
            and still in the third: of new objects, and those by which older ones grew; None unless
            there are three snapshots.
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
    grows_each_time: bool
    survivors_size: Bytes | None = None
    leak_share: Bytes | None = None
    leak_share_growth: Bytes | None = None
    exclusive_size: Bytes | None = None
    examples: tuple[int | None, ...] = not_serialized(())  # type: ignore[arg-type]


@dataclass(frozen=True)
class DiffTotals:
    """All of each snapshot, the oldest first.

    Attributes:
        resident_sizes: bytes of the process in memory.
        objects: how many, dead or alive.
        objects_sizes: bytes of them.
        garbage_sizes: bytes of those that nothing reaches.
    """

    resident_sizes: tuple[Bytes, ...]
    objects: tuple[Count, ...]
    objects_sizes: tuple[Bytes, ...]
    garbage_sizes: tuple[Bytes, ...]


@dataclass(frozen=True)
class Diff(TableResult):
    """Growth by type and by holder, the most first.

    With two snapshots the rank is growth in bytes. With three it is bytes of survivors: objects
    made between the first two that have not gone; ordinary traffic comes and goes and is not in
    it. With four or more only what grew in every snapshot is listed, by the growth of its share.

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
        rows = {
            name: [
                {key: value for key, value in serialize(row).items() if value is not None}
                for row in rows
            ]
            for name, rows in (("types", self.types), ("holders", self.holders))
        }
        return {**rows, "totals": serialize(self.totals)}
