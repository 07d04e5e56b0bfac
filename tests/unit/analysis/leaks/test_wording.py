"""Whose code it is, which code uses a holder, and the known patterns."""

from __future__ import annotations

import re

import pytest

from heapgraph.analysis.leaks.application_code import origin_of_type, places_that_name
from heapgraph.analysis.leaks.known_leaks import KNOWN_LEAKS, LeakTraits, find_known_leak
from heapgraph.analysis.suspects import find_suspects
from heapgraph.model import CodeOrigin, EdgeKind, RootKind
from heapgraph.source_files import origin_of_file
from helpers.app_heap import graph_of, items, module, set_global
from helpers.heaps import HeapBuilder


@pytest.mark.parametrize(
    ("path", "origin"),
    [
        ("/srv/shop/app.py", CodeOrigin.APPLICATION),
        ("/usr/lib/python3.11/json/decoder.py", CodeOrigin.STANDARD_LIBRARY),
        ("/opt/py/lib/python3.13t/queue.py", CodeOrigin.STANDARD_LIBRARY),
        ("<frozen importlib._bootstrap>", CodeOrigin.STANDARD_LIBRARY),
        ("/usr/lib/python3/dist-packages/yaml/loader.py", CodeOrigin.SITE_PACKAGES),
        ("/srv/venv/lib/python3.11/site-packages/flask/app.py", CodeOrigin.SITE_PACKAGES),
        ("/home/me/lib/tools.py", CodeOrigin.APPLICATION),
    ],
)
def test_a_file_tells_whose_code_it_is(path, origin):
    assert origin_of_file(path) is origin


def heap_with_modules() -> HeapBuilder:
    heap = HeapBuilder()
    files = {"app.shop": "/srv/app/shop.py", "yaml": "/x/site-packages/yaml.py", "_json": None}
    for name, file in files.items():
        module(heap, name, file or "")
    return heap


def test_a_module_and_its_classes_are_told_by_its_file():
    heap = heap_with_modules()
    graph = graph_of(heap)
    assert graph.modules.origin("yaml") is CodeOrigin.SITE_PACKAGES
    assert graph.modules.by_name["yaml"].distribution == "yaml"
    assert graph.modules.origin("_json") is CodeOrigin.STANDARD_LIBRARY
    assert graph.modules.origin("app.gone") is CodeOrigin.UNKNOWN
    assert origin_of_type(graph, "app.shop.Order.Line") is CodeOrigin.APPLICATION
    assert origin_of_type(graph, "yaml.Loader") is CodeOrigin.SITE_PACKAGES
    assert origin_of_type(graph, "dict") is CodeOrigin.STANDARD_LIBRARY


def add_code(heap: HeapBuilder, place: str, *names: str) -> None:
    """A code object that uses some names, held by the module app.shop."""
    code = heap.code(place, size=200)
    used = heap.object("tuple", size=60)
    items(heap, used, *map(heap.string, names))
    heap.edge(code, used, EdgeKind.FIELD, "co_names")
    set_global(heap, "app.shop", place.split(maxsplit=1)[0].strip("<>"), code)


def test_functions_of_the_application_that_name_the_holder_are_in_the_reason():
    heap = heap_with_modules()
    rows = heap.object("list", size=64)
    set_global(heap, "app.shop", "ROWS", rows)
    items(heap, rows, *(heap.object("app.shop.Row", size=60_000) for _ in range(100)))
    add_code(heap, "collect (/srv/app/shop.py:12)", "append", "ROWS")
    add_code(heap, "other (/srv/app/shop.py:20)", "append")
    add_code(heap, "load (/x/site-packages/yaml.py:3)", "ROWS")
    add_code(heap, "<module> (/srv/app/shop.py:1)", "ROWS")
    graph = graph_of(heap)

    [suspect] = find_suspects(graph).suspects
    assert "Code that uses `ROWS`: collect() at shop.py:12." in suspect.reason
    assert "module app.shop (application code, /srv/app/shop.py)" in suspect.reason
    places = places_that_name(graph, heap.string("append"))
    assert [place.function for place in places] == ["collect", "other"]


