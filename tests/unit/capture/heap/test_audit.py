"""The account of small heaps: what holds what, and what makes a walk poor."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from heapgraph.capture.cpython.root_set import RootSet
from heapgraph.capture.heap.audit import Account, Verdict
from heapgraph.capture.heap.columns import HeapColumns
from heapgraph.model import EdgeFlags, EdgeKind, ObjectFlags, RootKind
from heapgraph.native.walked_type import WalkedType

FIRST = 0x1000
STEP = 0x100
SCANNED = EdgeFlags.SCANNED | EdgeFlags.COUNTED


@dataclass
class SmallHeap:
    """Objects by number, each of the type with that number unless it is told; object 0 is a module.

    `surplus`: references to an object beyond those of the edges; the module's is its root's.
    """

    objects: int
    edges: list[tuple[int, int, int]] = field(default_factory=list)  # source, target, flags
    surplus: dict[int, int] = field(default_factory=dict)
    immortal: set[int] = field(default_factory=set)
    types: list[int] = field(default_factory=list)
    scanned: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Name the module, and a thread with a frame."""
        self.named = RootSet()
        self.named.add(FIRST, RootKind.MODULE, "app", counted=False)
        self.named.threads.append({"thread_id": 1, "holds_gil": True})
        self.named.frames.append({})

    def hold(self, number: int, kind: RootKind, name: str) -> None:
        """A counted reference from a field of the interpreter."""
        self.named.add(FIRST + number * STEP, kind, name, counted=True)

    def judge(self) -> tuple[Verdict, HeapColumns]:
        """The verdict, and the columns as they are then."""
        edges = sorted(self.edges)
        counted = np.zeros(self.objects, np.uint32)
        for _, target, flags in edges:
            counted[target] += bool(flags & EdgeFlags.COUNTED)
        surplus = np.array([self.surplus.get(n, 0) for n in range(self.objects)])
        is_immortal = np.array([n in self.immortal for n in range(self.objects)])
        arrays = {
            "type": np.array(self.types or range(self.objects), np.uint32),
            "flags": (is_immortal * int(ObjectFlags.IMMORTAL)).astype(np.uint16),
            "refcount": counted.astype(np.int64) + surplus,
            "out_degree": np.bincount(
                np.array([edge[0] for edge in edges], np.int64), minlength=self.objects
            ),
            "getsizeof": np.full(self.objects, 16, np.uint64),
            "address": np.arange(self.objects, dtype=np.uint64) * np.uint64(STEP)
            + np.uint64(FIRST),
            "counted_in": counted,
            "target": np.array([edge[1] for edge in edges], np.uint32),
            "label": np.zeros(len(edges), np.uint32),
            "kind": np.full(len(edges), EdgeKind.UNNAMED, np.uint8),
            "edge_flags": np.array([edge[2] for edge in edges], np.uint8),
        }
        counts = {
            "references": len(edges),
            "invalid_references": 0,
            "list_breaks": 0,
            "left_out": 0,
            "shared_tables": 0,
        }
        words = [(FIRST + number * STEP, "interpreter 0", 8) for number in self.scanned]
        types = [
            WalkedType(0, f"type {row}", 16, 0, 0, "plain", False, True, 0, 0)
            for row in range(max(self.types or [self.objects - 1]) + 1)
        ]
        columns = HeapColumns(arrays, types, [], counts, words)
        return Account(columns, self.named).verdict(), columns


def names_of(verdict: Verdict, number: int) -> list[str]:
    rows = zip(verdict.roots.target, verdict.roots.name, strict=True)
    return [name for target, name in rows if target == number]


def test_what_the_interpreter_holds_is_not_held_by_a_word_of_unknown_fields() -> None:
    """Given one count, a field of the interpreter and a scanned word, the word is borrowed."""
    heap = SmallHeap(3, [(0, 1, EdgeFlags.COUNTED), (1, 2, SCANNED)])
    heap.hold(2, RootKind.INTERNED, "interned")
    verdict, columns = heap.judge()

    assert verdict.is_good
    assert verdict.record["negative_refcounts"] == 0
    assert names_of(verdict, 2) == ["interned"]
    assert columns.arrays["kind"].tolist() == [EdgeKind.UNNAMED, EdgeKind.WEAK]
    assert columns.names[columns.arrays["label"][1]] == "borrowed"


def test_a_word_whose_reference_is_counted_beside_the_roots_stays() -> None:
    heap = SmallHeap(3, [(0, 1, EdgeFlags.COUNTED), (1, 2, SCANNED)], surplus={2: 1})
    heap.hold(2, RootKind.INTERNED, "interned")
    verdict, columns = heap.judge()

    assert verdict.is_good
    assert columns.arrays["kind"].tolist() == [EdgeKind.UNNAMED] * 2


def test_a_stale_word_of_the_interpreter_keeps_no_garbage() -> None:
    """Given a cycle whose counts are explained, and words that point at it, it is garbage."""
    cycle = [(1, 2, EdgeFlags.COUNTED), (2, 1, EdgeFlags.COUNTED)]
    heap = SmallHeap(5, cycle, surplus={3: 1}, immortal={4}, scanned=[1, 3, 4])
    verdict, _ = heap.judge()

    assert verdict.is_garbage.tolist() == [False, True, True, False, False]
    assert names_of(verdict, 1) == []
    assert names_of(verdict, 3) == ["interpreter 0 +0x8"]
    assert "interpreter 0 +0x8" in names_of(verdict, 4)


def test_what_a_library_keeps_by_design_does_not_make_a_walk_poor() -> None:
    """Given nine tenths of a heap that only C code holds, of one type, counts explain all."""
    held = range(10, 100)
    heap = SmallHeap(100, surplus=dict.fromkeys(held, 1), types=[*range(10), *[3] * 90])
    heap.edges = [(0, number, EdgeFlags.COUNTED) for number in range(1, 10)]
    verdict, _ = heap.judge()

    assert verdict.record["c_held"] == 90
    assert verdict.record["reached_from_named_roots"] == 0.1
    assert verdict.is_good


def test_immortal_objects_that_nothing_names_do_not_make_a_walk_poor() -> None:
    assert SmallHeap(100, immortal=set(range(10, 100))).judge()[0].is_good


def test_overlooked_references_make_a_walk_poor() -> None:
    """Given objects of most types that nothing found holds, it is the walk that is wrong."""
    verdict, _ = SmallHeap(100, surplus=dict.fromkeys(range(1, 100), 1)).judge()

    assert not verdict.is_good
    assert "types" in verdict.record["reasons"][0]


def test_a_walk_without_what_every_interpreter_has_is_poor() -> None:
    reasons = []
    for part in ("addresses", "threads", "frames"):
        heap = SmallHeap(3)
        if part == "addresses":
            heap.named.addresses[0] += 8
        else:
            getattr(heap.named, part).clear()
        reasons += heap.judge()[0].record["reasons"]

    assert reasons == [
        "no module was found",
        "no thread was found",
        "no frame was found, though a thread runs",
    ]


def test_a_program_that_waits_in_c_code_has_no_frame() -> None:
    heap = SmallHeap(3)
    heap.named.frames.clear()
    heap.named.threads[0]["holds_gil"] = False

    assert heap.judge()[0].is_good
