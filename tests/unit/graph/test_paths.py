"""Paths from roots: which root explains, which of parallel references is named, who else holds."""

from random import Random

import numpy as np
import pytest

from heapgraph.graph import path_sums
from heapgraph.graph.paths import PathExclusions
from heapgraph.graph.roots import ROOT_PREFERENCE
from heapgraph.model import VIRTUAL_ROOT, EdgeKind, RootKind
from helpers.graphs import GraphBuilder


def object_ids(path):
    return [step.object_id for step in path.steps]


def chains(paths):
    return [object_ids(path) for path in paths]


def test_a_module_explains_before_a_nearer_local_variable():
    # module m (root) -> a -> b -> x;   frame local (root) -> x
    heap = GraphBuilder()
    m, a, b, x = (heap.object() for _ in range(4))
    for source, target in ((m, a), (a, b), (b, x)):
        heap.refer(source, target)
    heap.root(x, RootKind.FRAME, "local")
    heap.root(m, RootKind.MODULE, "app")
    graph = heap.build()
    path = graph.root_paths.path_to(x)
    assert object_ids(path) == [m, a, b, x]
    assert graph.roots.row(path.root).name == "app"
    assert graph.root_paths.distance.tolist() == [0, 1, 2, 3]
    without_modules = PathExclusions(root_kinds=frozenset({RootKind.MODULE}))
    path = graph.root_paths_without(without_modules).path_to(x)
    assert object_ids(path) == [x]
    assert graph.roots.row(path.root).name == "local"


def test_roots_of_one_object_are_ranked_by_kind():
    heap = GraphBuilder()
    x = heap.object()
    for kind in (RootKind.IMMORTAL, RootKind.FRAME, RootKind.C_HELD, RootKind.FRAME):
        heap.root(x, kind)
    graph = heap.build()
    assert graph.roots.rows_of(x) == [1, 3, 2, 0]
    assert graph.root_paths.path_to(x).root == 1
    groups = graph.roots.groups(without={RootKind.FRAME})
    assert [group.tolist() for group in groups if len(group)] == [[x], [x]]


def test_the_best_named_of_parallel_references_is_taken():
    heap = GraphBuilder()
    a, b = heap.object(), heap.object()
    heap.refer(a, b, EdgeKind.UNNAMED)
    heap.refer(a, b, EdgeKind.TYPE)
    heap.refer(a, b, EdgeKind.WEAK)
    heap.refer(a, b, EdgeKind.INDEX, 5)
    heap.refer(a, b, EdgeKind.INDEX, 3)
    heap.refer(a, a, EdgeKind.VALUE)
    heap.root(a)
    graph = heap.build()
    step = graph.root_paths.path_to(b).steps[-1]
    assert graph.labels[step.edge_index] == 5
    no_index = PathExclusions(edge_kinds=frozenset({EdgeKind.INDEX}))
    step = graph.root_paths_without(no_index).path_to(b).steps[-1]
    assert graph.edge_kinds[step.edge_index] == EdgeKind.TYPE
    nothing_left = frozenset({EdgeKind.INDEX, EdgeKind.TYPE, EdgeKind.UNNAMED})
    paths = graph.root_paths_without(PathExclusions(edge_kinds=nothing_left))
    assert paths.path_to(b) is None
    assert not paths.is_reached(b)
    assert graph.all_paths(b, 3, PathExclusions(edge_kinds=nothing_left)) == []


def test_all_paths_name_the_other_holders_first():
    # root -> r -> a -> x, r -> b -> x, r -> c -> a;  x -> d -> x does not hold x
    heap = GraphBuilder()
    r, a, b, c, d, x = (heap.object() for _ in range(6))
    for source, target in ((r, a), (r, b), (r, c), (c, a), (a, x), (b, x), (x, d), (d, x)):
        heap.refer(source, target)
    heap.refer(c, x, EdgeKind.WEAK)
    heap.root(r)
    heap.root(x, RootKind.FRAME, "local")
    graph = heap.build()
    found = chains(graph.all_paths(x, 10))
    assert found == [[r, a, x], [x], [r, b, x], [r, c, a, x]]
    assert chains(graph.all_paths(x, 2)) == found[:2]
    assert graph.all_paths(x, 0) == []
    roots = [graph.roots.row(path.root).target for path in graph.all_paths(x, 10)]
    assert roots == [r, x, r, r]


def test_all_paths_are_simple_different_and_real_on_random_graphs():
    random = Random(8)
    for _ in range(150):
        count = random.randint(2, 9)
        heap = GraphBuilder()
        for _ in range(count):
            heap.object()
        pairs = {(random.randrange(count), random.randrange(count)) for _ in range(count * 2)}
        for source, target in sorted(pairs):
            heap.refer(source, target)
        roots = {random.randrange(count) for _ in range(2)}
        for root in sorted(roots):
            heap.root(root)
        graph = heap.build()
        for goal in range(count):
            expected = set(simple_paths(pairs, roots, goal))
            found = [tuple(chain) for chain in chains(graph.all_paths(goal, 10_000))]
            assert len(set(found)) == len(found)
            assert set(found) == expected
            shortest = graph.root_paths.path_to(goal)
            assert bool(shortest) == bool(expected)
            if shortest:
                assert len(shortest.steps) == min(map(len, expected))


