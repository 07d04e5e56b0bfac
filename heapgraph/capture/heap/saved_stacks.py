"""What lies on the C stacks that greenlets have put aside: who uses what only C code holds.

A greenlet that waits keeps its part of the C stack as a copy (greenlet's TStackState.cpp, versions
1 to 3). Most words there are borrowed or left over, so that none of them is a reference: they only
say whose calls an object belongs to, of which a count is left that nothing explains.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from heapgraph.capture.heap.texts import words_at

if TYPE_CHECKING:
    from collections.abc import Mapping

    from heapgraph.capture.heap.columns import HeapColumns
    from heapgraph.capture.heap.texts import Array
    from heapgraph.native.memory_reads import MemoryReads

GREENLET = "greenlet.greenlet"

_MAX_BASES = 64
_PIMPL = 32
"""PyGreenlet.pimpl: behind the head, weakreflist and dict (greenlet.h)."""

_STATE_WORDS = 24
"""Of the C++ object: its StackState begins behind a vtable, itself, an exception and arguments."""

_MAX_ADDRESS = 1 << 47
_MAX_STACK = 8 << 20
_MAX_STACKS = 4
"""On which a word may lie: the memory of an object was another's before, whose address is left on
a stack or two; what lies on many is what all of them use, such as gevent's hub."""

_MAX_BYTES = 64 << 20
"""Of all stacks together; those of 15,000 greenlets that wait for a socket."""


def words_of_few_stacks(
    reads: MemoryReads, fields: Mapping[str, int], columns: HeapColumns
) -> Array:
    """Words that lie on the saved C stack of one greenlet, or of a few.

    Args:
        reads: of the frozen moment.
        fields: the layout of its CPython.
        columns: the objects.

    Returns:
        uint64, distinct and rising; most are no addresses of objects.

    Cost: nothing where no module greenlet is; else some us for each of them.
    """
    greenlets = _greenlets(reads, fields, columns)
    starts, copies, sizes = _saved(reads, greenlets)
    total = np.cumsum(sizes)
    kept = total <= _MAX_BYTES
    found = [np.empty(0, np.uint64)]
    for size in np.unique(sizes[kept]).tolist():
        same = kept & (sizes == size)
        # Words stood at multiples of eight on the stack, not in the copy.
        shift = (-starts[same].astype(np.int64) % 8).astype(np.uint64)
        stacks = reads.words(copies[same] + shift, max(size - 7, 0) // 8)
        found += [np.unique(stack) for stack in stacks]
    words, counts = np.unique(np.concatenate(found), return_counts=True)
    own: Array = words[counts <= _MAX_STACKS]
    return own


def _greenlets(reads: MemoryReads, fields: Mapping[str, int], columns: HeapColumns) -> Array:
    """Addresses of all objects whose type is greenlet's, or derived from it."""
    types = columns.types
    roots = [walked.address for walked in types if walked.tp_name == GREENLET]
    if not roots:
        return np.empty(0, np.uint64)
    bases = np.array([walked.address for walked in types], np.uint64)
    is_greenlet = np.isin(bases, roots)
    for _ in range(_MAX_BASES):
        if not bases.any():
            break
        bases = words_at(reads, bases, [fields["tp.base"]])[:, 0]
        is_greenlet |= np.isin(bases, roots)
    return columns.addresses_of(np.flatnonzero(is_greenlet[columns.arrays["type"]]))


def _saved(reads: MemoryReads, greenlets: Array) -> tuple[Array, Array, Array]:
    """Where each saved stack began, where its copy is, and its bytes; of those that have one."""
    implementations = words_at(reads, greenlets, [_PIMPL])[:, 0]
    states = reads.words(implementations, _STATE_WORDS)
    found = np.zeros((len(states), 3), np.uint64)
    for at in range(_STATE_WORDS - 4, -1, -1):  # the first that fits stays
        start, stop, copy, size = states[:, at : at + 4].T
        fits = (start > 0) & (start < stop) & (stop < _MAX_ADDRESS) & (copy > 0)
        fits &= (copy % 8 == 0) & (copy < _MAX_ADDRESS) & (size > 0)
        fits &= (size <= stop - start) & (size <= _MAX_STACK)
        found[fits] = np.stack([start, copy, size], axis=1)[fits]
    start, copy, size = found[found[:, 2] > 0].T
    return start, copy, size.astype(np.int64)
