"""What a detector is, and what it brings back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from heapgraph.analysis.detectors.facts import HeapFacts


def _no_members() -> NDArray[np.uint32]:
    return np.empty(0, np.uint32)


@dataclass(frozen=True)
class Evidence:
    """One thing that a detector found.

    Attributes:
        wasted_size: bytes that would be freed if the advice were followed.
        count: objects concerned.
        note: what was found, in the words of this heap; put before the advice.
        members: uint32[k], the objects; owners are whoever holds most of them.
        owners: objects that are the owners themselves; then `members` is not asked.
        owner_texts: owners that are no objects, such as frames.
    """

    wasted_size: int
    count: int
    note: str
    members: NDArray[np.uint32] = field(default_factory=_no_members)
    owners: tuple[int, ...] = ()
    owner_texts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Detector:
    """One kind of waste, or one kind of leak.

    Attributes:
        name: as `--detector` takes it.
        description: what it reports, with its limits.
        advice: what to do about it.
        find: looks for it.
        is_leak: it counts things that pile up, however small they are; without that, findings
            below a size are not worth anybody's time.
    """

    name: str
    description: str
    advice: str
    find: Callable[[HeapFacts], Iterator[Evidence]]
    is_leak: bool = False
