"""The account of a walk: which roots hold what, and how far it may be believed.

The reference counts are the check. An object with more counted references than were found is held
from C code; one with fewer means that a reference was invented. Both numbers travel with every
snapshot, and a bad walk is repeated.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from heapgraph.model import (
    C_CODE_OF_GREENLET,
    MAX_HELD_TYPES,
    MAX_INVALID_SHARE,
    MAX_NEGATIVE_SHARE,
    NO_ROW,
    EdgeFlags,
    EdgeKind,
    ObjectFlags,
    RootKind,
)
from heapgraph.native.graph_kernels import reachable
from heapgraph.native.scans import has_bits, rows_equal, rows_where
from heapgraph.units import format_share

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from heapgraph.capture.cpython.roots import RootSet
    from heapgraph.capture.heap.columns import HeapColumns

Array: TypeAlias = npt.NDArray[Any]

MIN_NAMED_SHARE = 0.9
"""Share of what is alive that named roots reach. Programs of any size reach 0.99; tiny
ones, where the interpreter's own C data weighs, 0.97. Less is no fault by itself: C code may hold
as much as it likes, and a reference count proves it. It is one where so much is counted too often
that references were overlooked, see MAX_HELD_TYPES."""

BORROWED = "borrowed"
"""Label of a word in unknown fields whose reference is another's, as the walker has it."""

STALE_WORD = "stale stack word"
"""Label of a word on an evaluation stack that the reference counts disprove."""

_MAX_SURPLUS = 2**31


@dataclass
class RootRows:
    """The roots table while it is made: parallel lists of its columns."""

    target: list[int] = field(default_factory=list)
    kind: list[int] = field(default_factory=list)
    name: list[str] = field(default_factory=list)
    frame: list[int] = field(default_factory=list)
    count: list[int] = field(default_factory=list)

    def add(self, target: int, kind: RootKind, name: str, count: int, frame: int = NO_ROW) -> None:
        """Append one root."""
        self.target.append(target)
        self.kind.append(int(kind))
        self.name.append(name)
        self.frame.append(frame)
        self.count.append(count)

    def add_alike(self, targets: Sequence[int], kind: RootKind, name: str) -> None:
        """Append many roots of one kind and name that hold no counted reference."""
        self.target += targets
        self.kind += [int(kind)] * len(targets)
        self.name += [name] * len(targets)
        self.frame += [NO_ROW] * len(targets)
        self.count += [0] * len(targets)


@dataclass
class Verdict:
    """What the account found.

    Attributes:
        roots: columns of the roots table.
        is_garbage: bool[objects], reached by nothing.
        record: the quality record of the manifest, without what only the capture knows.
    """

    roots: RootRows
    is_garbage: Array
    record: dict[str, Any]

    @property
    def is_good(self) -> bool:
        """No reason to distrust the walk."""
        return bool(self.record["grade"] == "good")


