"""What a path reads like, kind by kind; the heap is drawn in helpers/app_heap.py."""

from __future__ import annotations

import pytest

from heapgraph.analysis.expressions import expression, resolve
from heapgraph.model import EdgeKind, ObjectFlags, RootKind
from helpers.app_heap import app_heap, graph_of, items, module, set_global, store
from helpers.heaps import NO_FLAGS, HeapBuilder

EXPECTED = {
    "app": "app",
    "app.sessions": "app.sessions",
    "app.sessions.__dict__": "app.sessions.__dict__",
    "CACHE": "app.sessions.CACHE",
    "user": "app.sessions.CACHE['user:42']",
    "user.__dict__": "app.sessions.CACHE['user:42'].__dict__",
    "ada": "app.sessions.CACHE['user:42'].name",
    "payload": "app.sessions.CACHE['user:42'].history[3]",
    "second": "app.sessions.CACHE[7]",
    "bob": "app.sessions.CACHE[7].name",
    "by_pair": "app.sessions.CACHE[('a', 1)]",
    "rows": "<thread 'worker-3' in handle() at app.py:88> rows",
    "row_payload": "<thread 'worker-3' in handle() at app.py:88> rows[0].payload",
    "task": "list(app.TASKS)[0]",
    "coroutine": "list(app.TASKS)[0].task_coro",
    "body": "<task 'poll' in fetch() at client.py:41> response.body",
    "c_list": "<held by C code, 2 references> list",
    "c_bytes": "<held by C code, 2 references> list[0]",
}


@pytest.fixture(scope="module")
def heap():
    return app_heap()


@pytest.fixture(scope="module")
def graph(heap):
    return graph_of(heap)


@pytest.mark.parametrize("name", EXPECTED)
def test_a_path_reads_like_the_code_that_walks_it(graph, heap, name):
    assert expression(graph, heap.ids[name]) == EXPECTED[name]


def test_garbage_has_no_path(graph):
    garbage = graph.object_count - 1
    assert expression(graph, garbage) == f"<unreachable list @{garbage}>"


class OneGlobal:
    """module m: X -> the object under test."""

    def __init__(self, type_name: str = "object", flags: ObjectFlags = NO_FLAGS):
        self.heap = HeapBuilder()
        module(self.heap, "m")
        self.x = self.heap.object(type_name, flags=flags)
        set_global(self.heap, "m", "X", self.x)

    def end(self, kind: EdgeKind, key: str | int | None = None, *, of: int | None = None) -> int:
        """Let X, or another object, refer to a new object."""
        target = self.heap.object("list")
        self.heap.edge(self.x if of is None else of, target, kind, key)
        return target

    def expression(self, object_id: int) -> str:
        return expression(graph_of(self.heap), object_id)


