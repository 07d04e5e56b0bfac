"""The kernels against plain Python on seeded random graphs, and against bad arguments."""

from random import Random

import numpy as np
import pytest

from heapgraph.model import UNREACHABLE, VIRTUAL_ROOT
from heapgraph.native import graph_kernels, reference_kernels
from heapgraph.native.key_numbers import number_keys
from helpers.reference_algorithms import (
    RawGraph,
    dominated_sets,
    dominators_by_networkx,
    dominators_by_removal,
    graph_of,
    random_graph,
    reached,
    search_by_groups,
)

RANDOM_GRAPHS = 300
SEEDS = range(10)


def dominator_tree(graph: RawGraph):
    return graph_kernels.dominator_tree(
        graph.offsets, graph.targets, graph.roots, graph.sizes, graph.skip
    )


@pytest.mark.parametrize("seed", SEEDS)
def test_dominators_are_what_removing_each_object_shows(seed):
    random = Random(seed)
    for _ in range(RANDOM_GRAPHS):
        graph = random_graph(random)
        idom, retained = dominator_tree(graph)
        expected_idom, expected_retained = dominators_by_removal(graph)
        assert idom.tolist() == expected_idom, graph
        assert retained.tolist() == expected_retained, graph


def test_dominators_are_those_of_networkx_on_larger_graphs():
    random = Random(77)
    for _ in range(40):
        graph = random_graph(random, most_objects=300)
        idom, _ = dominator_tree(graph)
        assert idom.tolist() == dominators_by_networkx(graph), graph


@pytest.mark.parametrize("seed", SEEDS)
def test_breadth_first_searches_group_after_group(seed):
    random = Random(seed)
    for _ in range(RANDOM_GRAPHS):
        graph = random_graph(random)
        groups = [
            [random.randrange(graph.count) for _ in range(random.randrange(3))]
            for _ in range(random.randrange(4))
        ]
        arrays = [np.array(group, np.uint32) for group in groups]
        found = graph_kernels.breadth_first(graph.offsets, graph.targets, arrays, graph.skip)
        assert tuple(array.tolist() for array in found) == search_by_groups(graph, groups), graph


def test_a_reachability_search_goes_on_with_further_roots():
    random = Random(11)
    for _ in range(RANDOM_GRAPHS):
        graph = random_graph(random)
        arrays = (graph.offsets, graph.targets)
        first, later = np.array_split(graph.roots, 2)
        mark = graph_kernels.reachable(*arrays, first, graph.skip)
        before = mark.copy()
        again = graph_kernels.reachable(*arrays, later, graph.skip, mark)
        assert again is mark
        assert (again >= before).all()
        assert (again == graph_kernels.reachable(*arrays, graph.roots, graph.skip)).all()


def test_reachable_marks_what_a_search_finds():
    random = Random(3)
    for _ in range(RANDOM_GRAPHS):
        graph = random_graph(random)
        mark = graph_kernels.reachable(graph.offsets, graph.targets, graph.roots, graph.skip)
        assert set(np.flatnonzero(mark).tolist()) == reached(graph), graph
        assert set(mark.tolist()) <= {0, 1}


def test_reverse_references_are_sorted_by_referent_and_number():
    random = Random(4)
    for _ in range(RANDOM_GRAPHS):
        graph = random_graph(random)
        offsets, sources, edges = graph_kernels.reverse_references(graph.offsets, graph.targets)
        order = np.argsort(graph.targets, kind="stable")
        places = np.searchsorted(graph.offsets, order.astype(np.uint64), side="right") - 1
        assert edges.tolist() == order.tolist()
        assert sources.tolist() == places.tolist()
        degrees = np.bincount(graph.targets, minlength=graph.count)
        assert offsets.tolist() == [0, *np.cumsum(degrees).tolist()]


def test_tree_order_gives_what_each_object_dominates():
    random = Random(5)
    for _ in range(RANDOM_GRAPHS):
        graph = random_graph(random)
        idom, _ = dominator_tree(graph)
        order = graph_kernels.tree_order(idom)
        dominated = dominated_sets(graph)
        assert len(order.preorder) == len(dominated)
        for object_id in range(graph.count):
            begin, count = int(order.position[object_id]), int(order.subtree_count[object_id])
            if object_id in dominated:
                subtree = order.preorder[begin : begin + count].tolist()
                assert subtree[0] == object_id
                assert sorted(subtree) == sorted(dominated[object_id])
            else:
                assert (begin, count) == (UNREACHABLE, 0)
        for row, above in enumerate([*range(graph.count), VIRTUAL_ROOT]):
            children = order.children[order.child_offsets[row] : order.child_offsets[row + 1]]
            assert children.tolist() == np.flatnonzero(idom == above).tolist()


