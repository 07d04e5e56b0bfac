"""Owners of memory of C code in the account, on heaps made by hand."""

from __future__ import annotations

import re

import pytest

from heapgraph.analysis.memory import account_memory, report_memory
from heapgraph.analysis.resident.native import NativeOwner, native_advice, native_sentence
from heapgraph.model import EdgeKind, NativeKind, RootKind
from helpers.app_heap import graph_of, items, module, set_global
from helpers.heaps import HeapBuilder

MIB = 1 << 20
HEAP = 0x1000_0000


def native_heap() -> HeapBuilder:
    """60 MiB of malloc: 50 MiB that clients have, 4 of a library, 5 lost, 1 of nobody."""
    heap = HeapBuilder()
    module(heap, "app")
    clients = heap.object("list", name="clients", size=0)
    found = [heap.object("app.Client", size=0) for _ in range(2)]
    found.append(heap.object("app.Client", size=0, name="last"))
    items(heap, clients, *found)
    set_global(heap, "app", "CLIENTS", clients)
    heap.mapping(HEAP, HEAP + 60 * MIB, "[heap]")
    heap.region("heap", HEAP, HEAP + 60 * MIB, blocks=0)
    heap.native(found[:1], 20 * MIB)
    heap.native(found[1:2], 10 * MIB)
    heap.native(found, 20 * MIB, NativeKind.SHARED)
    heap.native([], 4 * MIB, NativeKind.LIBRARY, name="variable of libapp.so +0x40", blocks=9)
    heap.native([], 3 * MIB, NativeKind.LOST, name="blocks of up to 64 B", blocks=50_000)
    heap.native([], 2 * MIB, NativeKind.LOST, name="blocks of up to 1.00 KiB", blocks=2_000)
    return heap


def test_memory_of_c_code_is_split_by_who_leads_to_it():
    found = {part.name: part.size for part in account_memory(graph_of(native_heap())).parts}
    objects = found["in heaps of malloc"]
    assert {
        name: size for name, size in found.items() if "that" in name or "of no object" in name
    } == {
        "blocks that objects lead to (estimate)": 50 * MIB,
        "blocks that only variables of libraries lead to (estimate)": 4 * MIB,
        "blocks that nothing leads to (estimate)": 5 * MIB,
        "chunks of malloc of no object": MIB - objects,
    }


def test_the_verdict_names_the_owners_of_native_memory():
    report = report_memory(graph_of(native_heap()))
    assert report.verdict == "native memory"
    assert (
        "Memory of C code takes 60.0 MiB of 60.0 MiB beyond the program and its libraries (100 %)."
        " Of it, by estimate: 3 app.Client held by `app.CLIENTS` own 50.0 MiB; nothing leads to"
        " 5.00 MiB in 52,000 blocks; only variable of libapp.so +0x40 leads to 4.00 MiB;"
        " 1.00 MiB are of others or of nobody that is known. If it grows, " in report.reason
    )
    assert "objects that own it leak" in report.reason
    first = report.native_owners[0]
    assert (first.kind, first.type, first.count, first.size, first.holder) == (
        "object",
        "app.Client",
        3,
        50 * MIB,
        "app.CLIENTS",
    )
    assert [owner.kind for owner in report.native_owners] == ["object", "library", "lost", "lost"]


def test_native_memory_has_one_total_and_its_parts_add_up_to_it():
    """Given memory of C code, then no second total of it is said beside the one that is divided."""
    owners = report_memory(graph_of(native_heap())).native_owners
    for size, rest in ((64 * MIB, ["5.00"]), (59 * MIB, [])):
        sentence = native_sentence(owners, size)
        assert re.findall(r"([\d.]+) MiB", sentence) == ["50.0", "5.00", "4.00", *rest]
    assert native_sentence(owners, 64 * MIB).endswith("are of others or of nobody that is known.")


def test_native_memory_that_is_not_the_verdict_has_its_total_beside_its_owners():
    """Given as much in mapped files, then what the owners divide is said, and only once."""
    heap = native_heap()
    heap.mapping(HEAP + 100 * MIB, HEAP + 161 * MIB, "/data/table")
    reason = report_memory(graph_of(heap)).reason
    assert "Memory of C code takes 60.0 MiB. Of it, by estimate: 3 app.Client" in reason
    assert reason.count("60.0 MiB") == 1


def test_estimates_are_never_more_than_there_is():
    """Given estimates of more than the kernel counts, then the account adds up all the same."""
    heap = native_heap()
    heap.native([], 500 * MIB, NativeKind.LOST, name="blocks of up to 64 B")
    account = account_memory(graph_of(heap))
    assert sum(part.size for part in account.parts) == account.accounted_size == 60 * MIB


