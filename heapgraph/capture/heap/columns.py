"""What a walk has found: columns, with what their rows of types and names mean."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from heapgraph.native.scans import STEP, steps

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from heapgraph.capture.process.libraries import LibraryData
    from heapgraph.native.heap_walker import HeapWalker
    from heapgraph.native.walked_type import WalkedType
    from heapgraph.snapshot.plain_tables import PlainTable

Array: TypeAlias = npt.NDArray[Any]

_SUMMED = 1 << 9
"""Rows between two places of a column of lengths whose sum is kept."""

_NONE = 1 << 32  # more references than any object has


@dataclass
class HeapColumns:
    """The walker's result: one array per column, and what rows of types and names mean.

    Attributes:
        arrays: by name, see `HeapWalker.columns`.
        types: by row of the type column.
        names: by row of field and slot labels.
        counts: totals and failures, see `HeapWalker.counts`.
        scanned_roots: object addresses found in structs of the interpreter, with the struct's
            name and the byte offset.
        library_words: addresses of objects, and of the words in the data of libraries that hold
            them: uint64[n, 2], by library.
        fact_tables: tables of the snapshot by name, see `object_facts.read_object_facts`.
        stack_words: uint64, words on the saved C stacks of few greenlets, see `saved_stacks`.
        lost: uint64, addresses of objects that were found in pools only, with what they refer to.
        walker: whose columns they are. Some (`LATE_COLUMNS`) are there when
            `HeapWalk.forget_memory` has made room for them.
    """

    arrays: dict[str, Array]
    types: list[WalkedType]
    names: list[str]
    counts: dict[str, int]
    scanned_roots: list[tuple[int, str, int]] = field(default_factory=list)
    library_words: list[tuple[LibraryData, Array]] = field(default_factory=list)
    fact_tables: dict[str, PlainTable] = field(default_factory=dict)
    stack_words: Array = field(default_factory=lambda: np.empty(0, np.uint64))
    lost: Array = field(default_factory=lambda: np.empty(0, np.uint64))
    walker: HeapWalker | None = None
    _preview_starts: Array | None = None
    _reference_starts: Array | None = None

    @property
    def object_count(self) -> int:
        """Number of objects."""
        return len(self.arrays["type"])

    def addresses_of(self, ids: Array) -> Array:
        """Addresses of objects: uint64, as long as the argument."""
        if "address" in self.arrays or self.walker is None:
            return self.arrays["address"][ids]
        return self.walker.addresses(ids)

    def in_steps(self, ids: Array) -> Iterator[tuple[Array, Array]]:
        """Some ids at a time, with their addresses: to read all at once would need them all.

        Yields:
            int64[k] and uint64[k], k no more than 65,536; once at least.
        """
        for start in range(0, max(len(ids), 1), STEP):
            part = ids[start : start + STEP]
            yield part, self.addresses_of(part)

    def objects_of_size(self, least: int) -> tuple[Array, Array]:
        """Objects whose shallow size is at least so much: their ids, int64 and rising, and sizes.

        Args:
            least: 64 KiB or more.
        """
        if "shallow_size" in self.arrays or self.walker is None:
            ids = np.flatnonzero(self.arrays["shallow_size"] >= least)
            return ids, self.arrays["shallow_size"][ids]
        return self.walker.objects_of_size(least)

    def objects_named(self, tp_name: str) -> Array:
        """Objects of the types that C code calls so: their ids, int64 and rising.

        Cost: one pass over the objects where there is such a type.
        """
        rows = [row for row, walked in enumerate(self.types) if walked.tp_name == tp_name]
        if not rows:
            return np.empty(0, np.int64)
        return np.flatnonzero(np.isin(self.arrays["type"], rows))

    def choose(self, readers: Mapping[str, int], types: Collection[str] = ()) -> dict[str, Array]:
        """Objects by how the walker reads them, or by their type.

        Args:
            readers: names of readers, each with the fewest references that an object must have;
                65,535 at most.
            types: names of types that C code made, as it calls them, whose reader is not among
                those.

        Returns:
            Ids for each, int64 and rising.

        Cost: one pass over the objects, in steps: nothing as long as the heap is made for it.
        """
        keys = [self._key_among(each, readers, types) for each in self.types]
        least = np.array([_NONE if key is None else readers.get(key, 0) for key in keys], np.int64)
        kinds, degrees = self.arrays["type"], self._degrees_capped()
        found = [np.empty(0, np.int64)]
        for start in range(0, len(kinds), STEP):
            here = slice(start, start + STEP)
            found.append(np.flatnonzero(degrees[here] >= least[kinds[here]]) + start)
        ids = np.concatenate(found)
        names = [*readers, *types]
        order = {name: row for row, name in enumerate(names)}
        of_type = np.array([len(names) if key is None else order[key] for key in keys], np.uint8)
        rows = of_type[kinds[ids]]
        return {name: ids[rows == row] for name, row in order.items()}

    @staticmethod
    def _key_among(
        walked: WalkedType, readers: Mapping[str, int], types: Collection[str]
    ) -> str | None:
        if walked.reader in readers:
            return walked.reader
        is_named = walked.tp_name in types and not walked.is_python_class
        return walked.tp_name if is_named else None

    def _degrees_capped(self) -> Array:
        """References of each object, 65,535 for more: unsigned, there as soon as objects are."""
        if "out_degree" in self.arrays or self.walker is None:
            return self.arrays["out_degree"]
        return self.walker.out_degrees()

    def keep_only(self, names: Collection[str]) -> None:
        """Let go of all other columns: whoever has taken one has it alone."""
        self.arrays = {name: self.arrays[name] for name in names}
        self._reference_starts = None

    def take_surplus(self) -> Array:
        """References that are counted but were not found, by object: int64; below 0 for too many.

        The column counted_in goes.
        """
        counted = self.arrays.pop("counted_in")
        surplus: Array = np.empty(len(counted), np.int64)
        for here in steps(len(counted)):
            refcounts = self.arrays["refcount"][here]
            np.subtract(refcounts, counted[here], out=surplus[here], dtype=np.int64)
        del counted
        if self.walker is not None:
            self.walker.forget_columns("counted_in")
        return surplus

    def count_types(self) -> Array:
        """How many objects each type has: int64[types]."""
        counts = np.zeros(len(self.types), np.int64)
        for here in steps(self.object_count):
            counts += np.bincount(self.arrays["type"][here], minlength=len(self.types))
        return counts

    def ids_of(self, addresses: Sequence[int] | Array) -> Array:
        """Object ids of addresses, -1 where there is no object; int64[len(addresses)]."""
        wanted = np.asarray(addresses, dtype=np.uint64)
        known = self.arrays["address"]
        if not len(known):
            return np.full(len(wanted), -1, dtype=np.int64)
        places = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
        return np.where(known[places] == wanted, places, -1).astype(np.int64)

    def name_row(self, name: str) -> int:
        """Row of a name, added when it is new."""
        if name not in self.names:
            self.names.append(name)
        return self.names.index(name)

    def offsets(self) -> Array:
        """First reference of each object, and the end of the last: uint64[objects + 1]."""
        result = np.zeros(self.object_count + 1, dtype=np.uint64)
        np.cumsum(self.arrays["out_degree"], out=result[1:])
        return result

    def references_of(self, object_id: int) -> slice:
        """The rows of one object's references.

        Cost: one pass over the column `out_degree`, the first time.
        """
        degrees = self.arrays["out_degree"]
        if self._reference_starts is None:
            self._reference_starts = _summed_starts(degrees)
        before = degrees[object_id - object_id % _SUMMED : object_id]
        start = int(self._reference_starts[object_id // _SUMMED]) + int(before.sum(dtype=np.int64))
        return slice(start, start + int(degrees[object_id]))

    def preview(self, object_id: int) -> str | None:
        """What an object looks like, None for no object and when its kind has no preview."""
        # A key that is no object, in a dict that was caught half-made, has the label NO_LABEL.
        sizes = self.arrays["preview_size"]
        if not 0 <= object_id < len(sizes) or not sizes[object_id]:
            return None
        if self._preview_starts is None:
            self._preview_starts = _summed_starts(preview_bytes(sizes))
        before = sizes[object_id - object_id % _SUMMED : object_id]
        start = int(self._preview_starts[object_id // _SUMMED])
        start += int(before.sum(dtype=np.int64)) - int(np.count_nonzero(before))
        end = start + int(sizes[object_id]) - 1
        return self.arrays["previews"][start:end].tobytes().decode(errors="replace")


def preview_bytes(sizes: Array) -> Array:
    """The column preview_size as bytes of text, 0 for no preview."""
    return sizes - (sizes > 0)


def _summed_starts(lengths: Array) -> Array:
    """Where every _SUMMEDth row begins, if they lie behind one another: int64."""
    ends = np.cumsum(np.add.reduceat(lengths, np.arange(0, len(lengths), _SUMMED), dtype=np.int64))
    return np.concatenate(([0], ends))
