"""A small application's heap, looked at from every side.

module app (root)                 frame local `job` (root)
   |  __dict__                        |
   v                                  v
namespace --['CACHE']--> cache     worker
   ^                     |   |        |
function (globals)    'a'|   |'b'     | .result
                         v   v        v
                      user1  user2 <--+     user1 ~~weak~~> worker
                         |      |
                    __dict__  __dict__
                         |      |
                     ['tags'] ['tags']
                         v      v
                       tags1  tags2          loop1 <-> loop2: garbage
"""

from types import SimpleNamespace

import numpy as np
import pytest

from heapgraph.errors import ObjectNotFound, SnapshotFormatError
from heapgraph.graph.dominators import DominatorTree
from heapgraph.graph.heap_graph import HeapGraph
from heapgraph.graph.object_sets import sum_by_group, sum_where
from heapgraph.model import UNREACHABLE, VIRTUAL_ROOT, EdgeKind, RootKind
from helpers.app_heap import app_heap, graph_of
from helpers.graphs import GraphBuilder, TableSnapshot


def application() -> tuple[GraphBuilder, SimpleNamespace]:
    heap = GraphBuilder()
    ids = SimpleNamespace(
        module=heap.object("module", size=70),
        namespace=heap.object("dict", size=200),
        function=heap.object("function", size=150),
        cache=heap.object("dict", size=300),
        user1=heap.object("app.User", size=40),
        user2=heap.object("app.User", size=41),
        dict1=heap.object("dict", size=100),
        dict2=heap.object("dict", size=101),
        tags1=heap.object("list", size=1000),
        tags2=heap.object("list", size=2000),
        worker=heap.object("app.Worker", size=60),
        loop1=heap.object("app.Node", size=5),
        loop2=heap.object("app.Node", size=6),
    )
    heap.refer(ids.module, ids.namespace, EdgeKind.DICT)
    heap.value(ids.namespace, "CACHE", ids.cache)
    heap.value(ids.namespace, "load", ids.function)
    heap.field(ids.function, "__globals__", ids.namespace)
    heap.value(ids.cache, "a", ids.user1)
    heap.value(ids.cache, "b", ids.user2)
    heap.refer(ids.user1, ids.dict1, EdgeKind.DICT)
    heap.refer(ids.user2, ids.dict2, EdgeKind.DICT)
    heap.value(ids.dict1, "tags", ids.tags1)
    heap.value(ids.dict2, "tags", ids.tags2)
    heap.field(ids.user1, "on_done", ids.worker, EdgeKind.WEAK)
    heap.attribute(ids.worker, "result", ids.user2)
    heap.attribute(ids.loop1, "other", ids.loop2)
    heap.attribute(ids.loop2, "other", ids.loop1)
    row = heap.frame(heap.thread(), "main", line=12)
    heap.root(ids.worker, RootKind.FRAME, "job", frame=row)
    heap.root(ids.module, RootKind.MODULE, "app")
    return heap, ids


@pytest.fixture(scope="module")
def app():
    heap, ids = application()
    return heap.build(), ids


def test_dominators_leave_weak_references_out(app):
    graph, ids = app
    idom = graph.dominators.idom
    assert idom[ids.user1] == ids.cache
    assert idom[ids.user2] == VIRTUAL_ROOT  # the module and the frame both hold it
    assert idom[ids.worker] == VIRTUAL_ROOT  # would be held by user1 too if weak ones counted
    assert idom[ids.loop1] == UNREACHABLE
    retained = graph.dominators.retained_sizes
    assert retained[ids.cache] == 300 + 40 + 100 + 1000
    assert retained[ids.user2] == 41 + 101 + 2000
    assert retained[ids.worker] == 60
    assert (graph.reachable_size, graph.unreachable_size) == (4062, 11)


def test_tree_questions(app):
    graph, ids = app
    tree = graph.dominators
    assert tree.children(VIRTUAL_ROOT).tolist()[:3] == [ids.user2, ids.module, ids.worker]
    assert tree.children(ids.cache).tolist()[0] == ids.user1
    assert set(tree.dominated(ids.user1).tolist()) == {ids.user1, ids.dict1, ids.tags1}
    assert tree.chain(ids.tags1) == [ids.dict1, ids.user1, ids.cache, ids.namespace, ids.module]
    assert tree.chain(ids.loop1) == []
    assert tree.dominates(ids.cache, ids.tags1)
    assert tree.dominates(ids.cache, ids.cache)
    assert not tree.dominates(ids.tags1, ids.cache)
    assert not tree.dominates(ids.cache, ids.tags2)
    assert not tree.dominates(ids.loop1, ids.loop1)


def test_dominance_is_told_of_the_end_of_a_long_chain_as_well():
    """A walk up the tree gives up after a thousand steps; the order from the top answers then."""
    count = 3000
    idom = np.arange(-1, count - 1).astype(np.uint32)  # 0 under the virtual root, then a chain
    idom[0], idom[-2:] = VIRTUAL_ROOT, (0, UNREACHABLE)
    tree = DominatorTree(idom, np.ones(count, np.uint64))
    end, beside, dead = count - 3, count - 2, count - 1
    assert all(tree.dominates(above, end) for above in (0, 1, end - 1500, end - 1, end))
    assert not any(tree.dominates(above, end) for above in (beside, dead))
    assert not tree.dominates(end, 0)
    assert not tree.dominates(end, dead)
    assert tree.unsorted_children(0).tolist() == [1, beside]
    assert tree.children_of_all(np.array([0, end - 1], np.uint32)).tolist() == [1, beside, end]