def test_a_list_of_functions_that_is_cut_says_how_many_more():
    heap = heap_with_modules()
    rows = heap.object("list", size=64)
    set_global(heap, "app.shop", "ROWS", rows)
    items(heap, rows, *(heap.object("app.shop.Row", size=60_000) for _ in range(100)))
    for line in range(1, 6):
        add_code(heap, f"collect{line} (/srv/app/shop.py:{line})", "ROWS")

    [suspect] = find_suspects(graph_of(heap)).suspects
    assert "collect3() at shop.py:3 and 2 more." in suspect.reason


def heap_with_registry() -> tuple[HeapBuilder, int]:
    """A list that a global of the package yaml holds, and its id."""
    heap = heap_with_modules()
    rows = heap.object("list", size=64)
    set_global(heap, "yaml", "REGISTRY", rows)
    items(heap, rows, *(heap.object("app.shop.Row", size=60_000) for _ in range(100)))
    return heap, rows


def test_what_a_library_holds_is_named_by_the_variable_of_the_application():
    heap, rows = heap_with_registry()
    frame = heap.frame(heap.thread(), "serve", file="/srv/app/serve.py", line=11)
    executor = heap.object("yaml.Executor", size=48)
    heap.root(RootKind.FRAME, "executor", executor, frame=frame)
    heap.edge(executor, rows, EdgeKind.ATTRIBUTE, "queue")

    [suspect] = find_suspects(graph_of(heap)).suspects
    assert suspect.expression == "<thread 'MainThread' in serve() at serve.py:11> executor.queue"
    assert "the module yaml (an installed package" in suspect.reason
    assert "holds it, too: yaml.REGISTRY." in suspect.reason


@pytest.mark.parametrize("file", ["/x/site-packages/pool.py", "/srv/app/serve.py"])
def test_a_library_and_a_module_that_was_merely_imported_are_no_holders(file):
    heap, rows = heap_with_registry()
    set_global(heap, "app.shop", "yaml", heap.ids["yaml"])
    frame = heap.frame(heap.thread(), "work", file=file, line=5)
    variable = rows if "site-packages" in file else heap.ids["yaml"]
    heap.root(RootKind.FRAME, "variable", variable, frame=frame)

    [suspect] = find_suspects(graph_of(heap)).suspects
    assert suspect.expression == "yaml.REGISTRY"
    assert "holds it, too" not in suspect.reason


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        (LeakTraits("container", "a.B.c", "functools._lru_cache_wrapper", "", "tuple"), "cache"),
        (LeakTraits("c-held", "<held by C code> X", "", "", "a.X"), "C code"),
        (LeakTraits("threads", "<3 threads in f()> x", "", "", "a.X"), "threads"),
        (LeakTraits("container", "a.L.handlers", "list", "logging.Logger", "a.MyHandler"), "handl"),
        (
            LeakTraits("container", "a.W.data", "dict", "weakref.WeakKeyDictionary", "a.X"),
            "weak dictionary",
        ),
        (LeakTraits("container", "a.T", "set", "dict", "_asyncio.Task"), "tasks"),
        (LeakTraits("container", "a.Q.queue", "collections.deque", "", "a.X"), "queued"),
        (LeakTraits("container", "a.R", "list", "", "requests.models.Response"), "responses"),
        (LeakTraits("container", "a.E", "list", "", "a.ShopError"), "exceptions"),
        (LeakTraits("container", "a.f.__defaults__[0]", "list", "tuple", "a.X"), "default"),
    ],
)
def test_known_patterns_are_recognised(seen, words):
    known = find_known_leak(seen)
    assert known is not None
    assert words in known.name


def test_a_plain_container_is_no_known_pattern():
    assert find_known_leak(LeakTraits("container", "a.data", "dict", "a.Store", "a.Row")) is None


def test_every_pattern_states_something_and_gives_advice():
    for known in KNOWN_LEAKS:
        stated = (known.expression, known.holder_type, known.owner_type, known.member_type)
        assert any(stated) or known.kind
        assert known.advice.endswith(".")
        for pattern in stated:
            re.compile(pattern)