def test_objects_without_a_common_holder_share_what_they_share():
    heap = HeapBuilder()
    ids = []
    for name in ("one", "other"):
        module(heap, name)
        ids.append(heap.object("app.Client", size=0))
        set_global(heap, name, "CLIENT", ids[-1])
    heap.native(ids, 20 * MIB, NativeKind.SHARED)
    (owner,) = report_memory(graph_of(heap)).native_owners
    assert (owner.kind, owner.type, owner.count, owner.size) == (
        "shared",
        "app.Client",
        2,
        20 * MIB,
    )
    assert "2 app.Client without a common holder share 20.0 MiB" in native_sentence(
        [owner], 20 * MIB
    )


def kinds_of_clients(*type_names: str) -> HeapBuilder:
    """20 MiB that one object of each type leads to, each a global of a module of its own."""
    heap = HeapBuilder()
    ids = []
    for number, name in enumerate(type_names):
        module(heap, f"m{number}")
        ids.append(heap.object(name, size=0))
        set_global(heap, f"m{number}", "CLIENT", ids[-1])
    heap.native(ids, 20 * MIB, NativeKind.SHARED)
    return heap


def test_what_objects_of_several_types_lead_to_names_them_all_and_is_doubtful():
    """Given a block that objects of different types lead to, then it is none of theirs for sure,
    and the reader is told of each type; of more than three how many more."""
    (owner,) = report_memory(graph_of(kinds_of_clients("a.A", "b.B", "a.A"))).native_owners
    assert (owner.type, owner.types, owner.count) == ("a.A", ("a.A", "b.B"), 3)
    assert owner.is_doubtful
    assert "3 objects of 2 types (a.A, b.B) without a common holder share 20.0 MiB (doubtful)" in (
        native_sentence([owner], 20 * MIB)
    )
    graph = graph_of(kinds_of_clients("a.A", "b.B", "c.C", "d.D", "e.E"))
    (owner,) = report_memory(graph).native_owners
    assert owner.types == ("a.A", "b.B", "c.C", "d.D", "e.E")
    assert owner.types_in_words == "a.A, b.B, c.C and 2 more"


def test_one_holder_does_not_make_several_types_one():
    """Given a container of objects of two types that lead to the same, then both are named."""
    heap = HeapBuilder()
    module(heap, "app")
    pool = heap.object("list", name="pool", size=0)
    found = [heap.object(name, size=0) for name in ("zlib.Compress", "lxml.etree._Document")]
    items(heap, pool, *found)
    set_global(heap, "app", "POOL", pool)
    heap.native(found, 20 * MIB, NativeKind.SHARED)
    heap.native(found[:1], 5 * MIB)
    shared, alone = report_memory(graph_of(heap)).native_owners
    assert set(shared.types) == {"zlib.Compress", "lxml.etree._Document"}
    assert (shared.kind, shared.holder, shared.is_doubtful) == ("object", "app.POOL", True)
    assert (alone.types, alone.is_doubtful) == (("zlib.Compress",), False)
    document = report_memory(graph_of(heap)).to_dict()["native_owners"][0]
    assert set(document["types"]) == {"zlib.Compress", "lxml.etree._Document"}
    assert document["doubtful"] is True


def test_owners_in_one_container_are_held_by_it_though_a_variable_has_one_of_them():
    """Given five connections in a dict, and one of them in a variable of a function as well, then
    the dict has what goes with it, and the variable's is a row of its own."""
    heap = HeapBuilder()
    module(heap, "app")
    pool = heap.object("dict", name="pool", size=0)
    found = [heap.object("app.Connection", size=0) for _ in range(5)]
    items(heap, pool, *found)
    set_global(heap, "app", "POOL", pool)
    frame = heap.frame(heap.thread("worker"), "handle")
    heap.root(RootKind.FRAME, "connection", found[-1], frame=frame)
    heap.native(found, 20 * MIB, NativeKind.SHARED)
    graph = graph_of(heap)
    inside, outside = report_memory(graph).native_owners
    assert (inside.kind, inside.count, inside.size, inside.holder) == (
        *("object", 4, 16 * MIB),
        "app.POOL",
    )
    assert (outside.count, outside.size, outside.holder) == (1, 4 * MIB, "app.POOL[4]")
    assert int(graph.native_retained[pool]) == inside.size
    assert "4 app.Connection held by `app.POOL` own 16.0 MiB" in native_sentence([inside], 20 * MIB)


def test_of_objects_of_several_types_what_holds_most_is_named():
    heap = HeapBuilder()
    module(heap, "app")
    pool = heap.object("dict", name="pool", size=0)
    found = [heap.object("app.Connection", size=0) for _ in range(5)]
    other = heap.object("app.Document", size=0)
    items(heap, pool, *found)
    set_global(heap, "app", "POOL", pool)
    set_global(heap, "app", "DOCUMENT", other)
    heap.native([*found, other], 20 * MIB, NativeKind.SHARED)
    graph = graph_of(heap)
    (owner,) = report_memory(graph).native_owners
    assert native_sentence([owner], 20 * MIB).endswith(
        "6 objects of 2 types (app.Connection, app.Document), most of them held by `app.POOL`,"
        " share 20.0 MiB (doubtful)."
    )
    assert int(graph.native_retained[pool]) == 0


