"""Values by context, by thread and of an event loop: what they are called, and back."""

from __future__ import annotations

from heapgraph.analysis.expressions import expression, resolve
from heapgraph.model import EdgeKind, RootKind
from helpers.app_heap import graph_of, items, module, set_global, store
from helpers.heaps import HeapBuilder


def test_a_value_in_a_context_goes_by_its_variable():
    """m.CONTEXT -> hamt -> array node -> bitmap node: request, value, user, other."""
    heap = HeapBuilder()
    module(heap, "m")
    context, tree, array, node = (
        heap.object(name) for name in ("Context", "hamt", "hamt_array_node", "hamt_bitmap_node")
    )
    set_global(heap, "m", "CONTEXT", context)
    heap.edge(context, tree, EdgeKind.UNNAMED, 24)
    heap.edge(tree, array, EdgeKind.UNNAMED, 16)
    heap.edge(array, node, EdgeKind.INDEX, 3)
    request, user = heap.object("ContextVar"), heap.object("ContextVar")
    for variable, name in ((request, "request"), (user, "user")):
        heap.edge(variable, heap.string(name), EdgeKind.FIELD, "name")
    value, other, inner = (heap.object(name) for name in ("list", "dict", "bytes"))
    items(heap, node, request, value, user, other)
    items(heap, value, inner)
    graph = graph_of(heap)
    assert expression(graph, inner) == "m.CONTEXT[<ContextVar 'request'>][0]"
    assert expression(graph, other) == "m.CONTEXT[<ContextVar 'user'>]"
    for each in (inner, value, other):
        assert resolve(graph, expression(graph, each)) == each


def test_a_thread_local_says_whose_value_it_is():
    """m.LOCAL -> a table: weakref -> the variables of a thread, for two threads."""
    heap = HeapBuilder()
    module(heap, "m")
    local, table = heap.object("_thread._local"), heap.object("dict")
    set_global(heap, "m", "LOCAL", local)
    heap.edge(local, table, EdgeKind.UNNAMED, 48)
    clients = {}
    for name in ("worker-1", "worker-2"):
        frame = heap.frame(heap.thread(name), "work", "/srv/run.py", 3)
        own, dummy = heap.object("dict"), heap.object("_thread._localdummy")
        heap.root(RootKind.THREAD, "dict", own, frame=frame)
        store(heap, own, "thread.local.1", dummy)
        weak, space = heap.object("weakref.ReferenceType"), heap.object("dict")
        heap.edge(weak, dummy, EdgeKind.WEAK, "referent")
        heap.edge(table, space, EdgeKind.VALUE, weak)
        clients[name] = heap.object("m.Client")
        store(heap, space, "client", clients[name])
    graph = graph_of(heap)
    for name, client in clients.items():
        assert expression(graph, client) == f"m.LOCAL.client (thread '{name}')"
        assert resolve(graph, expression(graph, client)) == client


def test_an_event_loop_that_a_library_holds_goes_by_its_thread():
    """_asyncio.running -> the loop, whose number is that of MainThread."""
    heap = HeapBuilder()
    module(heap, "_asyncio")
    module(heap, "app")
    loop, timers, client = (heap.object(name) for name in ("x.EventLoop", "list", "app.Client"))
    heap.frame(heap.thread(), "main", "/srv/run.py", 3)
    set_global(heap, "_asyncio", "running", loop)
    heap.edge(loop, timers, EdgeKind.ATTRIBUTE, "_scheduled")
    items(heap, timers, client)
    text = expression(graph_of(heap), client)
    assert text.startswith("<event loop ")
    assert text.endswith("._scheduled[0]")
    assert resolve(graph_of(heap), text) == client