@pytest.mark.parametrize(
    ("source_type", "kind", "key", "expected"),
    [
        ("m.C", EdgeKind.TYPE, None, "type(m.X)"),
        ("m.C", EdgeKind.SLOT, "size", "m.X.size"),
        ("function", EdgeKind.FIELD, "__closure__", "m.X.__closure__"),
        ("method", EdgeKind.FIELD, "__self__", "m.X.__self__"),
        ("cell", EdgeKind.FIELD, "cell_contents", "m.X.cell_contents"),
        ("coroutine", EdgeKind.FIELD, "gi_frame", "m.X.cr_frame"),
        ("type", EdgeKind.FIELD, "tp_subclasses", "m.X<field tp_subclasses>"),
        ("map", EdgeKind.FIELD, "iterators", "m.X<field iterators>"),
        ("collections.deque", EdgeKind.INDEX, 4, "m.X[4]"),
        ("numpy.ndarray", EdgeKind.INDEX, 4, "m.X.flat[4]"),
        ("itertools._tee_dataobject", EdgeKind.INDEX, 4, "m.X<index 4>"),
        ("set", EdgeKind.MEMBER, 0, "list(m.X)[0]"),
        ("m.OrderedSet", EdgeKind.MEMBER, 0, "m.X<member list>"),
        ("dict", EdgeKind.KEY, 0, "m.X<key list>"),
        ("frame", EdgeKind.STACK, 2, "m.X<stack 2>"),
        ("m.Opaque", EdgeKind.UNNAMED, 48, "m.X<unnamed +48>"),
        ("m.Opaque", EdgeKind.UNNAMED, None, "m.X<unnamed>"),
        ("m.C", EdgeKind.ATTRIBUTE, "is ready", "m.X.__dict__['is ready']"),
        ("m.C", EdgeKind.ATTRIBUTE, "class", "m.X.__dict__['class']"),
        ("dict", EdgeKind.VALUE, "it's", 'm.X["it\'s"]'),
        ("generator", EdgeKind.LOCAL, "total", "m.X.gi_frame.f_locals['total']"),
        ("coroutine", EdgeKind.STACK, 2, "m.X.cr_await"),
        ("coroutine", EdgeKind.LOCAL, ".0", "m.X.cr_frame.f_locals['.0']"),
    ],
)
def test_each_kind_of_reference_has_its_form(source_type, kind, key, expected):
    one = OneGlobal(source_type)
    assert one.expression(one.end(kind, key)) == expected


@pytest.mark.parametrize(
    ("key_type", "preview", "expected"),
    [
        ("int", "-3", "[-3]"),
        ("float", "1e-04", "[0.0001]"),
        ("float", "inf", "[<float inf>]"),
        ("bool", "True", "[True]"),
        ("NoneType", None, "[None]"),
        ("bytes", r"b'a\x0a'", r"[b'a\n']"),
        ("str", "x" * 81, "[<str '" + "x" * 81 + "'>]"),
        ("str", None, "[<str>]"),
        ("int", "<int of 150 bits>", "[<int of 150 bits>]"),
        ("m.Color", None, "[<m.Color>]"),
    ],
)
def test_a_key_is_python_only_where_its_value_is_known(key_type, preview, expected):
    one = OneGlobal("dict")
    key = one.heap.object(key_type, preview=preview)
    assert one.expression(one.end(EdgeKind.VALUE, key)) == f"m.X{expected}"


def test_a_slot_hides_the_dict_entry_of_its_name():
    """X.__dict__['a'] -> one, X.<slot a> -> other: `X.a` is the slot's."""
    one = OneGlobal("m.C")
    namespace = one.heap.object("dict")
    one.heap.edge(one.x, namespace, EdgeKind.DICT)
    in_dict, in_slot = one.heap.object("list"), one.end(EdgeKind.SLOT, "a")
    store(one.heap, namespace, "a", in_dict)
    assert one.expression(in_dict) == "m.X.__dict__['a']"
    assert one.expression(in_slot) == "m.X.a"


def test_a_class_unbinds_its_methods_only_where_python_does():
    one = OneGlobal("type")
    namespace = one.heap.object("dict")
    one.heap.edge(one.x, namespace, EdgeKind.DICT)
    plain, static = one.heap.object("function"), one.heap.object("staticmethod")
    store(one.heap, namespace, "plain", plain)
    store(one.heap, namespace, "static", static)
    assert one.expression(plain) == "m.X.plain"
    assert one.expression(static) == "m.X.__dict__['static']"


def test_a_global_that_has_the_name_of_a_submodule_is_told_apart():
    """m.sub is a list; the module m.sub is another object."""
    one = OneGlobal()
    module(one.heap, "m.sub")
    hidden = one.heap.object("list")
    set_global(one.heap, "m", "sub", hidden)
    assert one.expression(hidden) == "m.__dict__['sub']"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("my-module", "sys.modules['my-module'].X"),
        ("app (interpreter 2)", "<interpreter 2> app.X"),
    ],
)
def test_a_module_goes_by_a_name_that_finds_it(name, expected):
    heap = HeapBuilder()
    module(heap, name)
    target = heap.object("list")
    set_global(heap, name, "X", target)
    assert expression(graph_of(heap), target) == expected


