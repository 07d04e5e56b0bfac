"""What a walk may cost, as the compiled walker is told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy.typing as npt

Array: TypeAlias = npt.NDArray[Any]


@dataclass(frozen=True)
class WalkBudget:
    """What a walk may cost.

    Attributes:
        objects, references: how many there may be.
        table_bytes: of tables that lie outside of their objects, in each pass.
        image_bytes: copied from the target.
        filled: int64[n, 2], (start, end) of what holds something, sorted and disjoint: the rest is
            not read, and taken for zeros. None: that is not known.
    """

    objects: int
    references: int
    table_bytes: int
    image_bytes: int
    filled: Array | None = None
