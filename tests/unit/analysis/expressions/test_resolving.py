"""What a text names: the inverse of test_expressions.py, and what is refused."""

from __future__ import annotations

import random

import numpy as np
import pytest

from heapgraph.analysis.expressions import expression, resolve, resolve_set
from heapgraph.errors import ObjectNotFound
from heapgraph.model import EdgeKind, RootKind
from helpers.app_heap import app_heap, graph_of, items, module, set_global, store
from helpers.heaps import HeapBuilder


@pytest.fixture(scope="module")
def heap():
    return app_heap()


@pytest.fixture(scope="module")
def graph(heap):
    return graph_of(heap)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("app", "app"),
        ("app.sessions", "app.sessions"),
        ("app.sessions.CACHE['user:42'].history[3]", "payload"),
        ("<task 'poll' in fetch() at client.py:41> response.body", "body"),
        ("<coroutine fetch() at client.py:41> response.body", "body"),
        ('app.sessions.CACHE[ "user:42" ].history[3]', "payload"),
        ("app.sessions.__dict__['CACHE']", "CACHE"),
        ("app.sessions.CACHE['user:42'].__dict__", "user.__dict__"),
        ("app.sessions.CACHE[7].name", "bob"),
        ("app.sessions.CACHE[7.0].name", "bob"),
        ("app.sessions.CACHE['a', 1]", "by_pair"),
        ("sys.modules['app.sessions'].CACHE", "CACHE"),
        ("CACHE", "CACHE"),
        ("CACHE[7]", "second"),
        ("<thread 'worker-3' in handle() at app.py:88> rows[0].payload", "row_payload"),
        ("<held by C code, 2 references> list[0]", "c_bytes"),
    ],
)
def test_a_text_names_one_object(graph, heap, text, name):
    assert resolve(graph, text) == heap.ids[name]


def test_ids_and_addresses_name_objects(graph):
    assert resolve(graph, "@3") == 3
    assert resolve(graph, f"{int(graph.addresses[5]):#x}") == 5


@pytest.mark.parametrize(
    ("text", "what", "hint"),
    [
        ("@99999", "no object @99999", "this one has @0 to"),
        ("0x1", "0x1", "heapgraph"),
        ("app.sesions", "no object 'app.sesions'", "close: sessions"),
        ("app.sessions.CACHE['user:43']", "'user:43'", "close: user:42"),
        ("app.sessions.CACHE['user:42'].history[9]", "history[9]", "heapgraph show FILE @"),
        ("NOWHERE.x", "no object 'NOWHERE.x'", "@ID"),
        ("app.f(1)", "cannot read 'app.f(1)'", "@ID"),
        ("app.TASKS<member x>", "has no <member x>", "@"),
        ("app.CACHE[x]", "cannot read", "@ID"),
        ("(" * 500, "cannot read", "@ID"),
        ("type:app.Missing", "no object of type 'app.Missing'", "type:*app.Missing*"),
        ("type:app.sessions.Usr", "no object of type", "close: app.sessions.User"),
    ],
)
def test_what_names_nothing_is_refused_with_a_way_on(graph, text, what, hint):
    with pytest.raises(ObjectNotFound) as caught:
        resolve_set(graph, text)
    assert what in caught.value.what + caught.value.cause
    assert hint in caught.value.hint
    assert len(caught.value.parts()) == 3


def test_a_type_names_all_its_objects(graph, heap):
    assert resolve_set(graph, "type:app.sessions.User").tolist() == [
        heap.ids["user"],
        heap.ids["second"],
    ]
    assert set(resolve_set(graph, "type:app.*").tolist()) >= {heap.ids["row"], heap.ids["user"]}


def test_a_global_of_two_modules_needs_its_module():
    """a.X and b.X are different objects."""
    heap = HeapBuilder()
    for name in ("a", "b"):
        module(heap, name)
        set_global(heap, name, "X", heap.object("list"))
    with pytest.raises(ObjectNotFound, match="names 2 objects") as caught:
        resolve(graph_of(heap), "X")
    assert "(a.X)" in caught.value.hint


