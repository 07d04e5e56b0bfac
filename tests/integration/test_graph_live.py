"""Dominators, retained sizes and paths of a real heap, beside those of networkx."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest

from heapgraph.graph.roots import ROOT_PREFERENCE
from heapgraph.model import UNREACHABLE, VIRTUAL_ROOT, EdgeKind
from helpers.live_graphs import dump_graph
from helpers.running_target import start_target

TOP = -1


@pytest.fixture(scope="module")
def graph(tmp_path_factory):
    """The heap of a program with hundreds of kinds of objects."""
    with start_target("kinds.py") as target:
        return dump_graph(target, tmp_path_factory.mktemp("live") / "kinds.heapgraph")


@pytest.fixture(scope="module")
def own(graph):
    """The same references as a graph of networkx's own, below TOP, weak ones left out."""
    sources = np.repeat(np.arange(graph.object_count), np.diff(graph.offsets).astype(np.int64))
    strong = graph.edge_kinds != EdgeKind.WEAK
    result = nx.DiGraph()
    result.add_nodes_from(range(graph.object_count))
    result.add_edges_from((TOP, root) for root in graph.roots.targets.tolist())
    result.add_edges_from(
        zip(sources[strong].tolist(), graph.targets[strong].tolist(), strict=True)
    )
    return result


def test_dominators_and_retained_sizes_are_those_of_networkx(graph, own):
    above = dict(nx.immediate_dominators(own, TOP))
    above.pop(TOP, None)  # networkx has had it and not had it
    idom = np.full(graph.object_count, UNREACHABLE, np.uint32)
    for object_id, dominator in above.items():
        idom[object_id] = VIRTUAL_ROOT if dominator == TOP else dominator
    assert np.array_equal(graph.dominators.idom, idom)

    tree = nx.DiGraph((dominator, object_id) for object_id, dominator in above.items())
    retained = graph.shallow_sizes.astype(np.uint64)
    retained[idom == UNREACHABLE] = 0
    for object_id in nx.dfs_postorder_nodes(tree, TOP):
        dominator = above.get(object_id, TOP)
        if dominator != TOP:
            retained[dominator] += retained[object_id]
    assert np.array_equal(graph.dominators.retained_sizes, retained)


def test_paths_are_as_short_as_those_of_networkx(graph, own):
    """Kinds of roots are searched one after another, each among what none before has reached."""
    left = own.copy()
    left.remove_node(TOP)
    distance = np.full(graph.object_count, UNREACHABLE, np.uint32)
    for kind in ROOT_PREFERENCE:
        roots = set(graph.roots.targets[graph.roots.kinds == kind].tolist()) & set(left)
        if not roots:
            continue
        left.add_edges_from((TOP, root) for root in roots)
        found = nx.single_source_shortest_path_length(left, TOP)
        for object_id, steps in found.items():
            if object_id != TOP:
                distance[object_id] = steps - 1
        left.remove_nodes_from(found)
    assert np.array_equal(graph.root_paths.distance, distance)


@pytest.mark.parametrize(
    ("type_name", "names"),
    [
        ("re.Match", {"string", "re", "regs"}),
        ("re.Pattern", {"pattern", "groupindex", "indexgroup"}),
        (
            "zoneinfo.ZoneInfo",
            {"key", "file_repr", "utcoff", "dstoff", "tzname"}
            | {
                f"tzrule_after.{rule}.{name}"
                for rule in ("std", "dst")
                for name in ("utcoff", "dstoff", "tzname")
            },
        ),
    ],
)
def test_references_of_the_library_have_names(graph, type_name, names):
    """Given objects with all their parts, when they are asked, all fields have names."""
    found = set()
    for object_id in graph.objects_of_type(type_name).tolist():
        references = graph.referents(object_id)
        assert not [each for each in references if each.kind == EdgeKind.UNNAMED]
        found |= {graph.name(each.label) for each in references if each.kind == EdgeKind.FIELD}
    assert found == names
