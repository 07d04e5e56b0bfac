"""A profile as `go tool pprof` reads it: the same holders and the same sizes as in heapgraph."""

from __future__ import annotations

import gzip
import io
import random
from collections import Counter

import pytest

from heapgraph.analysis.registry import run
from heapgraph.errors import HeapgraphError
from heapgraph.export.pprof import write_pprof
from heapgraph.export.profiles.messages import unpacked
from heapgraph.export.profiles.stack_tree import MAX_DEPTH, MAX_STACKS, build_stack_tree
from heapgraph.export.profiles.stacks import OTHERS, heap_stacks
from heapgraph.export.registry import EXPORTERS
from heapgraph.graph.heap_graph import HeapGraph
from heapgraph.model import UNREACHABLE, VIRTUAL_ROOT, EdgeKind, RootKind
from helpers.app_heap import app_heap, graph_of, items, module, set_global, store
from helpers.cli import run_process
from helpers.go_pprof import needs_go, pprof, top
from helpers.heaps import HeapBuilder
from helpers.hostile_heaps import HOSTILE_TEXTS, hostile_heap, write_long_list

ALL = 1
"""Bytes: nothing is folded away."""


def users_heap(count: int, payload: int = 1000) -> HeapBuilder:
    """`app.CACHE` with users, each with a history; their values and keys are secrets."""
    heap = HeapBuilder()
    module(heap, "app", "/srv/app.py")
    cache = heap.object("dict", size=10_000, name="cache")
    set_global(heap, "app", "CACHE", cache)
    for number in range(count):
        user = heap.object("app.User", size=100, name=f"user{number}")
        space = heap.object("dict", size=200)
        heap.edge(user, space, EdgeKind.DICT)
        history = heap.object("list", size=100)
        store(heap, space, "history", history)
        items(heap, history, heap.object("bytes", size=payload, preview=f"SECRET-{number}"))
        store(heap, cache, f"SECRET-KEY-{number}", user)
    heap.code("User.__init__ (/srv/app.py:12)")
    return heap


def profile_of(graph: HeapGraph, min_size: int = ALL):
    stream = io.BytesIO()
    write_pprof(graph, stream, min_size=min_size)
    return unpacked(stream.getvalue(), "memory"), stream.getvalue()


def write_profile(heap: HeapBuilder, path):
    path.write_bytes(profile_of(graph_of(heap))[1])
    return path


@needs_go
def test_the_first_holder_is_that_of_dominators(tmp_path):
    graph = graph_of(users_heap(50))
    profile = tmp_path / "x.pb.gz"
    EXPORTERS["pprof"].export(graph, profile)
    holders = [row for row in run("dominators", graph, limit=20).objects if row.type != "module"]
    rows = [row for row in top("-cum", profile, home=tmp_path) if "(module)" not in row.name]
    assert rows[0].name == holders[0].expression == "app.CACHE"
    assert rows[0].cum == holders[0].retained_size
    assert sum(row.flat for row in rows) <= graph.reachable_size


@needs_go
def test_it_says_whose_heap_it_is(tmp_path):
    graph = graph_of(app_heap())
    target = graph.manifest["target"]
    path = tmp_path / "x.pb.gz"
    with path.open("wb") as stream:
        write_pprof(graph, stream, worker="web/0")
    whose = f"process {target['pid']}, host {target['hostname'] or 'unknown'}"
    assert f"worker web/0, {whose}" in pprof("-comments", path, home=tmp_path)
    path = write_profile(app_heap(), tmp_path / "y.pb.gz")
    assert whose in pprof("-comments", path, home=tmp_path).splitlines()