def test_every_object_counts_for_the_first_kind_of_root_that_reaches_it():
    random = Random(9)
    for _ in range(150):
        heap = GraphBuilder()
        count = random.randint(1, 9)
        sizes = [2**place for place in range(count)]
        for size in sizes:
            heap.object(size=size)
        pairs = {(random.randrange(count), random.randrange(count)) for _ in range(count)}
        for source, target in sorted(pairs):
            heap.refer(source, target)
        rows = [(random.randrange(count), random.choice(ROOT_PREFERENCE)) for _ in range(3)]
        for target, kind in rows:
            heap.root(target, kind)
        expected, seen = {}, set()
        for kind in ROOT_PREFERENCE:
            roots = {target for target, its_kind in rows if its_kind == kind}
            found = {goal for goal in range(count) if any(simple_paths(pairs, roots, goal))}
            if roots:
                expected[kind] = sum(sizes[goal] for goal in found - seen)
            seen |= found
        assert list(heap.build().root_paths.sizes_by_root_kind().items()) == list(expected.items())


def simple_paths(pairs, roots, goal, tail=()):
    """Every chain from a root to the goal without a repeated object."""
    chain = (goal, *tail)
    if goal in roots:
        yield chain
    for source, target in pairs:
        if target == goal and source not in chain:
            yield from simple_paths(pairs, roots, source, chain)


def test_a_hub_with_many_referrers_is_bounded():
    heap = GraphBuilder()
    top, hub = heap.object(), heap.object()
    heap.root(top)
    for _ in range(3000):
        holder = heap.object()
        heap.refer(top, holder)
        heap.refer(holder, hub)
        heap.refer(hub, holder)
    graph = heap.build()
    paths = graph.all_paths(hub, 20)
    assert len({chain[-2] for chain in chains(paths)}) == 20


def test_a_path_of_a_hundred_thousand_steps():
    heap = GraphBuilder()
    last = heap.object()
    heap.root(last)
    for _ in range(100_000):
        item = heap.object()
        heap.refer(last, item, EdgeKind.ATTRIBUTE, last)
        last = item
    path = heap.build().root_paths.path_to(last)
    assert len(path.steps) == 100_001
    assert [step.edge_index for step in path.steps[1:]] == list(range(100_000))


def test_merged_paths_count_members_and_bytes():
    # root r -> a -> x1, x2, y;  r -> b -> x3;  garbage x4
    heap = GraphBuilder()
    r, a, b = (heap.object("dict") for _ in range(3))
    x1, x2, x3, x4 = (heap.object("app.X", size=size) for size in (10, 20, 40, 80))
    y = heap.object("app.Y", size=1000)
    for source, target in ((r, a), (r, b), (a, x1), (a, x2), (a, y), (b, x3)):
        heap.refer(source, target)
    heap.root(r)
    graph = heap.build()
    merged = graph.root_paths.merge([x4, x3, x2, x1, x1])
    assert (merged.member_count, merged.total_size) == (3, 70)
    assert merged.children(VIRTUAL_ROOT).tolist() == [r]
    assert merged.children(r).tolist() == [a, b]
    assert merged.children(a).tolist() == [x2, x1]
    assert merged.counts.at([r, a, b, y]).tolist() == [3, 2, 1, 0]
    assert merged.sizes.at([r, a, b]).tolist() == [70, 30, 40]
    nothing = graph.root_paths.merge([])
    assert (nothing.member_count, nothing.total_size) == (0, 0)


def test_climbing_from_a_few_members_is_as_good_as_a_pass_over_the_heap(monkeypatch):
    generator = np.random.default_rng(5)
    heap = GraphBuilder()
    objects = [heap.object(size=int(size)) for size in generator.integers(1, 90, 400)]
    for target in objects[1:]:
        for source in generator.integers(0, target, 2).tolist():
            heap.refer(source, target)
    heap.root(objects[0])
    paths = heap.build().root_paths
    members = np.sort(generator.choice(400, 30, replace=False)).astype(np.uint32)
    few = paths.merge(members)
    monkeypatch.setattr(path_sums, "_MAX_LEVELS", -1)
    whole = paths.merge(members)
    for one, other in ((few.counts, whole.counts), (few.sizes, whole.sizes)):
        assert one.objects.tolist() == other.objects.tolist()
        assert one.at(objects).tolist() == other.at(objects).tolist()
    assert few.member_count == 30


@pytest.mark.parametrize("kind", list(RootKind))
def test_every_kind_of_root_makes_its_object_reachable(kind):
    heap = GraphBuilder()
    x = heap.object()
    heap.root(x, kind)
    assert heap.build().root_paths.is_reached(x)
