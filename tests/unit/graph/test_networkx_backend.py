"""networkx on a snapshot gives what networkx gives on its own graph of the same references."""

from itertools import pairwise
from random import Random

import networkx as nx
import pytest

from heapgraph.graph.networkx.graph import ROOT
from heapgraph.model import EdgeKind
from helpers.graphs import GraphBuilder


def random_pair(random: Random):
    """The same random heap as a snapshot's graph and as networkx's own."""
    count = random.randint(1, 12)
    heap = GraphBuilder()
    own = nx.MultiDiGraph()
    own.add_nodes_from([ROOT, *range(count)])
    for _ in range(count):
        heap.object()
    pairs = sorted(
        (random.randrange(count), random.randrange(count)) for _ in range(int(count * 1.5))
    )
    roots = {random.randrange(count) for _ in range(random.randrange(3))}
    for root in sorted(roots):
        heap.root(root)
        own.add_edge(ROOT, root)
    for source, target in pairs:
        is_weak = random.random() < 0.2
        heap.refer(source, target, EdgeKind.WEAK if is_weak else EdgeKind.UNNAMED)
        if not is_weak:
            own.add_edge(source, target)
    return heap.build().as_networkx(), own


@pytest.fixture(params=range(4))
def pairs(request):
    random = Random(request.param)
    return [random_pair(random) for _ in range(15)]


def test_the_graph_itself(pairs):
    for graph, own in pairs:
        assert graph.is_directed()
        assert graph.is_multigraph()
        assert list(graph) == list(graph.nodes) == list(own)
        assert len(graph) == graph.number_of_nodes() == graph.order() == len(own)
        assert graph.number_of_edges() == graph.size() == own.number_of_edges()
        assert sorted(graph.edges) == sorted((u, v) for u, v, _ in own.edges)
        for node in own:
            assert set(graph.successors(node)) == set(own.successors(node))
            assert set(graph.predecessors(node)) == set(own.predecessors(node))
            assert graph.out_degree(node) == own.out_degree(node)
            assert graph.in_degree(node) == own.in_degree(node)
            assert all(graph.has_edge(node, other) == own.has_edge(node, other) for other in own)
        assert len(graph.nodes) not in graph
        assert -2 not in graph
        assert "x" not in graph
        assert graph.has_node(ROOT)


def test_immediate_dominators(pairs):
    for graph, own in pairs:
        for start in own:
            expected = dict(nx.immediate_dominators(own, start))
            expected.pop(start, None)  # networkx before 3.6 has start: start
            assert dict(nx.immediate_dominators(graph, start)) == expected


def test_ancestors_and_descendants(pairs):
    for graph, own in pairs:
        for node in own:
            for function in (nx.ancestors, nx.descendants):
                found, expected = function(graph, node), function(own, node)
                assert found == expected
                assert set(found) == expected
                assert found | {node} == expected | {node}


def test_shortest_paths(pairs):
    for graph, own in pairs:
        for source in own:
            lengths = nx.shortest_path_length(own, source)
            assert dict(nx.shortest_path_length(graph, source)) == dict(lengths)
            check_paths(own, nx.shortest_path(graph, source), nx.shortest_path(own, source))
            check_paths(
                own, nx.shortest_path(graph, target=source), nx.shortest_path(own, target=source)
            )
            for target in own:
                reachable = target in lengths
                assert nx.has_path(graph, source, target) == reachable
                if reachable:
                    found = nx.shortest_path(graph, source, target)
                    check_paths(
                        own, {target: found}, {target: nx.shortest_path(own, source, target)}
                    )
                    assert nx.shortest_path_length(graph, source, target) == lengths[target]
                else:
                    with pytest.raises(nx.NetworkXNoPath):
                        nx.shortest_path(graph, source, target)


def check_paths(own, found, expected):
    """Equally short, with the same ends, along edges that exist."""
    assert set(found) == set(expected)
    assert len(found) == len(expected)
    for node, path in found.items():
        assert len(path) == len(expected[node])
        assert (path[0], path[-1]) == (expected[node][0], expected[node][-1])
        assert all(own.has_edge(*pair) for pair in pairwise(path))


def test_breadth_first_edges(pairs):
    for graph, own in pairs:
        for source in own:
            for reverse in (False, True):
                for depth in (None, 1, 2):
                    arguments = {"reverse": reverse, "depth_limit": depth}
                    found = [v for _, v in nx.bfs_edges(graph, source, **arguments)]
                    expected = [v for _, v in nx.bfs_edges(own, source, **arguments)]
                    assert sorted(found) == sorted(expected)


def test_nodes_that_do_not_exist_are_refused():
    graph, own = random_pair(Random(1))
    missing = len(own)
    with pytest.raises(nx.NodeNotFound, match="not an object id"):
        nx.descendants(graph, missing)
    with pytest.raises(nx.NodeNotFound):
        nx.shortest_path(graph, ROOT, missing)
    with pytest.raises(KeyError):
        nx.immediate_dominators(graph, ROOT)[missing]
    with pytest.raises(nx.NetworkXError, match="too many"):
        nx.shortest_path(graph)


def test_what_the_backend_lacks_raises_instead_of_converting():
    graph, own = random_pair(Random(2))
    with pytest.raises(NotImplementedError):
        nx.pagerank(graph)
    with pytest.raises(nx.NetworkXNotImplemented, match="weight"):
        nx.shortest_path(graph, 0, weight="size")
    with pytest.raises(nx.NetworkXNotImplemented, match="sort_neighbors"):
        list(nx.bfs_edges(graph, 0, sort_neighbors=sorted))
    with pytest.raises(NotImplementedError, match="given arguments"):
        nx.descendants(own, 0, backend="heapgraph")


def test_networkx_keeps_its_own_graphs_where_the_backend_is_preferred():
    _, own = random_pair(Random(2))
    with nx.config(backend_priority=["heapgraph"]):
        assert nx.descendants(own, ROOT) == nx.descendants(own, ROOT, backend="networkx")


def test_the_fallback_converts_when_the_user_switched_it_on():
    graph, own = random_pair(Random(3))
    with nx.config(fallback_to_nx=True):
        found = nx.number_weakly_connected_components(graph)
    assert found == nx.number_weakly_connected_components(own)


def test_a_cut_out_is_an_ordinary_graph_with_attributes():
    heap = GraphBuilder()
    cache = heap.object("dict", size=100)
    user = heap.object("app.User", size=50)
    outside = heap.object("list", size=7)
    heap.refer(cache, user, EdgeKind.UNNAMED)
    heap.refer(cache, user, EdgeKind.INDEX, 4)
    heap.refer(user, outside)
    heap.root(cache)
    graph = heap.build()
    part = graph.to_networkx([user, cache])
    assert type(part) is nx.DiGraph
    assert set(part) == {cache, user}
    assert part.nodes[user] == {
        "type": "app.User",
        "address": int(graph.addresses[user]),
        "shallow_size": 50,
        "retained_size": 57,
    }
    assert list(part.edges(data=True)) == [(cache, user, {"kind": "index", "label": 4, "count": 2})]
    assert len(graph.to_networkx([])) == 0