def test_an_owner_that_a_global_has_as_well_is_the_globals_and_the_others_are_not():
    """Given three clients in a list, one of them a global as well, then two go with the list."""
    heap = native_heap()
    set_global(heap, "app", "LAST", heap.ids["last"])
    graph = graph_of(heap)
    listed, last = report_memory(graph).native_owners[:2]
    assert (listed.count, listed.holder) == (2, "app.CLIENTS")
    assert (last.count, last.holder) == (1, "app.LAST")
    assert listed.size == int(graph.native_retained[heap.ids["clients"]])
    assert listed.size + last.size == 50 * MIB
    assert last.size == 20 * MIB // 3


def test_what_each_item_of_a_container_has_is_the_containers():
    """Given sessions of a connection and its cursor each, then these are one row, not a row each,
    and no connection is counted twice."""
    heap = HeapBuilder()
    module(heap, "app")
    sessions = heap.object("dict", name="sessions", size=0)
    set_global(heap, "app", "SESSIONS", sessions)
    for number in range(4):
        session = heap.object("app.Session", size=0)
        pair = [heap.object("app.Connection", size=0) for _ in range(2)]
        items(heap, sessions, session)
        for name, one in zip(("connection", "cursor"), pair, strict=True):
            heap.edge(session, one, EdgeKind.SLOT, name)
        heap.native(pair, (number + 1) * MIB, NativeKind.SHARED)
        heap.native(pair, MIB, NativeKind.SHARED)
    (owner,) = report_memory(graph_of(heap)).native_owners
    assert (owner.count, owner.size, owner.holder) == (8, 14 * MIB, "app.SESSIONS")


def test_several_owners_of_roots_are_not_said_to_be_held_by_one_of_them():
    heap = HeapBuilder()
    for name in ("one", "other"):
        owner = heap.object("app.Client", size=0, name=name)
        heap.root(RootKind.C_HELD, "", owner)
        heap.native([owner], 4 * MIB)
    (found,) = report_memory(graph_of(heap)).native_owners
    assert (found.count, found.holder) == (2, "")


def test_the_holder_of_owners_is_that_of_what_they_are_in():
    """Given an object between each owner and the container, the container is named, not one item;
    it is also where some lie deeper than others."""
    heap = HeapBuilder()
    module(heap, "app")
    gallery = heap.object("list", name="gallery", size=0)
    cores = [heap.object("app.Core", size=0) for _ in range(5)]
    images = [heap.object("app.Image", size=0) for _ in cores]
    for image, core in zip(images, cores, strict=True):
        heap.edge(image, core, EdgeKind.SLOT, "core")
        heap.native([core], 4 * MIB)
    frame = heap.object("app.Frame", size=0)
    heap.edge(frame, images[0], EdgeKind.SLOT, "image")
    items(heap, gallery, frame, *images[1:])
    set_global(heap, "app", "GALLERY", gallery)
    (owner,) = report_memory(graph_of(heap)).native_owners
    assert (owner.count, owner.type, owner.holder) == (5, "app.Core", "app.GALLERY")


def test_owners_whom_nothing_holds_together_have_no_holder():
    """Given three objects, each in a place of its own, then none of the places is said of all."""
    heap = HeapBuilder()
    for name in ("one", "other", "third"):
        module(heap, name)
        place = heap.object("list", name=name, size=0)
        owner = heap.object("app.Client", size=0)
        items(heap, place, owner)
        set_global(heap, name, "PLACE", place)
        heap.native([owner], 4 * MIB)
    (found,) = report_memory(graph_of(heap)).native_owners
    assert (found.count, found.holder) == (3, "")
    assert "3 app.Client own 12.0 MiB" in native_sentence([found], 12 * MIB)


@pytest.mark.parametrize("kind", ["lost", "library", "stack", "unowned", ""])
def test_the_advice_follows_who_has_most(kind):
    owners = [NativeOwner(kind, MIB, 1, "", "a stack")] if kind else []
    words = {"lost": "lost", "library": "caches", "stack": "not known", "": "not known"}
    words["unowned"] = "see whether it shrinks"
    assert words[kind] in native_advice(owners)


def test_blocks_of_another_allocator_are_no_unknown_memory():
    """Given slabs, then what is free is slack, and of the rest it is said who leads there."""
    heap = native_heap()
    start = HEAP + 100 * MIB
    heap.mapping(start, start + 10 * MIB, "")
    heap.region("slabs", start, start + 10 * MIB, in_use=7 * MIB, free=3 * MIB)
    heap.native([], 6 * MIB, NativeKind.UNOWNED, name="libjemalloc.so.2", blocks=9)
    report = report_memory(graph_of(heap))
    found = {part.name: part.size for part in report.parts}
    assert found["free memory of other allocators"] == 3 * MIB
    assert found["blocks of other allocators that no object leads to (estimate)"] == 6 * MIB
    assert "anonymous memory of no known allocator" not in found
    assert "no object leads to 6.00 MiB of libjemalloc.so.2" in report.reason
    assert "unowned" in [owner.kind for owner in report.native_owners]
