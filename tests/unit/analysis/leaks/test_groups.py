"""What is said to hold a group, where there is next to nothing to hold."""

from __future__ import annotations

import numpy as np

from heapgraph.analysis.leaks.accumulation import structure_mask
from heapgraph.analysis.leaks.groups import holder_of_group
from heapgraph.analysis.leaks.instances import MANY_INSTANCES, find_many_instances
from heapgraph.model import EdgeKind, ObjectFlags
from helpers.app_heap import app_heap, graph_of


def test_nothing_holds_a_group_without_members():
    assert holder_of_group(graph_of(app_heap()), np.empty(0, np.uint32)) is None


def test_open_resources_that_are_all_garbage_have_no_holder():
    heap = app_heap()
    for _ in range(MANY_INSTANCES):
        dead = heap.object("app.Session", flags=ObjectFlags.GARBAGE)
        heap.edge(dead, dead, EdgeKind.SLOT, "me")
    graph = graph_of(heap)
    assert list(find_many_instances(graph, [], structure_mask(graph))) == []
