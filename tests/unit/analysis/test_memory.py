"""The account of resident memory on heaps made by hand: what is added up, and what it is called."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from heapgraph.analysis.memory import account_memory, report_memory
from heapgraph.analysis.registry import run
from heapgraph.analysis.resident.verdict import ProcessFacts, judge_memory
from heapgraph.errors import UsageError
from heapgraph.model import EdgeKind, ObjectFlags
from helpers.app_heap import graph_of, items, module, set_global
from helpers.heaps import FIRST_ADDRESS, HeapBuilder

if TYPE_CHECKING:
    from heapgraph.analysis.memory import MemoryAccount

KIB, MIB = 1 << 10, 1 << 20
HEAP, BLOCKS, FILES, ELSEWHERE = 0x1000_0000, 0x2000_0000, 0x3000_0000, 0x4000_0000


def parts(account: MemoryAccount) -> dict[str, int]:
    return {part.name: part.size for part in account.parts}


def groups(account: MemoryAccount) -> dict[str, int]:
    return {group.name: group.size for group in account.groups}


def arena_with(heap: HeapBuilder, *, used: int, block_size: int = 64) -> None:
    """An arena of four pools over the addresses of the objects; the last pool is empty."""
    start, end = FIRST_ADDRESS, FIRST_ADDRESS + MIB
    heap.mapping(start, end, rss=64 * KIB)
    row = heap.region(
        "arena",
        start,
        end,
        resident=64 * KIB,
        in_use=3 * used * block_size,
        free=64 * KIB - 3 * used * block_size,
        blocks=3 * used,
    )
    for place in range(3):
        heap.pool(start + place * 16 * KIB, row, block_size, used, 16 * KIB)
    heap.pool(start + 48 * KIB, row, block_size, 0, 16 * KIB)


def test_objects_in_arenas_with_rounding_headers_and_free_blocks():
    """30 objects of 60 bytes in blocks of 64; 30 more blocks are buffers or nobody's."""
    heap = HeapBuilder()
    for _ in range(30):
        heap.object("bytes", size=60)
    arena_with(heap, used=20)
    account = account_memory(graph_of(heap))
    used = 60 * 64
    assert parts(account) == {
        "in arenas of pymalloc": 30 * 60,
        "rounding of small blocks": 30 * 4,
        "small blocks of no object": used - 30 * 64,
        "pool headers of pymalloc": 4 * 48,
        "free blocks in pools of pymalloc": 48 * KIB - used - 3 * 48,
        "empty pools of pymalloc": 16 * KIB - 48,
    }
    assert account.accounted_size == 64 * KIB
    assert account.to_arrow().column_names == ["group", "name", "size"]


def test_a_large_object_has_its_head_in_an_arena_and_its_buffer_in_a_heap():
    """A list of 56 + 16 bytes with a buffer of 100 KiB; 200 KiB of the heap are in use."""
    heap = HeapBuilder()
    heap.type("list", basicsize=56)
    heap.object("list", size=56 + 16 + 100 * KIB)
    arena_with(heap, used=20)
    heap.mapping(HEAP, HEAP + 400 * KIB, "[heap]")
    heap.region("heap", HEAP, HEAP + 400 * KIB, in_use=200 * KIB, free=50 * KIB, blocks=10)
    found = parts(account_memory(graph_of(heap)))
    assert found["in arenas of pymalloc"] == 72
    assert found["in heaps of malloc"] == 100 * KIB
    assert found["headers of chunks of malloc"] == 80
    assert found["chunks of malloc of no object"] == 100 * KIB - 80
    assert found["free chunks of malloc"] == 50 * KIB
    assert found["free ends of heaps of malloc"] == 150 * KIB


def test_a_block_counts_as_what_of_it_is_in_memory():
    """An array of 8 MiB of which 1 MiB was touched; the block beside it is nobody's."""
    heap = HeapBuilder()
    array = heap.object("numpy.ndarray", size=8 * MIB)
    heap.mapping(BLOCKS, BLOCKS + 10 * MIB, rss=3 * MIB)
    heap.region("chunk", BLOCKS, BLOCKS + 8 * MIB, resident=MIB, owner=array)
    heap.region("chunk", BLOCKS + 8 * MIB, BLOCKS + 10 * MIB)
    account = account_memory(graph_of(heap))
    assert parts(account) == {
        "in large blocks of their own": MIB,
        "large blocks of no object": 2 * MIB,
    }
    assert account.verdict == "native memory"