def test_sum_topmost_counts_members_that_no_member_dominates():
    random = Random(6)
    for _ in range(RANDOM_GRAPHS):
        graph = random_graph(random)
        idom, retained = dominator_tree(graph)
        groups = np.array([random.randrange(3) for _ in range(graph.count)], np.uint32)
        totals = graph_kernels.sum_topmost(graph_kernels.tree_order(idom), groups, 3, retained)
        dominated = dominated_sets(graph)
        for group in range(3):
            members = [m for m in dominated if groups[m] == group]
            top = [m for m in members if not any(m in dominated[o] for o in members if o != m)]
            assert totals[group] == sum(int(retained[m]) for m in top), graph


def test_sum_to_parents_adds_all_that_lies_behind():
    # 0 -> 1 -> 2, 0 -> 3
    graph = graph_of([[1, 3], [2], [], []], roots=[0])
    parent, _, order = graph_kernels.breadth_first(graph.offsets, graph.targets, [graph.roots])
    values = np.array([1, 10, 100, 1000], np.uint64)
    graph_kernels.sum_to_parents(order, parent, values)
    assert values.tolist() == [1111, 110, 100, 1000]


def test_keys_are_numbered_in_the_order_of_their_first_appearance():
    """Given keys of any size and sign, few or many distinct, numbers lead back to them."""
    random = np.random.default_rng(3)
    for least, most in ((0, 5), (-(2**62), 2**62), (-3, 3000)):
        keys = random.integers(least, most, 20_000, dtype=np.int64)
        distinct, numbers = number_keys(keys)
        assert distinct.tolist() == list(dict.fromkeys(keys.tolist()))
        assert np.array_equal(distinct[numbers], keys)
    none, numbers = number_keys(np.empty(0, np.int64))
    assert (len(none), len(numbers)) == (0, 0)
    with pytest.raises(ValueError, match="int64"):
        number_keys(np.zeros(3, np.uint32))


def test_count_in_references_leaves_out_what_is_not_counted():
    targets = np.array([1, 1, 1, 0], np.uint32)
    counted = np.array([1, 0, 1, 0], np.uint8)
    assert graph_kernels.count_in_references(3, targets).tolist() == [1, 3, 0]
    assert graph_kernels.count_in_references(3, targets, counted).tolist() == [0, 2, 0]


def test_references_are_counted_and_named_by_their_source():
    offsets = np.array([0, 2, 2, 5], np.uint64)
    counted = np.array([1, 0, 1, 1, 1], np.uint8)
    assert reference_kernels.count_out_references(offsets, counted).tolist() == [1, 0, 3]
    assert reference_kernels.reference_sources(offsets).tolist() == [0, 0, 2, 2, 2]
    nothing = np.zeros(1, np.uint64)
    assert len(reference_kernels.reference_sources(nothing)) == 0
    assert len(reference_kernels.count_out_references(nothing, counted[:0])) == 0
    for wrong in (np.array([0, 4, 3], np.uint64), np.array([1, 3], np.uint64)):
        with pytest.raises(ValueError, match="offsets must rise"):
            reference_kernels.reference_sources(wrong)
    with pytest.raises(ValueError, match="offsets must rise"):
        reference_kernels.count_out_references(offsets, counted[:3])
    with pytest.raises(ValueError, match="one entry more"):
        reference_kernels.reference_sources(nothing[:0])


def test_depth_counts_dominators():
    graph = graph_of([[1, 2], [2], [3], [], [3], []], roots=[0, 4])
    idom, _ = dominator_tree(graph)
    depths = graph_kernels.tree_depths(graph_kernels.tree_order(idom), idom)
    assert depths.tolist() == [0, 1, 1, 0, 0, 0]
    order = graph_kernels.tree_order(np.array([VIRTUAL_ROOT, 0], np.uint32))
    with pytest.raises(ValueError, match="immediate dominator"):
        graph_kernels.tree_depths(order, np.array([9, 0], np.uint32))


def test_an_empty_graph_and_a_graph_without_roots():
    nothing = graph_of([], roots=[])
    idom, retained = dominator_tree(nothing)
    assert (len(idom), len(retained)) == (0, 0)
    assert len(graph_kernels.tree_order(idom).preorder) == 0
    assert [len(a) for a in graph_kernels.breadth_first(nothing.offsets, nothing.targets, [])] == [
        0,
        0,
        0,
    ]
    rootless = graph_of([[1], [0]], roots=[])
    assert dominator_tree(rootless)[0].tolist() == [UNREACHABLE, UNREACHABLE]


