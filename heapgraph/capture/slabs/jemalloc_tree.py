"""The tree by which jemalloc finds the extent of a page, found without symbols.

Its root lies in the variables of the library that brings the allocator
(include/jemalloc/internal/rtree.h). A word is taken for a part of it when the leaf that it leads to
and the records of extents that this leads to say the same of the pages that they are asked about.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from heapgraph.capture.process.pagemap import PAGE
from heapgraph.capture.slabs.jemalloc_extents import (
    ACTIVE,
    ALIGNMENT,
    CLASS,
    RECORD_WORDS,
    SLAB,
    STATE,
    bounds,
    field,
    makes_sense,
)

if TYPE_CHECKING:
    from heapgraph.capture.process.libraries import LibraryData
    from heapgraph.capture.slabs.private_memory import PrivateMemory

Array: TypeAlias = npt.NDArray[Any]

_SAMPLES, _MOST_KEYS = 16, 4
"""Parts of memory that each candidate for a root is asked about, of so many of its words."""

_LEAST_FITTING = 4
"""Extents that tree and records must agree on; an allocator that nobody uses yet has as many."""

_LEAST_SHARE = 0.98
"""Of all extents: the target may have been stopped in the middle of a change."""

MOST_EXTENTS = 1 << 20
"""Of one allocator: more is not read, for the memory that this would take."""

_MOST_ROOTS = 256
_CACHE_LINE = 64  # where nodes begin
_AT_ONCE = 1 << 20
_MOST_LEAF_PAGES, _PARTS_AT_ONCE = 1 << 17, 1 << 11


@dataclass(frozen=True)
class Tree:
    """How addresses lead through a tree.

    Attributes:
        shifts, bits: of the key of each level, the root first; the leaf has one record a page.
        record: words of an element of a leaf.
    """

    shifts: tuple[int, ...]
    bits: tuple[int, ...]
    record: int

    @property
    def root_bytes(self) -> int:
        """Bytes of the root."""
        return int(8 << self.bits[0])

    @property
    def leaf_reach(self) -> int:
        """Bytes of addresses that one page of a leaf tells about."""
        return PAGE // (8 * self.record) * PAGE


# LG_VADDR is 48, or 57 where the machine that built it has five levels of page tables.
TREES = (Tree((30, 12), (18, 18), 1), Tree((42, 27, 12), (15, 15, 15), 2))


def find_root(memory: PrivateMemory, data: LibraryData, tree: Tree) -> int:
    """Address of the root in the data of a library, 0 where there is none."""
    parts = _parts(memory, tree)
    shift = np.uint64(tree.shifts[0])
    keys, counts = np.unique(parts >> shift, return_counts=True)
    places, words = _set_words(memory, data)
    best, most = 0, _LEAST_FITTING - 1
    for key in keys[np.argsort(counts)[-_MOST_KEYS:]].tolist():
        asked = parts[parts >> shift == key]
        asked = asked[:: -(-len(asked) // _SAMPLES)]
        roots, nodes = _possible_roots(memory, data, tree, key, (places, words))
        for root, node in zip(roots[:_MOST_ROOTS].tolist(), nodes.tolist(), strict=False):
            found = np.full(len(asked), node, np.uint64)
            agreeing, wrong = _records_of(memory, tree, found, asked)
            if len(agreeing) > max(most, wrong):
                best, most = root, len(agreeing)
    return best


def _possible_roots(
    memory: PrivateMemory, data: LibraryData, tree: Tree, key: int, words: tuple[Array, Array]
) -> tuple[Array, Array]:
    """Where the root may begin if one of its words is that of a key, and these words.

    No address of a program leads to the end of a root, and what is set in it leads to nodes.
    """
    places, values = words
    is_node = (values % np.uint64(_CACHE_LINE) == 0) & memory.has(values)
    roots = places[is_node].astype(np.int64) - 8 * key
    fits = (roots >= data.address) & (roots + tree.root_bytes <= data.address + data.size)
    roots, nodes = roots[fits], values[is_node][fits]
    nodes_before = np.concatenate(([0], np.cumsum(is_node)))
    bounds_of = [roots, roots + (8 << (47 - tree.shifts[0])), roots + tree.root_bytes]
    first, used, last = (np.searchsorted(places, each.astype(np.uint64)) for each in bounds_of)
    fits = (used == last) & (nodes_before[used] - nodes_before[first] == used - first)
    return roots[fits], nodes[fits]


def all_records(memory: PrivateMemory, tree: Tree, root: int) -> Array | None:
    """The records of all extents, by address; None where too many contradict it, or there are."""
    parts = _parts(memory, tree)
    keys = parts >> np.uint64(tree.shifts[0])
    nodes = memory.reads.words(np.uint64(root) + keys * np.uint64(8), 1)[:, 0]
    found, wrong, count = [np.empty((0, RECORD_WORDS), np.uint64)], 0, 0
    for first in range(0, len(parts), _PARTS_AT_ONCE):
        some = slice(first, first + _PARTS_AT_ONCE)
        fitting, bad = _records_of(memory, tree, nodes[some], parts[some])
        found.append(fitting)
        wrong += bad
        if (count := count + len(fitting)) > MOST_EXTENTS:
            return None
    records = np.concatenate(found)
    records = records[np.unique(bounds(records)[0], return_index=True)[1]]
    if len(records) < _LEAST_SHARE * (len(records) + wrong):
        return None
    return records


def _parts(memory: PrivateMemory, tree: Tree) -> Array:
    """Addresses that one page of a leaf tells about together, of memory that there is: uint64."""
    return np.unique(memory.pages & ~np.uint64(tree.leaf_reach - 1))[:_MOST_LEAF_PAGES]


def _set_words(memory: PrivateMemory, data: LibraryData) -> tuple[Array, Array]:
    """Addresses and values of the words of some data that are not 0: uint64 each, rising."""
    places, words = [np.empty(0, np.uint64)], [np.empty(0, np.uint64)]
    for start in range(data.address, data.address + data.size, _AT_ONCE):
        length = min(_AT_ONCE, data.address + data.size - start) // 8 * 8
        if length:
            some = memory.reads.gather([start], length).view(np.uint64)[0]
            rows = np.flatnonzero(some)
            places.append(rows.astype(np.uint64) * np.uint64(8) + np.uint64(start))
            words.append(some[rows])
    return np.concatenate(places), np.concatenate(words)


def _leaf_places(memory: PrivateMemory, tree: Tree, nodes: Array, addresses: Array) -> Array:
    """Where the leaves say of each page whose it is; 0 where there is no leaf.

    Args:
        memory: to read.
        tree: how to go.
        nodes: uint64, what the root has for each address.
        addresses: uint64, of pages.
    """
    at = nodes
    levels = list(zip(tree.shifts, tree.bits, strict=True))[1:]
    for shift, bits in levels[:-1]:
        key = addresses >> np.uint64(shift) & np.uint64((1 << bits) - 1)
        at = np.where(memory.has(at), memory.reads.words(at + key * np.uint64(8), 1)[:, 0], 0)
    shift, bits = levels[-1]
    key = addresses >> np.uint64(shift) & np.uint64((1 << bits) - 1)
    places: Array = np.where(memory.has(at), at + key * np.uint64(8 * tree.record), 0)
    return places.astype(np.uint64)


def _records_of(memory: PrivateMemory, tree: Tree, nodes: Array, parts: Array) -> tuple[Array, int]:
    """Records of extents that leaves lead to, and how many contradict these.

    Args:
        memory: to read.
        tree: how to go.
        nodes: uint64, what the root has for each part.
        parts: uint64, see `_parts`.
    """
    places = _leaf_places(memory, tree, nodes, parts)
    offsets = np.arange(tree.leaf_reach // PAGE, dtype=np.uint64) * np.uint64(PAGE)
    last = places + np.uint64(PAGE - 1)  # a leaf may begin anywhere in a page
    rows = np.flatnonzero((places != 0) & (memory.is_present(places) | memory.is_present(last)))
    raw = memory.reads.words(places[rows], PAGE // 8).reshape(-1, tree.record)
    pages = (parts[rows][:, None] + offsets).reshape(-1)
    is_set = raw[:, 0] != 0
    return _agreeing(memory, tree, pages[is_set], raw[is_set])


def _agreeing(memory: PrivateMemory, tree: Tree, pages: Array, raw: Array) -> tuple[Array, int]:
    """Records that agree with what leaves say of pages, and how many do not.

    Args:
        memory: to read.
        tree: how leaves look.
        pages: uint64, addresses.
        raw: uint64[pages, words], the elements of leaves.
    """
    edata, index, flags = _decoded(tree, raw)
    is_set = (edata != 0) & memory.has(edata)
    pages, edata, index, flags = (each[is_set] for each in (pages, edata, index, flags))
    unique, rows = np.unique(edata, return_inverse=True)
    records = memory.reads.words(unique, RECORD_WORDS)
    bits, state = records[rows, 0], flags >> np.uint64(2)
    starts, ends = bounds(records)
    bases = starts[rows]
    agree = (field(bits, STATE) == state) & (bases <= pages) & (pages < ends[rows])
    # Size class and kind are kept up to date for the first page of what is in use.
    agree &= ((field(bits, CLASS) == index) & (field(bits, SLAB) == flags & np.uint64(1))) | (
        (state != ACTIVE) | (pages != bases)
    )
    wrong = np.bincount(rows[~agree], minlength=len(unique)) > 0
    fitting = records[~wrong & makes_sense(records)]
    return fitting, len(unique) - len(fitting)


def _decoded(tree: Tree, raw: Array) -> tuple[Array, Array, Array]:
    """Address of the record, size class, and flags with the state behind two bits."""
    first = raw[:, 0]
    if tree.record == 1:
        edata = first & np.uint64((1 << 48) - ALIGNMENT)
        return edata, first >> np.uint64(48), first & np.uint64(31)
    other = raw[:, 1] & np.uint64(0xFFFFFFFF)
    return first, other >> np.uint64(5), other & np.uint64(31)