def test_memory_of_mmap_objects_is_mapped_not_objects():
    heap = HeapBuilder()
    owner = heap.object("mmap.mmap", size=96, flags=ObjectFlags.STATIC)
    heap.mapping(BLOCKS, BLOCKS + 4 * MIB)
    heap.region("owned", BLOCKS, BLOCKS + 4 * MIB, owner=owner)
    account = account_memory(graph_of(heap))
    assert parts(account) == {"private mmap objects": 4 * MIB}
    assert account.verdict == "mapped files"


def test_a_file_with_code_is_the_program():
    heap = HeapBuilder()
    heap.mapping(FILES, FILES + MIB, "/lib/libx.so", permissions="r-xp")
    heap.mapping(FILES + MIB, FILES + 2 * MIB, "/lib/libx.so")
    heap.mapping(FILES + 2 * MIB, FILES + 5 * MIB, "/data/table.bin", permissions="r--s")
    heap.mapping(FILES + 5 * MIB, FILES + 6 * MIB, "/dev/zero (deleted)", permissions="rw-s")
    heap.mapping(ELSEWHERE, ELSEWHERE + MIB)
    heap.region("data", ELSEWHERE, ELSEWHERE + MIB)
    found = parts(account_memory(graph_of(heap)))
    assert found == {
        "program and libraries": 2 * MIB,
        "data files": 3 * MIB,
        "shared memory": MIB,
        "zero-initialised data of programs": MIB,
    }


def test_what_no_region_covers_is_unknown_unless_objects_must_be_there():
    """Another allocator: 3 MiB of objects and no arena, in 10 MiB that nobody can read."""
    heap = HeapBuilder()
    heap.object("bytes", size=3 * MIB)
    heap.mapping(ELSEWHERE, ELSEWHERE + 10 * MIB)
    account = account_memory(graph_of(heap))
    assert parts(account) == {
        "in memory of another allocator": 3 * MIB,
        "anonymous memory of no known allocator": 7 * MIB,
    }