class Account:
    """Adds roots kind by kind, from the best explanation to the weakest.

    Args:
        columns: the walk's result.
        named: what the interpreter's structs hold.
    """

    def __init__(self, columns: HeapColumns, named: RootSet) -> None:
        """Count the references that are found; nothing is searched yet."""
        self._columns = columns
        self._named = named
        arrays = columns.arrays
        self._offsets = columns.offsets()
        self._skip = (arrays["kind"] == np.uint8(EdgeKind.WEAK)).view(np.uint8)
        self._immortal = has_bits(arrays["flags"], ObjectFlags.IMMORTAL)
        static_type = np.uint16(ObjectFlags.IS_TYPE | ObjectFlags.STATIC)
        self._static_types = rows_where(
            lambda flags: flags & static_type == static_type, arrays["flags"]
        )
        self._objects_of_type = columns.count_types()
        self._rows = RootRows()
        self._held_by_named: set[int] = set()
        self._held_types = 0.0  # share of the types in use that have objects only C code holds
        self._reached: Array | None = None
        self._surplus = columns.take_surplus()

    def verdict(self) -> Verdict:
        """Make the roots table and the quality record.

        Cost: one search of the graph, 10 bytes per object and 1 per reference.
        """
        self._add_named()
        self._drop_borrowed()
        self._settle_stack_words()
        self._add_static_types()
        reached = self._reach()
        reached = self._add_scanned(reached)
        reached = self._add_libraries(reached)
        # What nobody refers to is no reason to distrust the walk: it was looked for.
        others = len(reached) - len(self._columns.lost)
        named_share = (
            min(1.0, float(np.count_nonzero(reached.view(np.bool_))) / others)
            if others > 0
            else 1.0
        )
        held = self._add_surplus(reached)
        immortal = self._add_immortal(reached)
        garbage = self._reach() == 0
        record = self._record(named_share, held, immortal, garbage)
        return Verdict(self._rows, garbage, record)

    def _reach(self) -> Array:
        """What the roots found so far reach; goes on where the last search ended."""
        roots = np.array(self._rows.target, dtype=np.uint32)
        self._reached = reachable(
            self._offsets, self._columns.arrays["target"], roots, self._skip, self._reached
        )
        return self._reached

    def _add_named(self) -> None:
        named = self._named
        ids = self._columns.ids_of(named.addresses).tolist()
        rows: Iterable[tuple[int, RootKind, str, int, bool]] = zip(
            ids, named.kinds, named.names, named.frame_rows, named.counted, strict=True
        )
        unsure = []
        for row, (object_id, kind, name, frame, counted) in enumerate(rows):
            if object_id < 0:
                continue
            if named.unsure[row]:
                unsure.append((object_id, kind, name, frame))
                continue
            self._rows.add(object_id, kind, name, int(counted), frame)
            self._surplus[object_id] -= counted
            if counted:
                self._held_by_named.add(object_id)
        # A word of an evaluation stack of unknown depth may be stale; a count that is left proves
        # that it is not.
        for object_id, kind, name, frame in unsure:
            if self._surplus[object_id] > 0:
                self._rows.add(object_id, kind, name, 1, frame)
                self._surplus[object_id] -= 1

    def _settle_stack_words(self) -> None:
        """The same for stack words inside of frame objects: stale ones must not retain anything."""
        arrays = self._columns.arrays
        words = rows_equal(arrays["kind"], EdgeKind.STACK)
        words = words[arrays["edge_flags"][words] == EdgeFlags.SCANNED]
        for reference in words.tolist():
            target = arrays["target"][reference]
            if self._surplus[target] > 0 and not self._immortal[target]:
                self._surplus[target] -= 1
                arrays["edge_flags"][reference] |= EdgeFlags.COUNTED
            else:
                arrays["kind"][reference] = EdgeKind.WEAK
                arrays["label"][reference] = self._columns.name_row(STALE_WORD)
                self._skip[reference] = 1

    def _drop_borrowed(self) -> None:
        """Words of unknown fields whose reference is a named root's: the root is known, they not.

        The walk gave such a word the count that was left, as it knew nothing of the roots.
        """
        arrays = self._columns.arrays
        if not len(self._claimed()):
            return
        sure = np.uint8(EdgeFlags.SCANNED | EdgeFlags.COUNTED)
        # Few: types without a rule.
        words = rows_where(lambda flags: flags & sure == sure, arrays["edge_flags"])
        targets = arrays["target"][words]
        for reference in words[(self._surplus[targets] < 0) & ~self._immortal[targets]].tolist():
            target = arrays["target"][reference]
            if self._surplus[target] < 0 and target in self._held_by_named:
                self._surplus[target] += 1
                arrays["edge_flags"][reference] = EdgeFlags.SCANNED
                arrays["kind"][reference] = EdgeKind.WEAK
                arrays["label"][reference] = self._columns.name_row(BORROWED)
                self._skip[reference] = 1

    def _claimed(self) -> Array:
        """Objects with fewer counted references than were found: int64, nearly always few."""
        return rows_where(
            lambda surplus, immortal: (surplus < 0) & ~immortal, self._surplus, self._immortal
        )

    def _add_static_types(self) -> None:
        row_of = {walked.address: row for row, walked in enumerate(self._columns.types)}
        addresses = self._columns.arrays["address"]
        for object_id in self._static_types.tolist():
            row = row_of.get(int(addresses[object_id]))
            name = self._columns.types[row].tp_name if row is not None else "static type"
            self._rows.add(object_id, RootKind.STATIC_TYPE, name, 0)

    def _add_scanned(self, reached: Array) -> Array:
        """Name the interpreter's words that hold something no named root reaches."""
        scanned = self._columns.scanned_roots
        ids = self._columns.ids_of([address for address, _, _ in scanned]).tolist()
        added = False
        for object_id, (_, name, offset) in zip(ids, scanned, strict=True):
            if object_id >= 0 and not reached[object_id]:
                # Caches hold borrowed pointers, and lists of free objects those that were taken:
                # only a count that is left belongs to this word. Nothing frees an immortal object.
                counted = int(self._surplus[object_id] > 0)
                if not counted and not self._immortal[object_id]:
                    continue
                self._rows.add(object_id, RootKind.INTERPRETER, f"{name} +{offset:#x}", counted)
                self._surplus[object_id] -= counted
                added = True
        return self._reach() if added else reached

    def _add_libraries(self, reached: Array) -> Array:
        """Name the variables of libraries that a reference count vouches for.

        Others are borrowed, or left behind; those of immortal objects are believed where nothing
        else reaches them.
        """
        rows = len(self._rows.target)
        for library, words in self._columns.library_words:
            ids = self._columns.ids_of(words[:, 0])
            places = words[:, 1][ids >= 0]
            ids = ids[ids >= 0]
            counted = (self._surplus[ids] > 0) & ~self._immortal[ids]
            wanted = (counted | (self._immortal[ids] & (reached[ids] == 0))) & ~self._inside(places)
            for object_id, place in zip(ids[wanted].tolist(), places[wanted].tolist(), strict=True):
                count = int(self._surplus[object_id] > 0 and not self._immortal[object_id])
                if count or self._immortal[object_id]:
                    name = f"{library.library} +{place - library.bias:#x}"
                    self._rows.add(object_id, RootKind.LIBRARY, name, count)
                    self._surplus[object_id] -= count
        return self._reach() if len(self._rows.target) > rows else reached

    def _inside(self, addresses: Array) -> Array:
        """Which addresses lie in objects: those words are references of theirs."""
        starts = self._columns.arrays["address"]
        before = np.searchsorted(starts, addresses, side="right") - 1
        sizes = self._columns.arrays["getsizeof"][before]
        return (before >= 0) & (addresses - starts[before] < sizes)

    def _add_surplus(self, reached: Array) -> int:
        """Objects counted more often than found: C code holds them, whoever else does.

        All of them are roots, since dropping every other reference would not free them.

        Returns:
            How many of them nothing else explains.
        """
        held = rows_where(
            lambda surplus, immortal: (surplus > 0) & (surplus < _MAX_SURPLUS) & ~immortal,
            self._surplus,
            self._immortal,
        )
        # A static type begins with one reference that nobody holds, and is a root as it is.
        held = held[~np.isin(held, self._static_types)]
        counts = self._surplus[held]
        found = self._columns.ids_of(self._columns.stack_words)
        on_stack = np.isin(held, found) & (counts == 1)  # of more, the rest is somebody else's
        rows = zip(held.tolist(), counts.tolist(), on_stack.tolist(), strict=True)
        for object_id, count, waits in rows:
            name = C_CODE_OF_GREENLET if waits else "C code"
            self._rows.add(object_id, RootKind.C_HELD, name, count)
        unexplained = held[reached[held] == 0]
        types = self._columns.arrays["type"]
        in_use = np.count_nonzero(self._objects_of_type)
        self._held_types = len(np.unique(types[unexplained])) / max(1, int(in_use))
        return len(unexplained)

    def _add_immortal(self, reached: Array) -> int:
        """Objects whose count never changes: nothing frees them. Returns how many are unreached."""
        immortal = np.flatnonzero(self._immortal)
        self._rows.add_alike(immortal.tolist(), RootKind.IMMORTAL, "immortal")
        return int(np.count_nonzero(reached[immortal] == 0))

    def _record(
        self, named_share: float, held: int, immortal: int, garbage: Array
    ) -> dict[str, Any]:
        counts = self._columns.counts
        negative = len(self._claimed())
        mortal = len(garbage) - int(np.count_nonzero(self._immortal))
        more = rows_where(
            lambda surplus, immortal: (surplus > 0) & ~immortal, self._surplus, self._immortal
        )
        record: dict[str, Any] = {
            "invalid_references": counts["invalid_references"],
            "list_breaks": counts["list_breaks"],
            "negative_refcounts": negative,
            "surplus_refcounts": len(more),
            "reached_from_named_roots": named_share,
            "c_held": held,
            "c_held_types": self._held_types,
            "garbage": int(np.count_nonzero(garbage)),
            "immortal_unreached": immortal,
            "scanned_types": self._scanned_types(),
        }
        reasons = list(_reasons(record, counts, mortal))
        reasons += self._missing_roots()
        others = len(garbage) - len(self._columns.lost)
        alive = others - record["garbage"]
        named = named_share * others
        if named < MIN_NAMED_SHARE * alive and self._held_types > MAX_HELD_TYPES:
            reasons.append(
                f"only {format_share(named / alive)} of the objects are reached from named roots, "
                f"and {format_share(self._held_types)} of the types have objects "
                "that nothing found holds"
            )
        record["grade"] = "poor" if reasons else "good"
        record["reasons"] = reasons
        return record

    def _missing_roots(self) -> Iterable[str]:
        """What every interpreter has that runs: without it, what C code holds proves nothing.

        The dict of all modules is an object that the collector lists, so that the heap would seem
        whole, with one more object that C code holds.
        """
        named = self._named
        is_module = [kind is RootKind.MODULE for kind in named.kinds]
        found = self._columns.ids_of(
            [a for a, is_one in zip(named.addresses, is_module, strict=True) if is_one]
        )
        if not (found >= 0).any():
            yield "no module was found"
        if not named.threads:
            yield "no thread was found"
        elif not named.frames and any(row["holds_gil"] for row in named.threads):
            yield "no frame was found, though a thread runs"

    def _scanned_types(self) -> dict[str, int]:
        """Types whose fields were scanned, with their objects that no traverse function visited."""
        columns = self._columns
        scanned: dict[str, int] = {}
        for walked, objects in zip(columns.types, self._objects_of_type.tolist(), strict=True):
            left = objects - walked.traversed
            if not walked.knows_fields and left > 0:
                scanned[walked.tp_name] = scanned.get(walked.tp_name, 0) + left
        return dict(sorted(scanned.items(), key=lambda item: -item[1]))


def _reasons(record: dict[str, Any], counts: Mapping[str, int], mortal: int) -> Iterable[str]:
    """Sentences that say why a walk must not be believed."""
    invalid, negative = record["invalid_references"], record["negative_refcounts"]
    if counts["left_out"]:
        yield "more objects or references than its memory has room for: what is beyond was left out"
    if counts["shared_tables"]:
        yield (
            f"{counts['shared_tables']} objects claim a table that another one has, "
            "and were read without it"
        )
    references = counts["references"]
    if record["list_breaks"]:
        yield f"{record['list_breaks']} breaks in the collector's lists"
    if invalid > MAX_INVALID_SHARE * max(references, 1):
        yield f"{invalid} references lead to no object ({format_share(invalid / references)})"
    if negative > MAX_NEGATIVE_SHARE * max(mortal, 1):
        yield f"{negative} objects have fewer references than were found"