def test_sizes_beyond_32_bits_are_summed_exactly():
    graph = graph_of([[1], [2], []], roots=[0], sizes=[2**40, 2**41, 2**33 + 1])
    assert dominator_tree(graph)[1].tolist() == [
        2**40 + 2**41 + 2**33 + 1,
        2**41 + 2**33 + 1,
        2**33 + 1,
    ]


def test_read_only_arrays_are_as_good():
    graph = graph_of([[1], []], roots=[0])
    for array in (graph.offsets, graph.targets, graph.roots, graph.sizes):
        array.flags.writeable = False
    assert dominator_tree(graph)[1].tolist() == [2, 1]


@pytest.mark.parametrize(
    ("offsets", "targets", "roots", "complaint"),
    [
        ([0, 1, 1], [2], [0], "target is not an object"),
        ([0, 1, 1], [0xFFFFFFFF], [0], "target is not an object"),
        ([0, 1, 1], [1], [2], "root is not an object"),
        ([0, 2, 1], [1], [0], "offsets must rise"),
        ([0, 1, 2], [1], [0], "offsets must rise"),
        ([1, 1, 1], [1], [0], "offsets must rise"),
        ([0, 2**63, 1], [1], [0], "offsets must rise"),
    ],
)
def test_ids_and_offsets_out_of_range_are_refused(offsets, targets, roots, complaint):
    arrays = np.array(offsets, np.uint64), np.array(targets, np.uint32)
    starts, sizes = np.array(roots, np.uint32), np.ones(2, np.uint64)
    with pytest.raises(ValueError, match=complaint):
        graph_kernels.dominator_tree(*arrays, starts, sizes)
    with pytest.raises(ValueError, match=complaint):
        graph_kernels.breadth_first(*arrays, [starts])
    with pytest.raises(ValueError, match=complaint):
        graph_kernels.reachable(*arrays, starts)
    if "root" not in complaint:
        with pytest.raises(ValueError, match=complaint):
            graph_kernels.reverse_references(*arrays)


def test_a_tree_or_group_out_of_range_is_refused():
    with pytest.raises(ValueError, match="immediate dominator"):
        graph_kernels.tree_order(np.array([VIRTUAL_ROOT, 7], np.uint32))
    order = graph_kernels.tree_order(np.array([VIRTUAL_ROOT, 0], np.uint32))
    with pytest.raises(ValueError, match="group number"):
        graph_kernels.sum_topmost(order, np.array([0, 1], np.uint32), 1, np.ones(2, np.uint64))
    with pytest.raises(ValueError, match="target is not an object"):
        graph_kernels.count_in_references(1, np.array([1], np.uint32))


def test_a_damaged_tree_with_a_cycle_ends():
    order = graph_kernels.tree_order(np.array([1, 0, VIRTUAL_ROOT], np.uint32))
    assert order.preorder.tolist() == [2]


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("offsets", np.zeros(3, np.int64), "offsets must be a flat uint64 array"),
        ("offsets", np.zeros(0, np.uint64), "one entry more"),
        ("targets", np.zeros((1, 1), np.uint32), "targets must be a flat uint32 array"),
        ("targets", np.zeros(2, np.uint32)[::2], None),
        ("roots", np.zeros(4, np.uint32)[::2], "roots must be contiguous"),
        ("roots", [0], "roots must be a flat uint32 array, not list"),
        ("sizes", np.ones(3, np.uint64), "sizes must have 2 entries, not 3"),
        ("skip", np.zeros(2, np.uint8), "skip must have 1 entries, not 2"),
        ("skip", np.zeros(1, np.bool_), "skip must be a flat uint8 array"),
    ],
)
def test_arrays_of_a_wrong_kind_are_refused(name, value, complaint):
    arguments = {
        "offsets": np.array([0, 1, 1], np.uint64),
        "targets": np.array([1], np.uint32),
        "roots": np.array([0], np.uint32),
        "sizes": np.ones(2, np.uint64),
        "skip": None,
        name: value,
    }
    if complaint is None:  # one entry of a strided array is contiguous after all
        assert graph_kernels.dominator_tree(**arguments)[0].tolist()[0] == VIRTUAL_ROOT
        return
    with pytest.raises(ValueError, match=complaint):
        graph_kernels.dominator_tree(**arguments)