def test_objects_are_never_more_than_the_memory_they_can_be_in():
    heap = HeapBuilder()
    heap.object("bytes", size=30 * MIB)
    heap.mapping(HEAP, HEAP + MIB, "[heap]")
    heap.region("heap", HEAP, HEAP + MIB, in_use=MIB // 2, blocks=0)
    account = account_memory(graph_of(heap))
    assert account.accounted_size == MIB
    assert groups(account)["objects"] == MIB // 2


@pytest.mark.parametrize("seed", range(5))
def test_the_parts_add_up_to_what_the_kernel_counts(seed):
    """Whatever the regions are, as long as they lie in their mappings."""
    heap = HeapBuilder()
    for number in range(200):
        heap.object("bytes", size=(number * 37 * (seed + 1)) % 4000 + 16)
    arena_with(heap, used=10 * seed)
    heap.mapping(HEAP, HEAP + MIB, "[heap]")
    heap.region("heap", HEAP, HEAP + MIB, in_use=seed * 100 * KIB, free=KIB, blocks=50 * seed)
    heap.mapping(BLOCKS, BLOCKS + MIB)
    heap.region("chunk", BLOCKS, BLOCKS + MIB // 2, owner=seed)
    heap.mapping(FILES, FILES + MIB, "/data/table.bin")
    graph = graph_of(heap)
    account = account_memory(graph)
    assert account.accounted_size == sum(mapping.rss for mapping in graph.maps)
    assert sum(groups(account).values()) == account.accounted_size
    assert all(part.size > 0 for part in account.parts)


def fragmented() -> HeapBuilder:
    """Two arenas; in one, 20 of 255 blocks: items of app.KEPT, and one str."""
    heap = HeapBuilder()
    module(heap, "app")
    kept = heap.object("list", name="kept", size=240)
    items(heap, kept, *(heap.object("app.Item", size=64) for _ in range(19)))
    set_global(heap, "app", "KEPT", kept)
    start = FIRST_ADDRESS
    heap.mapping(start, start + 2 * MIB, rss=MIB)
    for place, used in ((0, 20), (MIB, 16000)):
        row = heap.region(
            "arena",
            start + place,
            start + place + MIB,
            resident=MIB // 2,
            in_use=min(64 * used, MIB // 2),
            free=MIB // 2 - min(64 * used, MIB // 2),
            blocks=used,
        )
        heap.pool(start + place, row, 64, min(used, 255), 16 * KIB)
    return heap


def test_nearly_empty_arenas_are_listed_with_what_keeps_them():
    report = report_memory(graph_of(fragmented()))
    totals = report.arenas
    assert (totals.count, totals.nearly_empty) == (2, 1)
    assert (totals.nearly_empty_size, totals.pinning_blocks) == (MIB // 2, 20)
    assert totals.pinning_size == 20 * 64
    (arena,) = report.nearly_empty
    assert arena.address == FIRST_ADDRESS
    assert arena.types[0] == "app.Item"
    assert arena.expression == "app.KEPT[0]"
    pin = report.pins[0]
    assert (pin.type, pin.count, pin.size, pin.arenas) == ("app.Item", 19, 19 * 64, 1)
    assert pin.holder == "app.KEPT"
    (row,) = report.size_classes
    assert (row.block_size, row.pools, row.used_blocks) == (64, 2, 275)
    assert row.free_size == 32 * KIB - 275 * 64 - 2 * 48
    assert row.free_blocks == row.free_size // 64


def test_an_arena_of_buffers_alone_has_no_example():
    heap = fragmented()
    start = FIRST_ADDRESS + 16 * MIB
    heap.mapping(start, start + MIB, rss=MIB)
    row = heap.region("arena", start, start + MIB, in_use=64, free=MIB - 64, blocks=1, resident=MIB)
    heap.pool(start, row, 64, 1, 16 * KIB)
    first = report_memory(graph_of(heap)).nearly_empty[0]
    assert (first.objects, first.types, first.expression) == (0, (), "")


def test_the_limit_cuts_the_lists_and_not_the_totals():
    heap = fragmented()
    heap.mapping(FILES, FILES + MIB, "/data/table.bin")
    report = report_memory(graph_of(heap), limit=1)
    assert [block.path for block in report.large_blocks] == ["/data/table.bin"]
    assert len(report.pins) == 1
    assert report.arenas.count == 2
    with pytest.raises(UsageError):
        run("memory", graph_of(heap), limit=0)


def verdict(**regions: int) -> tuple[str, str]:
    """The verdict on MiB by cause, beside 50 MiB of program."""
    heap = HeapBuilder()
    heap.mapping(FILES, FILES + 50 * MIB, "/usr/bin/python3", permissions="r-xp")
    heap.mapping(BLOCKS, BLOCKS + 400 * MIB, rss=sum(regions.values()) * MIB)
    at = BLOCKS
    heap.thread()
    for cause, mebibytes in regions.items():
        end = at + mebibytes * MIB
        match cause:
            case "objects":
                owner = heap.object("bytearray", size=end - at)
                heap.region("chunk", at, end, owner=owner)
            case "slack":
                heap.region("heap", at, end, in_use=0, free=end - at, blocks=0)
            case "native":
                heap.region("chunk", at, end)
            case "stacks":
                heap.region("stack", at, end)
        at = end
    found = account_memory(graph_of(heap))
    return found.verdict, found.reason


@pytest.mark.parametrize(
    ("regions", "kind", "words"),
    [
        ({"objects": 60, "slack": 30}, "objects", "bytearray (60.0 MiB)"),
        ({"objects": 20, "slack": 70}, "fragmentation", "malloc_trim"),
        ({"objects": 20, "native": 70}, "native memory", "large blocks of no object (70.0 MiB)"),
        ({"stacks": 20}, "thread stacks", "Python threads: 1"),
        ({"unknown": 20}, "native memory", "of no known allocator (20.0 MiB)"),
        ({"objects": 40, "slack": 30, "native": 30}, "mixed", "objects (40.0 MiB)"),
    ],
)
def test_the_verdict_is_what_has_more_than_half(regions, kind, words):
    found, reason = verdict(**regions)
    assert found == kind
    assert words in reason


@pytest.mark.parametrize(
    ("path", "size", "words"),
    [
        ("/dev/shm/psm_1", 20 * MIB, "Shared memory is no cache"),
        ("/data/table.bin", 20 * MIB, "takes pages of files back"),
    ],
)
def test_only_pages_of_files_are_said_to_go_back(path, size, words):
    heap = HeapBuilder()
    heap.mapping(BLOCKS, BLOCKS + size, path, permissions="rw-s")
    found = account_memory(graph_of(heap))
    assert found.verdict == "mapped files"
    assert words in found.reason


@pytest.mark.parametrize(("greenlets", "words"), [(0, "Fewer threads"), (3, "A greenlet keeps")])
def test_stacks_of_greenlets_are_not_blamed_on_threads(greenlets, words):
    heap = HeapBuilder()
    heap.thread()
    for _ in range(greenlets):
        heap.object("greenlet.greenlet", size=100, flags=ObjectFlags.STATIC)
    heap.mapping(BLOCKS, BLOCKS + MIB)
    heap.region("frames", BLOCKS, BLOCKS + MIB)
    found = account_memory(graph_of(heap))
    assert found.verdict == "thread stacks"
    assert words in found.reason
    assert ("greenlets: 3" in found.reason) == (greenlets == 3)


@pytest.mark.parametrize(
    ("pss", "private", "shared"),
    [(10, 10, ""), (7, 4, "6.00 MiB"), (2, 0, "10.0 MiB"), (10, 4, ""), (0, 0, "")],
    ids=["alone", "some written", "of many", "clean pages of its own", "unknown"],
)
def test_pages_shared_since_a_fork_are_said(pss, private, shared):
    heap = HeapBuilder()
    owner = heap.object("bytearray", size=10 * MIB)
    heap.mapping(BLOCKS, BLOCKS + 10 * MIB, pss=pss * MIB, private_dirty=private * MIB)
    heap.region("chunk", BLOCKS, BLOCKS + 10 * MIB, owner=owner)
    reason = account_memory(graph_of(heap)).reason
    assert ("since a fork" in reason) == bool(shared)
    assert f"Of it {shared}" in reason or not shared


def test_an_empty_snapshot_has_a_verdict_too():
    report = report_memory(graph_of(HeapBuilder()))
    assert report.accounted_size == 0
    assert report.verdict == "mixed"
    assert report.arenas.count == 0
    assert judge_memory([], report.arenas, [], ProcessFacts(0)).share == 0


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/dev/zero (deleted)", "anonymous"),
        ("", "anonymous"),
        ("/dev/shm/psm_e637256d", "psm_e637256d"),
        ("/dev/shm/psm_e637256d (deleted)", "psm_e637256d (deleted)"),
        ("/memfd:frames (deleted)", "frames"),
        ("/memfd: (deleted)", "anonymous"),
        ("/SYSV0000abcd (deleted)", "System V, key 0x0000abcd"),
        ("/dev/shm/a\x1b[2J", r"a\x1b[2J"),
    ],
)
def test_shared_memory_has_a_plain_name(path, name):
    heap = HeapBuilder()
    heap.mapping(0x10000, 0x10000 + MIB, path, permissions="rw-s")
    (block,) = report_memory(graph_of(heap)).large_blocks
    assert (block.kind, block.name, block.path) == ("shared memory", name, path)


def test_objects_without_an_owner_are_named_themselves():
    """Garbage in a nearly empty arena: no holder, so the object is shown."""
    heap = HeapBuilder()
    one, other = heap.object("app.Node", size=64), heap.object("app.Node", size=64)
    heap.edge(one, other, EdgeKind.SLOT, "next")
    heap.edge(other, one, EdgeKind.SLOT, "next")
    arena_with(heap, used=2)
    (pin,) = report_memory(graph_of(heap)).pins
    assert pin.holder.startswith("<unreachable app.Node")