def test_retained_size_of_sets(app):
    graph, ids = app
    tree = graph.dominators
    assert tree.topmost([ids.tags1, ids.user1, ids.dict1, ids.loop1]).tolist() == [ids.user1]
    assert tree.minimum_retained_size([ids.tags1, ids.user1, ids.user1]) == 1140
    assert tree.minimum_retained_size([]) == 0
    both_holders = [ids.cache, ids.worker]
    assert tree.minimum_retained_size(both_holders) == 1440 + 60
    assert graph.set_retained_size(both_holders) == 1440 + 60 + 41 + 101 + 2000
    assert graph.set_retained_size([]) == 0
    assert graph.set_retained_size([ids.loop1]) == 0
    assert graph.set_retained_size([ids.module, ids.worker]) == graph.reachable_size


def test_retained_by_type_counts_nested_members_once(app):
    graph, ids = app
    by_type = dict(zip(graph.type_names, graph.retained_by_type().tolist(), strict=True))
    assert by_type["app.User"] == 1140 + 2142
    assert by_type["list"] == 3000
    assert by_type["app.Node"] == 0
    # The namespace dominates cache and dict1; dict2 lies under user2, beside it.
    assert by_type["dict"] == graph.dominators.retained_sizes[ids.namespace] + 101 + 2000


def test_lookup(app):
    graph, ids = app
    assert graph.find_address(int(graph.addresses[ids.cache])) == ids.cache
    with pytest.raises(ObjectNotFound, match="0x10"):
        graph.find_address(0x10)
    with pytest.raises(ObjectNotFound):
        graph.find_address(2**64 - 1)
    assert graph.objects_of_type("app.User").tolist() == [ids.user1, ids.user2]
    assert ids.worker in graph.objects_of_type("app.*")
    assert graph.objects_of_type("appxUser").tolist() == []
    assert graph.objects_of_type("*" * 60 + "ppxUser").tolist() == []  # at once
    assert graph.type_name(ids.user1) == "app.User"
    assert [frame.function for frame in graph.frames] == ["main"]
    assert graph.frames[0].line == 12
    assert graph.threads[0].name == "MainThread"


def test_referents_and_referrers_agree(app):
    graph, ids = app
    forward = [r for i in range(graph.object_count) for r in graph.referents(i)]
    backward = [r for i in range(graph.object_count) for r in graph.referrers(i)]
    assert forward == sorted(backward, key=lambda reference: reference.edge_index)
    assert len(forward) == graph.reference_count
    kinds = {(r.source, r.kind) for r in graph.referrers(ids.worker)}
    assert kinds == {(ids.user1, EdgeKind.WEAK)}
    weak = graph.referrers(ids.worker)[0]
    assert graph.name(weak.label) == "on_done"
    key = graph.referrers(ids.user1)[0]
    assert graph.preview(key.label) == "a"


def test_an_empty_snapshot_has_nothing_and_says_so():
    graph = GraphBuilder().build()
    assert graph.object_count == graph.reference_count == 0
    assert graph.reachable_size == graph.unreachable_size == 0
    assert len(graph.dominators.children(VIRTUAL_ROOT)) == 0
    assert graph.folded.children(VIRTUAL_ROOT) == []
    assert graph.retained_by_type().tolist() == []


@pytest.mark.parametrize(
    ("table", "column", "value", "complaint"),
    [
        ("references", "target", 999, "references contradicts the others: target is 999 at row 0"),
        ("references", "kind", 77, "references contradicts the others: kind is 77 at row 0"),
        ("objects", "type", 50, "objects contradicts the others: type is 50 at row 0"),
        ("objects", "out_degree", 9, "rows where"),
        ("roots", "target", 999, "roots contradicts the others: target is 999 at row 0"),
        ("roots", "kind", 10, "roots contradicts the others: kind is 10 at row 0"),
    ],
)
def test_tables_that_contradict_one_another_are_a_damaged_file(table, column, value, complaint):
    tables = application()[0].tables()
    position = tables[table].column_names.index(column)
    numbers = tables[table].column(column).to_numpy().copy()
    numbers[0] = value
    tables[table] = tables[table].set_column(position, column, [numbers])
    graph = HeapGraph(TableSnapshot(tables, {}), use_cache=False)
    with pytest.raises(SnapshotFormatError, match=complaint) as failure:
        _ = graph.dominators, graph.type_ids
    assert failure.value.member.endswith(".parquet")


def test_sums_by_group_are_exact_beyond_what_floats_hold():
    groups = np.array([0, 1, 0, 1, 1], np.uint32)
    small = np.array([1, 2, 3, 4, 5], np.uint64)
    assert sum_by_group(groups, small, 3).tolist() == [4, 11, 0]
    large = np.array([2**61 + 1, 7, 2**53 + 1, 2**33, 0], np.uint64)
    assert sum_by_group(groups, large, 3).tolist() == [2**61 + 2**53 + 2, 2**33 + 7, 0]
    assert sum_by_group(groups[:0], small[:0], 2).tolist() == [0, 0]
    assert sum_where(small, small > 3) == 9


def test_many_references_are_those_taken_one_by_one():
    graph = graph_of(app_heap())
    edges = [*range(graph.reference_count)][::-1]
    assert graph.references(edges) == [graph.reference(edge) for edge in edges]
    assert {type(found.kind) for found in graph.references(edges)} == {EdgeKind}
    assert graph.references([]) == []