def test_a_variable_shared_with_inner_functions_reads_without_its_cell():
    """frame: rows -> cell -> list -> [0]."""
    heap = HeapBuilder()
    cell, rows, first = (heap.object(name) for name in ("cell", "list", "list"))
    heap.edge(cell, rows, EdgeKind.FIELD, "cell_contents")
    items(heap, rows, first)
    frame = heap.frame(heap.thread(), "main", "/srv/run.py", 3)
    heap.root(RootKind.FRAME, "rows", cell, frame=frame)
    expected = "<thread 'MainThread' in main() at run.py:3> rows[0]"
    assert expression(graph_of(heap), first) == expected


def test_variables_of_module_code_are_entries_of_the_frame_s_dict():
    """frame: <locals> -> dict: 'CACHE' -> list; the same list is held by nothing else."""
    heap = HeapBuilder()
    variables, cache = heap.object("dict"), heap.object("list")
    store(heap, variables, "CACHE", cache)
    items(heap, cache, heap.object("list", name="first"))
    frame = heap.frame(heap.thread(), "<module>", "/srv/run.py", 3)
    heap.root(RootKind.FRAME, "<locals>", variables, frame=frame)
    graph = graph_of(heap)
    text = "<thread 'MainThread' in <module>() at run.py:3> CACHE[0]"
    assert expression(graph, heap.ids["first"]) == text
    assert resolve(graph, text) == heap.ids["first"]


@pytest.mark.parametrize(
    ("kind", "name", "expected"),
    [
        (RootKind.INTERPRETER, "codec_search_path", "<interpreter codec_search_path>[0]"),
        (RootKind.THREAD, "current_exception", "<thread state current_exception>[0]"),
        (RootKind.INTERPRETER, "interpreter 0 +0x10", "<interpreter 0 +0x10>[0]"),
        (RootKind.STATIC_TYPE, "static type", "<static type @0>[0]"),
        (RootKind.STATIC_TYPE, "odict_iterator", "<static type odict_iterator>[0]"),
        (RootKind.IMMORTAL, "", "<immortal list>[0]"),
    ],
)
def test_bookkeeping_roots_say_what_they_are(kind, name, expected):
    heap = HeapBuilder()
    held, first = heap.object("list"), heap.object("list")
    items(heap, held, first)
    heap.root(kind, name, held)
    assert expression(graph_of(heap), first) == expected


def test_the_middle_of_a_long_path_is_left_out():
    """m.X -> next -> next -> ... 200 times."""
    one = OneGlobal("m.Item")
    last = one.x
    for _ in range(200):
        following = one.heap.object("m.Item")
        one.heap.edge(last, following, EdgeKind.ATTRIBUTE, "next")
        last = following
    text = one.expression(last)
    assert text == "m.X" + ".next" * 11 + f"<... 181 more @{last - 8}>" + ".next" * 8
    assert resolve(graph_of(one.heap), text) == last


def captured(one: OneGlobal) -> int:
    """m.X: a function that captured `rows`, behind a local variable of its own."""
    code, names = one.end(EdgeKind.FIELD, "__code__"), one.heap.object("tuple")
    one.heap.edge(code, names, EdgeKind.FIELD, "co_localsplusnames")
    items(one.heap, names, one.heap.string("event"), one.heap.string("rows"))
    cells, cell, rows = (one.heap.object(name) for name in ("tuple", "cell", "list"))
    one.heap.edge(one.x, cells, EdgeKind.FIELD, "__closure__")
    items(one.heap, cells, cell)
    one.heap.edge(cell, rows, EdgeKind.FIELD, "cell_contents")
    return rows