def test_one_global_under_two_names_of_modules_is_one_object():
    """a.X and b.X are the same object."""
    heap = HeapBuilder()
    shared = heap.object("list")
    for name in ("a", "b"):
        module(heap, name)
        set_global(heap, name, "X", shared)
    assert resolve(graph_of(heap), "X") == shared


KEYS = (
    "k",
    "it's",
    "class",
    "a b",
    "name",
    "\N{GREEK SMALL LETTER PI}",
    "\N{REPLACEMENT CHARACTER}",
)


TYPES = ("dict", "list", "m.C", "type", "set", "cell", "function", "numpy.ndarray", "coroutine")
MODULES = ("m", "m.sub", "m.sub.k", "other-name")
NAMED = (EdgeKind.SLOT, EdgeKind.FIELD, EdgeKind.LOCAL)
NUMBERED = (EdgeKind.STACK, EdgeKind.MEMBER, EdgeKind.KEY, EdgeKind.UNNAMED)


def random_heap(seed: int) -> HeapBuilder:
    """Modules over a random graph of objects, with references of every kind between them."""
    choose = random.Random(seed)
    heap = HeapBuilder()
    for name in MODULES:
        module(heap, name)
    objects = [heap.object(choose.choice(TYPES)) for _ in range(60)]
    numbers = [heap.object("int", preview=str(n)) for n in range(5)]
    keys = [*map(heap.string, KEYS), *numbers]
    pair = heap.object("tuple")
    items(heap, pair, keys[0], numbers[-1])
    keys += [pair, heap.object("float", preview="1.5"), heap.object("m.Key")]
    for name in MODULES:
        for key in ["sub", *choose.sample(KEYS, 4)]:
            set_global(heap, name, key, choose.choice(objects))
    for source in objects:
        add_random_references(choose, heap, source, objects, keys)
    return heap


def add_random_references(choose, heap, source, objects, keys):
    """Up to six references; as in a real object, none reads like another one."""
    is_mapping = choose.random() < 0.5
    places = keys if is_mapping else range(9)
    for place in choose.sample(places, choose.randrange(3)):
        kind = EdgeKind.VALUE if is_mapping else EdgeKind.INDEX
        heap.edge(source, choose.choice(objects), kind, place)
    for kinds, labels in ((NAMED, KEYS), (NUMBERED, range(9))):
        if choose.random() < 0.3:
            heap.edge(source, choose.choice(objects), choose.choice(kinds), choose.choice(labels))
    if choose.random() < 0.3:
        heap.edge(source, choose.choice(objects), EdgeKind.TYPE)
    if choose.random() < 0.3:
        namespace = heap.object("dict")
        heap.edge(source, namespace, EdgeKind.DICT)
        store(heap, namespace, choose.choice(KEYS), choose.choice(objects))
    elif choose.random() < 0.3:
        heap.edge(source, choose.choice(objects), EdgeKind.ATTRIBUTE, choose.choice(KEYS))


@pytest.mark.parametrize("seed", range(25))
def test_an_expression_that_is_python_leads_back_to_its_object(seed):
    graph = graph_of(random_heap(seed))
    reached = np.flatnonzero([graph.root_paths.is_reached(i) for i in range(graph.object_count)])
    texts = {int(i): expression(graph, int(i)) for i in reached}
    python = {object_id: text for object_id, text in texts.items() if "<" not in text}
    assert len(python) > len(texts) / 4
    assert {object_id: resolve(graph, text) for object_id, text in python.items()} == {
        object_id: object_id for object_id in python
    }


def test_a_root_that_is_the_dict_of_a_module_reads_like_the_module():
    """builtins (a dict): 'len' -> function."""
    heap = HeapBuilder()
    builtins, function = heap.object("dict"), heap.object("builtin_function_or_method")
    heap.root(RootKind.BUILTINS, "builtins", builtins)
    store(heap, builtins, "len", function)
    graph = graph_of(heap)
    assert expression(graph, function) == "builtins.len"
    assert resolve(graph, "builtins.len") == function
    assert resolve(graph, "len") == function