@needs_go
def test_sizes_sum_up_to_the_reachable_heap(tmp_path):
    graph = graph_of(app_heap())
    path = write_profile(app_heap(), tmp_path / "x.pb.gz")
    assert sum(row.flat for row in top(path, home=tmp_path)) == graph.reachable_size
    counted = top("-sample_index=inuse_objects", path, home=tmp_path)
    assert sum(row.flat for row in counted) == build_stack_tree(graph, ALL).reachable_objects
    raw = pprof("-raw", path, home=tmp_path)
    assert "inuse_objects/count inuse_space/bytes[dflt]" in raw
    assert "Time: 2026-01-02 03:04:05" in raw


@needs_go
def test_what_was_added_is_what_a_difference_shows(tmp_path):
    old = write_profile(users_heap(50), tmp_path / "old.pb.gz")
    new = write_profile(users_heap(80), tmp_path / "new.pb.gz")
    rows = {row.name: row for row in top("-cum", f"-diff_base={old}", new, home=tmp_path)}
    added = graph_of(users_heap(80)).reachable_size - graph_of(users_heap(50)).reachable_size
    assert rows["app.CACHE"].cum == added
    assert rows["[*] (app.User)"].flat == 30 * 300
    assert rows["[*] (bytes)"].flat == 30 * 1000


@needs_go
def test_a_difference_of_our_own_says_the_same(tmp_path):
    old = write_profile(users_heap(50), tmp_path / "old.pb.gz")
    new = write_profile(users_heap(20), tmp_path / "new.pb.gz")
    for base, other, name in ((old, new, "less.pb.gz"), (new, old, "more.pb.gz")):
        code = (
            "import runpy, sys; sys.argv[1:] = " + repr([str(base), str(other)]) + "; "
            f"sys.argv += ['-o', {str(tmp_path / name)!r}]; "
            "runpy.run_module('heapgraph.export.pprof_delta', run_name='__main__')"
        )
        completed = run_process(code=code)
        assert completed.returncode == 0, completed.stderr
        by_go = top("-cum", f"-diff_base={base}", other, home=tmp_path)
        ours = top("-cum", tmp_path / name, home=tmp_path)
        changed = {row.name: row for row in by_go if row.flat or row.cum}
        assert {row.name: row for row in ours} == changed
        assert changed["[*] (bytes)"].flat == (30 if name == "more.pb.gz" else -30) * 1000


def test_alike_objects_are_one_place_with_the_code_of_their_class():
    graph = graph_of(users_heap(30))
    found = heap_stacks(graph, ALL)
    users = next(frame for frame in found.frames if frame.name == "[*] (app.User)")
    assert (users.place.file, users.place.line) == ("/srv/app.py", 12)
    history = next(frame for frame in found.frames if frame.name == ".history (list)")
    assert history.place == users.place  # it is set there
    stack = next(one for one in found.stacks if found.frames[one.frames[0]] == users)
    assert (stack.objects, stack.size) == (60, 30 * 300)  # with the dict of each
    names = [found.frames[row].name for row in stack.frames]
    assert names == ["[*] (app.User)", "app.CACHE", "app (module)"]


def test_no_value_is_in_a_profile():
    heap = users_heap(300)
    settings = heap.object("app.Settings", size=100)
    space = heap.object("dict", size=5000)
    heap.edge(settings, space, EdgeKind.DICT)
    for number in range(300):  # attributes by the hundred are no code
        store(heap, space, f"SECRET_NAME_{number}", heap.object("float", size=24))
    set_global(heap, "app", "SETTINGS", settings)
    heap.root(RootKind.MODULE, "SECRET module!", heap.object("app.Plugin", size=100))
    heap.root(RootKind.INTERNED, "", heap.object("str", size=60, preview="SECRET-INTERNED"))
    _, content = profile_of(graph_of(heap))
    text = gzip.decompress(content)
    assert b"SECRET" not in text
    assert b"<attribute>" in text
    assert b"app.SETTINGS" in text


def test_a_hostile_heap_is_written_without_its_control_characters():
    profile, _ = profile_of(graph_of(hostile_heap()))
    raw = [text for text in HOSTILE_TEXTS if not text.isprintable()]
    assert raw
    for text in profile.string_table:
        assert text == "" or text.isprintable()


