"""Roots of the test process itself, of senseless memory, and the small rules between them."""

from __future__ import annotations

import pytest

from heapgraph.capture.cpython.layouts import layout_for
from heapgraph.capture.cpython.roots import RootSet, _without_overlaps, find_roots
from heapgraph.capture.process.memory import UnreadableMemory
from heapgraph.model import NO_ROW, RootKind
from helpers.scattered_memory import ScatteredMemory

VERSIONS = [(3, minor) for minor in range(8, 16)]


class OneWordMemory(ScatteredMemory):
    """Every word is the same small number: each list is empty, or leads to itself forever."""

    def __init__(self, word: int) -> None:
        super().__init__(0)
        self._content = word.to_bytes(8, "little")


def test_null_is_no_root() -> None:
    roots = RootSet()
    roots.add(0, RootKind.THREAD, "dict", counted=True)
    roots.add(64, RootKind.THREAD, "context", counted=True)
    assert roots.addresses == [64]
    assert roots.names == ["context"]
    assert roots.frame_rows == [NO_ROW]
    assert roots.counted == [True]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("seed", range(12))
def test_senseless_memory_gives_notes_or_one_error(version: tuple[int, int], seed: int) -> None:
    try:
        roots = find_roots(ScatteredMemory(seed), layout_for(version), 4096)
    except UnreadableMemory:
        return
    assert roots.notes or not roots.threads
    assert len(roots.addresses) == len(roots.names) == len(roots.frame_rows) == len(roots.counted)


@pytest.mark.parametrize("version", VERSIONS)
def test_list_without_an_end_is_unreadable(version: tuple[int, int]) -> None:
    with pytest.raises(UnreadableMemory, match=r"linked by is\.next"):
        find_roots(OneWordMemory(64), layout_for(version), 4096)


def test_runtime_without_interpreters_has_no_roots() -> None:
    roots = find_roots(OneWordMemory(0), layout_for((3, 12)), 4096)
    assert roots.addresses == []
    assert [name for _, _, name in roots.scan_ranges] == ["runtime"]


@pytest.mark.parametrize(
    ("structs", "expected"),
    [
        ([(100, 10, "a"), (200, 10, "b")], [(100, 10, "a"), (200, 10, "b")]),
        # the thread lies in the interpreter, which lies in the runtime
        (
            [(120, 40, "is"), (130, 10, "ts"), (100, 100, "rt")],
            [(100, 20, "rt"), (120, 40, "is"), (160, 40, "rt")],
        ),
        # two interpreters at the very ends of the runtime
        (
            [(180, 20, "1"), (100, 20, "0"), (100, 100, "rt")],
            [(100, 20, "0"), (120, 60, "rt"), (180, 20, "1")],
        ),
        ([(100, 20, "a"), (110, 20, "b")], [(100, 20, "a"), (120, 10, "b")]),
    ],
)
def test_ranges_to_scan_are_cut_at_the_structs_inside_them(
    structs: list[tuple[int, int, str]], expected: list[tuple[int, int, str]]
) -> None:
    assert _without_overlaps(structs) == expected