def named_tuple(one: OneGlobal) -> int:
    """m.X: a named tuple of `name` and `payload`."""
    point, namespace, fields = (one.heap.object(name) for name in ("type", "dict", "tuple"))
    one.heap.edge(one.x, point, EdgeKind.TYPE)
    one.heap.edge(point, namespace, EdgeKind.DICT)
    store(one.heap, namespace, "_fields", fields)
    items(one.heap, fields, one.heap.string("name"), one.heap.string("payload"))
    for name in ("name", "payload"):
        store(one.heap, namespace, name, one.heap.object("_collections._tuplegetter"))
    one.end(EdgeKind.INDEX, 0)
    return one.end(EdgeKind.INDEX, 1)


def traceback_variable(one: OneGlobal) -> int:
    """m.X.__traceback__.tb_frame has a variable `payload`."""
    traceback = one.end(EdgeKind.FIELD, "__traceback__")
    frame, payload = one.heap.object("frame"), one.heap.object("list")
    one.heap.edge(traceback, frame, EdgeKind.FIELD, "tb_frame")
    one.heap.edge(frame, payload, EdgeKind.LOCAL, "payload")
    return payload


def hidden_keys(one: OneGlobal) -> int:
    """m.X has two entries whose keys read alike."""
    targets = [one.heap.object("list") for _ in range(2)]
    for target in targets:
        one.heap.edge(one.x, target, EdgeKind.VALUE, one.heap.object("m.Key"))
    return targets[1]


@pytest.mark.parametrize(
    ("source_type", "build", "expected"),
    [
        ("function", captured, "inspect.getclosurevars(m.X).nonlocals['rows']"),
        ("m.Point", named_tuple, "m.X.payload"),
        ("ValueError", traceback_variable, "m.X.__traceback__.tb_frame.f_locals['payload']"),
        ("dict", hidden_keys, "m.X[<m.Key @{key}>]"),
    ],
)
def test_steps_of_more_than_a_dot_keep_the_holder_and_lead_back(source_type, build, expected):
    one = OneGlobal(source_type)
    target = build(one)
    graph = graph_of(one.heap)
    text = expression(graph, target)
    assert text == expected.format(key=target + 2)
    assert resolve(graph, text) == target


def test_two_that_read_alike_are_told_apart_by_their_ids():
    """C code holds two lists, each twice."""
    heap = HeapBuilder()
    lists = [heap.object("list") for _ in range(2)]
    for each in lists:
        heap.root(RootKind.C_HELD, "", each, count=2)
    graph = graph_of(heap)
    texts = [expression(graph, each) for each in lists]
    assert texts == [f"<held by C code, 2 references @{each}> list" for each in lists]
    assert [resolve(graph, text) for text in texts] == lists


def test_a_class_runs_the_get_of_a_descriptor_in_python():
    """m.X.__dict__ has 'lines', an instance of m.Checked, whose base has a `__get__` in Python."""
    one = OneGlobal("type", flags=ObjectFlags.IS_TYPE)
    space = one.heap.object("dict")
    one.heap.edge(one.x, space, EdgeKind.DICT)
    checked, base, plain = (one.heap.object("type") for _ in range(3))
    order = one.heap.object("tuple")
    one.heap.edge(checked, order, EdgeKind.FIELD, "__mro__")
    for place, kind in enumerate((checked, base)):
        one.heap.edge(order, kind, EdgeKind.INDEX, place)
        inside = one.heap.object("dict")
        one.heap.edge(kind, inside, EdgeKind.DICT)
        if kind == base:
            store(one.heap, inside, "__get__", one.heap.object("function"))
    lines, other = one.heap.object("m.Checked"), one.heap.object("m.Plain")
    one.heap.edge(lines, checked, EdgeKind.TYPE)
    one.heap.edge(other, plain, EdgeKind.TYPE)
    store(one.heap, space, "lines", lines)
    store(one.heap, space, "other", other)
    assert one.expression(lines) == "m.X.__dict__['lines']"
    assert one.expression(other) == "m.X.other"