def test_a_small_branch_belongs_to_what_is_above_it():
    graph = graph_of(users_heap(50, payload=20))
    fine, coarse = heap_stacks(graph, ALL), heap_stacks(graph, graph.reachable_size // 5)
    assert len(coarse.stacks) < len(fine.stacks)
    for found in (fine, coarse):
        assert sum(one.size for one in found.stacks) == graph.reachable_size
    nothing = heap_stacks(graph, 2 * graph.reachable_size)
    assert [frame.name for frame in nothing.frames] == [OTHERS]
    assert nothing.stacks[0].size == graph.reachable_size


def test_a_list_a_hundred_thousand_deep_ends(tmp_path):
    graph = HeapGraph.open(write_long_list(tmp_path / "long.heapgraph", 100_000))
    found = heap_stacks(graph, ALL)
    assert max(len(one.frames) for one in found.stacks) == MAX_DEPTH
    assert sum(one.size for one in found.stacks) == graph.reachable_size


def test_the_number_of_places_has_a_limit():
    heap = HeapBuilder()
    module(heap, "app")
    for number in range(MAX_STACKS + 500):
        set_global(heap, "app", f"NAME_{number}", heap.object("bytes", size=1000 + number % 2))
    graph = graph_of(heap)
    tree = build_stack_tree(graph, ALL)
    assert len(tree.names) == MAX_STACKS
    assert int(tree.own(tree.sizes).sum()) == int(tree.sizes[tree.parents < 0].sum())
    assert sum(one.size for one in heap_stacks(graph, ALL).stacks) == graph.reachable_size


@pytest.mark.parametrize("seed", range(20))
def test_a_group_has_what_its_objects_retain(seed):
    """Against the folded tree, on graphs made at random."""
    chance = random.Random(seed)
    heap = HeapBuilder()
    module(heap, "app")
    kinds = ["list", "dict", "app.A", "app.B"]
    ids = [heap.object(chance.choice(kinds), size=chance.randrange(16, 500)) for _ in range(60)]
    for number, source in enumerate(ids):
        for target in chance.sample(ids, chance.randrange(4)):
            heap.edge(source, target, EdgeKind.INDEX, number)
    for number, target in enumerate(chance.sample(ids, 5)):
        set_global(heap, "app", f"G{number}", target)
    graph = graph_of(heap)
    tree = build_stack_tree(graph, ALL)
    folded = graph.folded
    assert int(tree.sizes[tree.parents < 0].sum()) == graph.reachable_size
    assert int(tree.own(tree.sizes).min()) >= 0
    expected = Counter()
    for object_id in range(graph.object_count):
        depth, above = 0, object_id
        while above not in (VIRTUAL_ROOT, UNREACHABLE):
            depth, above = depth + 1, folded.immediate_dominator(above)
        if above == VIRTUAL_ROOT and folded.owner_of(object_id) == object_id:
            expected[depth, graph.type_name(object_id)] += folded.retained_size(object_id)
    found, depths = Counter(), []
    for parent, type_name, size in zip(tree.parents, tree.types, tree.sizes, strict=True):
        depths.append(1 + (depths[parent] if parent >= 0 else 0))
        found[depths[-1], type_name] += int(size)
    assert found == expected


@pytest.mark.parametrize("damage", ["cut", "text", "empty", "bomb"])
def test_a_damaged_profile_is_refused(damage):
    _, content = profile_of(graph_of(users_heap(2)))
    bad = {
        "cut": content[:-20],
        "text": gzip.compress(b"\xff" * 100),
        "empty": b"",
        "bomb": gzip.compress(b"\0" * (65 * 2**20)),
    }[damage]
    with pytest.raises(HeapgraphError) as failure:
        unpacked(bad, "x.pb.gz")
    what, _, hint = failure.value.parts()
    assert "x.pb.gz" in what
    assert "heapgraph export" in hint
