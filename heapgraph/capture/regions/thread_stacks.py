"""Where the stacks of Python threads are: glibc's descriptor of each thread says it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from heapgraph.processor import PROCESSOR

if TYPE_CHECKING:
    from collections.abc import Sequence

    from heapgraph.native.memory_reads import MemoryReads

_PAGE = PROCESSOR.page
_WORDS = 256
"""Of struct pthread, which is longer; its fields for the stack moved from one glibc to the next."""

_MAX_BEHIND = 16 * _PAGE
"""How far behind a descriptor its stack can end: with the rest of the descriptor."""


def find_stacks(reads: MemoryReads, thread_ids: Sequence[int]) -> list[tuple[int, int]]:
    """Find stacks with their guards; the main thread's has no such descriptor.

    The descriptor lies at the upper end of its stack and holds that stack's address and length one
    behind the other, which no other two words there can look like.

    Args:
        reads: of the frozen moment.
        thread_ids: as `threading.get_ident()` has them; in glibc, addresses of descriptors.

    Returns:
        (start, end) each, by address.

    Cost: one read of 2 KiB per thread.
    """
    if not thread_ids:
        return []
    ids = np.array(sorted(thread_ids), np.uint64)[:, None]
    words = reads.words(ids[:, 0], _WORDS)
    starts, lengths = words[:, :-1], words[:, 1:]
    ends = starts + lengths
    is_stack = (starts % np.uint64(_PAGE) == 0) & (lengths % np.uint64(_PAGE) == 0)
    is_stack &= (starts > 0) & (starts < ids) & (ids < ends)
    is_stack &= ends - ids <= np.uint64(_MAX_BEHIND)
    rows, places = np.nonzero(is_stack)
    found = {
        int(starts[row, place]): int(ends[row, place])
        for row, place in zip(rows.tolist(), places.tolist(), strict=True)
    }
    return sorted(found.items())
