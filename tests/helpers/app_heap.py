"""The heap of a small program, as analyses and commands see it.

module app.sessions
  CACHE: dict
    'user:42' -> app.sessions.User (dict)    name, history: list [dict, dict, dict, payload]
    7         -> app.sessions.User (inline)  name
    ('a', 1)  -> bytes
thread worker-3 in handle() at app.py:88
  rows: list [tuple (app.Row with slot `payload`)]
task 'poll' -> coroutine fetch() at client.py:41
  response -> app.Response (inline attribute body -> bytearray)
C code holds a list of one big bytes
garbage: two lists that hold one another
"""

from __future__ import annotations

from heapgraph.graph.heap_graph import HeapGraph
from heapgraph.model import CodeOrigin, EdgeKind, ObjectFlags, RootKind
from helpers.graphs import TableSnapshot
from helpers.heaps import HeapBuilder

MEBIBYTE = 2**20


def graph_of(heap: HeapBuilder, **manifest: object) -> HeapGraph:
    """The graph of a heap without a file and without a cache."""
    return HeapGraph(TableSnapshot(heap.tables(), heap.manifest(**manifest)), use_cache=False)


def module(heap: HeapBuilder, name: str, file: str = "") -> int:
    """Add a module with its dict and root; the dict's id is in `ids` as `NAME.__dict__`.

    One without a file is built in, or the program.
    """
    module_id = heap.object("module", size=72, name=name)
    namespace = heap.object("dict", size=232, name=f"{name}.__dict__")
    heap.edge(module_id, namespace, EdgeKind.DICT)
    heap.root(RootKind.MODULE, name, module_id)
    is_program = name == "__main__"
    builtin = CodeOrigin.APPLICATION if is_program else CodeOrigin.STANDARD_LIBRARY
    heap.module_row(module_id, name, file, None if file else builtin)
    return module_id


def store(heap: HeapBuilder, mapping: int, key: str | int, value: int) -> None:
    """`mapping[key] = value`: a reference to the key and one to the value."""
    key_id = heap.string(key) if isinstance(key, str) else key
    heap.edge(mapping, key_id, EdgeKind.KEY, 0)
    heap.edge(mapping, value, EdgeKind.VALUE, key_id)


def set_global(heap: HeapBuilder, module_name: str, name: str, value: int) -> None:
    """Give a module a global."""
    store(heap, heap.ids[f"{module_name}.__dict__"], name, value)


def items(heap: HeapBuilder, sequence: int, *values: int) -> None:
    """Fill a list or a tuple."""
    for position, value in enumerate(values):
        heap.edge(sequence, value, EdgeKind.INDEX, position)


def app_heap() -> HeapBuilder:
    """Build the heap of the drawing above."""
    heap = HeapBuilder()
    heap.mapping(0x1000, 0x1000 + 8 * MEBIBYTE, "[heap]")
    in_use, free = 7 * MEBIBYTE, MEBIBYTE // 2
    heap.region("heap", 0x1000, 0x1000 + 8 * MEBIBYTE, in_use=in_use, free=free, blocks=100)
    heap.mapping(0x7000000, 0x7000000 + MEBIBYTE, "/usr/lib/libc.so.6")
    module(heap, "app")
    module(heap, "app.sessions")
    set_global(heap, "app", "sessions", heap.ids["app.sessions"])
    _add_cache(heap)
    _add_thread(heap)
    _add_task(heap)
    c_held = heap.object("list", size=88, refcount=2, name="c_list")
    items(heap, c_held, heap.object("bytes", size=MEBIBYTE, name="c_bytes"))
    heap.root(RootKind.C_HELD, "", c_held, count=2)
    first, second = (heap.object("list", size=64, flags=ObjectFlags.GARBAGE) for _ in "ab")
    items(heap, first, second)
    items(heap, second, first)
    return heap


def _add_cache(heap: HeapBuilder) -> None:
    cache = heap.object("dict", size=640, name="CACHE")
    set_global(heap, "app.sessions", "CACHE", cache)
    user = heap.object("app.sessions.User", size=48, name="user")
    user_dict = heap.object("dict", size=104, name="user.__dict__")
    heap.edge(user, user_dict, EdgeKind.DICT)
    store(heap, cache, "user:42", user)
    store(heap, user_dict, "name", heap.object("str", size=53, preview="Ada", name="ada"))
    history = heap.object("list", size=88, name="history")
    store(heap, user_dict, "history", history)
    events = [heap.object("dict", size=64) for _ in range(3)]
    payload = heap.object("bytearray", size=4 * MEBIBYTE, name="payload")
    items(heap, history, *events, payload)

    second = heap.object("app.sessions.User", size=64, name="second")
    heap.edge(
        second, heap.object("str", size=53, preview="Bob", name="bob"), EdgeKind.ATTRIBUTE, "name"
    )
    store(heap, cache, heap.object("int", size=28, preview="7"), second)

    pair = heap.object("tuple", size=56)
    items(heap, pair, heap.string("a"), heap.object("int", size=28, preview="1"))
    store(heap, cache, pair, heap.object("bytes", size=35, preview="b'xy'", name="by_pair"))


def _add_thread(heap: HeapBuilder) -> None:
    thread = heap.thread("worker-3")
    frame = heap.frame(thread, "handle", file="/srv/app/app.py", line=88)
    rows = heap.object("list", size=64, name="rows")
    row = heap.object("app.Row", size=40, name="row")
    held = heap.object("bytes", size=2 * MEBIBYTE, name="row_payload")
    items(heap, rows, row)
    heap.edge(row, held, EdgeKind.SLOT, "payload")
    heap.root(RootKind.FRAME, "rows", rows, frame=frame)


def _add_task(heap: HeapBuilder) -> None:
    tasks = heap.object("set", size=216, name="TASKS")
    set_global(heap, "app", "TASKS", tasks)
    task = heap.object("_asyncio.Task", size=200, name="task")
    coroutine = heap.object("coroutine", size=200, name="coroutine")
    code = heap.code("fetch (/srv/app/client.py:41)", size=300, name="code")
    response = heap.object("app.Response", size=48, name="response")
    body = heap.object("bytearray", size=3 * MEBIBYTE, name="body")
    heap.edge(tasks, task, EdgeKind.MEMBER, 0)
    heap.edge(task, heap.string("poll"), EdgeKind.FIELD, "task_name")
    heap.edge(task, coroutine, EdgeKind.FIELD, "task_coro")
    heap.edge(coroutine, code, EdgeKind.FIELD, "gi_code")
    heap.edge(coroutine, response, EdgeKind.LOCAL, "response")
    heap.edge(response, body, EdgeKind.ATTRIBUTE, "body")


def program_heap(other: int = 8 * MEBIBYTE) -> HeapBuilder:
    """`__main__`, and a module of the standard library with some code: a base that is no leak."""
    heap = HeapBuilder()
    module(heap, "__main__")
    module(heap, "json")
    for number in range(100):
        code = heap.code(f"f{number} (/usr/lib/x.py:1)", size=other // 100)
        set_global(heap, "json", f"f{number}", code)
    return heap


def filled_list(heap: HeapBuilder, count: int, size: int, type_name: str = "app.Row") -> int:
    """A list of `count` objects of `size` bytes."""
    rows = heap.object("list", size=64)
    items(heap, rows, *(heap.object(type_name, size=size) for _ in range(count)))
    return rows
