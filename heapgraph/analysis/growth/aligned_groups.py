"""Groups of several snapshots laid over one another by what leads to them and by their types."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from heapgraph.analysis.growth.numbering import number_texts
from heapgraph.native.key_numbers import number_keys

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from heapgraph.analysis.growth.path_groups import PathGroups

TOP = 0
"""Row above the groups of all roots; it has no text and no type, and is above itself."""


@dataclass(frozen=True)
class AlignedGroups:
    """A tree with one row for each group that any snapshot has; r rows, parents first.

    Attributes:
        parents: int64[r].
        text_rows: int32[r], row in `texts` of each.
        type_rows: int32[r], row in `types` of each.
        texts: what leads to groups from their parents; all different.
        types: qualified type names; all different.
        row_of_group: of each snapshot int32[its groups].
    """

    parents: NDArray[np.int64]
    text_rows: NDArray[np.int32]
    type_rows: NDArray[np.int32]
    texts: list[str]
    types: list[str]
    row_of_group: list[NDArray[np.int32]]


def align(snapshots: Sequence[PathGroups]) -> AlignedGroups:
    """Lay groups over one another.

    Rows have the order of the groups of the first snapshot, then of those that only the second
    has, and so on.

    Args:
        snapshots: the groups of each, the oldest first.

    Cost: one hash table for each distance from the roots.
    """
    texts, types = {"": 0}, {"": 0}  # those of the row at the top
    keys = []
    for groups in snapshots:
        text_numbers = number_texts(groups.texts, texts)
        type_numbers = number_texts(groups.types, types)
        keys.append((text_numbers[groups.text_rows] << 32) | type_numbers[groups.type_rows])
    # Pairs of parent and step fit into a number; parent, text and type might not.
    steps, step_rows = number_keys(np.concatenate(keys))
    del keys
    ends = np.cumsum([len(groups.parents) for groups in snapshots])[:-1]
    rows, parents, row_steps = _align_levels(snapshots, np.split(step_rows, ends), len(steps))
    kept, numbers = number_keys(np.concatenate(rows))
    row_of = np.zeros(len(parents), np.int64)
    row_of[kept] = np.arange(1, len(kept) + 1)
    below = steps[row_steps[kept]]
    return AlignedGroups(
        parents=np.append(TOP, row_of[parents[kept]]),
        text_rows=np.append(0, below >> 32).astype(np.int32),
        type_rows=np.append(0, below & 0xFFFFFFFF).astype(np.int32),
        texts=list(texts),
        types=list(types),
        row_of_group=np.split((numbers + 1).astype(np.int32), ends),
    )


def _align_levels(
    snapshots: Sequence[PathGroups], steps: Sequence[NDArray[np.int64]], step_count: int
) -> tuple[list[NDArray[np.int64]], NDArray[np.int64], NDArray[np.int64]]:
    """Align one distance from the roots after another.

    Args:
        snapshots: the groups of each.
        steps: of each the number of text and type of each group.
        step_count: how many there are.

    Returns:
        The row of each group, by snapshot; the parent and the step of each row, that at the top
        included.
    """
    rows = [np.empty(len(groups.parents), np.int64) for groups in snapshots]
    parents, row_steps = [np.array([TOP])], [np.array([0])]
    begins = [0] * len(snapshots)
    count = 1
    for level in range(max(len(groups.level_ends) for groups in snapshots)):
        keys = []
        ends = [_end(groups, level) for groups in snapshots]
        for position, groups in enumerate(snapshots):
            here = slice(begins[position], ends[position])
            above = rows[position][groups.parents[here]] if level else np.int64(TOP)
            keys.append(above * step_count + steps[position][here])
        distinct, numbers = number_keys(np.concatenate(keys))
        done = 0
        for position, found in enumerate(keys):
            part = numbers[done : done + len(found)]
            rows[position][begins[position] : ends[position]] = part + count
            done += len(found)
        parents.append(distinct // step_count)
        row_steps.append(distinct % step_count)
        count += len(distinct)
        begins = ends
    return rows, np.concatenate(parents), np.concatenate(row_steps)


def _end(groups: PathGroups, level: int) -> int:
    return int(groups.level_ends[level]) if level < len(groups.level_ends) else len(groups.parents)
