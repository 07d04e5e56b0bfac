"""A `__dict__` is shown as a part of its owner exactly when that is the truth."""

from itertools import pairwise

from heapgraph.model import UNREACHABLE, VIRTUAL_ROOT, EdgeKind, RootKind
from helpers.graphs import GraphBuilder


def instance(heap: GraphBuilder, type_name: str = "app.User") -> tuple[int, int]:
    owner = heap.object(type_name, size=10)
    its_dict = heap.object("dict", size=100)
    heap.refer(owner, its_dict, EdgeKind.DICT)
    return owner, its_dict


def test_an_instance_and_its_dict_are_one():
    heap = GraphBuilder()
    user, its_dict = instance(heap)
    tags = heap.object("list", size=1000)
    heap.value(its_dict, "tags", tags)
    heap.field(tags, "watcher", its_dict, EdgeKind.WEAK)
    heap.root(user)
    folded = heap.build().folded
    assert folded.owner_of(its_dict) == user
    assert folded.owner_of(user) == user
    assert folded.owner_of(tags) == tags
    assert folded.parts_of(user) == [user, its_dict]
    assert folded.parts_of(tags) == [tags]
    assert folded.shallow_size(user) == 110
    assert folded.retained_size(user) == 1110
    assert folded.children(VIRTUAL_ROOT) == [user]
    assert folded.children(user)[0] == tags
    assert folded.immediate_dominator(tags) == user
    assert folded.immediate_dominator(user) == VIRTUAL_ROOT
    assert folded.folded_count == 1


def test_a_dict_that_something_else_holds_stays_apart():
    heap = GraphBuilder()
    user, its_dict = instance(heap)
    other = heap.object("list")
    heap.items(other, its_dict)
    rooted, rooted_dict = instance(heap)
    for root in (user, other, rooted):
        heap.root(root, RootKind.FRAME)
    heap.root(rooted_dict, RootKind.FRAME, "namespace")
    folded = heap.build().folded
    assert folded.folded_count == 0
    assert set(folded.children(VIRTUAL_ROOT)) == {user, other, rooted, its_dict, rooted_dict}


def test_a_modules_dict_is_folded_although_functions_hold_it_too():
    heap = GraphBuilder()
    module, namespace = instance(heap, "module")
    function = heap.object("function", size=50)
    elsewhere = heap.object("list", size=5)
    heap.value(namespace, "load", function)
    heap.field(function, "__globals__", namespace)
    heap.items(elsewhere, function)
    heap.root(module, RootKind.MODULE, "app")
    heap.root(elsewhere, RootKind.FRAME, "callbacks")
    graph = heap.build()
    folded = graph.folded
    assert graph.dominators.idom[namespace] == VIRTUAL_ROOT
    assert folded.owner_of(namespace) == module
    assert namespace not in folded.children(VIRTUAL_ROOT)
    assert folded.retained_size(module) == 110
    assert folded.children(VIRTUAL_ROOT)[0] == module


def test_a_module_that_only_its_own_dict_holds_stays_in_the_tree():
    # A function outlives its module's entry in sys.modules: the namespace lies above the module.
    heap = GraphBuilder()
    module, namespace = instance(heap, "module")
    function = heap.object("function", size=50)
    heap.field(function, "__globals__", namespace)
    heap.value(namespace, "this", module)
    heap.root(function, RootKind.FRAME, "callback")
    folded = heap.build().folded
    assert folded.owner_of(namespace) == namespace
    assert folded.children(function) == [namespace]
    assert module in folded.children(namespace)


def test_every_reachable_object_is_shown_once_or_is_a_part():
    heap = GraphBuilder()
    top = heap.object("list")
    heap.root(top)
    owners = [instance(heap) for _ in range(5)]
    heap.items(top, *(owner for owner, _ in owners))
    for (_, its_dict), (owner, _) in pairwise(owners):
        heap.value(its_dict, "next", owner)
    garbage, garbage_dict = instance(heap)
    graph = heap.build()
    folded = graph.folded
    shown, pending = [], [VIRTUAL_ROOT]
    while pending:
        children = folded.children(pending.pop())
        shown += children
        pending += children
    parts = [part for owner in shown for part in folded.parts_of(owner)]
    reachable = [i for i in range(graph.object_count) if graph.dominators.idom[i] != UNREACHABLE]
    assert sorted(parts) == reachable
    assert folded.owner_of(garbage_dict) == garbage
    assert folded.immediate_dominator(garbage) == UNREACHABLE
