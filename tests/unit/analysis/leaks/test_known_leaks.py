"""Each pattern of known leaks: what it is the advice for, and what is like it and gets another."""

from __future__ import annotations

import pytest

from heapgraph.analysis.leaks.known_leaks import KNOWN_LEAKS, LeakTraits, find_known_leak

NAMES = {known.name for known in KNOWN_LEAKS}


def traits(
    expression: str = "__main__.X",
    member: str = "shop.Row",
    holder: str = "list",
    kind: str = "container",
    owner: str = "shop.Store",
) -> LeakTraits:
    return LeakTraits(kind, expression, holder, owner, member)


APPLIES = {
    "unbounded function cache": traits("shop.price", holder="functools._lru_cache_wrapper"),
    "callbacks that wait for the end of the program": traits("<atexit callbacks>", member="tuple"),
    "callbacks registered with C code": traits(kind="c-held", member="method"),
    "references that were never given back": traits(
        "<20,000 lost objects> str", kind="c-held", member="str"
    ),
    "names that are made of data": traits("<interned strings>", kind="interned", member="str"),
    "greenlets and timers that wait for an event": traits(
        "<in C code of waiting greenlets, 1,200 objects> Row", kind="c-held", member="app.Row"
    ),
    "references that only C code holds": traits(kind="c-held"),
    "threads that do not end": traits("threading._active", member="threading.Thread"),
    "timers and sleeping tasks of an event loop": traits(
        "<event loop of MainThread>._scheduled", member="asyncio.events.TimerHandle"
    ),
    "calls that an event loop has no time for": traits(
        "<event loop of MainThread>._ready", member="asyncio.events.Handle"
    ),
    "handlers added again and again": traits(
        "shop.LOGGER.handlers", member="logging.StreamHandler"
    ),
    "weak dictionary defeated by its values": traits(owner="weakref.WeakKeyDictionary"),
    "tasks that wait for what does not come": traits("shop.STOP._waiters", member="_asyncio.Task"),
    "tasks that are kept": traits("shop.PENDING", member="_asyncio.Task"),
    "responses that are never closed": traits(member="http.client.HTTPResponse"),
    "work that is queued faster than it is done": traits(
        "shop.WORK.queue", holder="collections.deque"
    ),
    "a default argument that grows": traits("shop.add.__defaults__[0]"),
    "coroutines that are never finished": traits("shop.WAITING", member="coroutine"),
    "generators that are never finished": traits(member="generator"),
    "calls that a mock remembers": traits(
        "shop.MAILER._mock_mock_calls", holder="unittest.mock._CallList", member="tuple"
    ),
    "an exit stack that is never closed": traits(
        "shop.OPEN._exit_callbacks", holder="collections.deque", member="tuple"
    ),
    "tokens of context variables that are kept": traits(member="_contextvars.Token"),
    "classes that are made again and again": traits("shop.Report.known", member="type"),
    "exceptions that are kept with their traceback": traits(member="ValueError"),
    "views that pin what they were cut from": traits(member="memoryview"),
    "a function that is wrapped again and again": traits(
        "shop.Client.send", holder="function", member="function"
    ),
    "connections that nobody closes": traits(
        "<event loop of MainThread>._selector._fd_to_key", member="selectors.SelectorKey"
    ),
    "an iterator of itertools.tee that nobody reads": traits(
        "shop.FEED.audit", holder="itertools._tee", member="dict"
    ),
    "finalizers of objects that live": traits(
        "weakref.finalize._registry", member="weakref.finalize._Info"
    ),
    "modules that are loaded under new names": traits("sys.modules", member="module"),
    "loggers without end": traits("logging.root.manager.loggerDict", member="logging.Logger"),
    "callbacks that are never unregistered": traits("shop.BUS.hooks", member="function"),
    "sources kept for tracebacks": traits("linecache.cache", member="tuple", holder="dict"),
    "warnings remembered per text": traits("shop.__warningregistry__", holder="dict"),
    "results kept by the notebook": traits("__main__.Out", holder="dict"),
    "queries logged by Django": traits("django.db.connection.queries_log"),
    "objects kept by a database session": traits("shop.SESSION.identity_map._dict"),
    "the code of the cells of a notebook": traits("__main__._ih", member="str"),
    "the last exception of an interactive session": traits(
        "sys.last_traceback", kind="exception", member="traceback"
    ),
    "an exception that is kept with its traceback": traits(
        "__main__.CLIENT.error", kind="exception", member="shop.Gone"
    ),
}

DOES_NOT = {
    "unbounded function cache": traits("shop.price", holder="dict"),
    "callbacks that wait for the end of the program": traits("shop.atexit callbacks"),
    "callbacks registered with C code": traits(member="method"),
    "references that were never given back": traits("shop.lost_objects", member="str"),
    "names that are made of data": traits("shop.NAMES", member="str"),
    "greenlets and timers that wait for an event": traits(
        member="gevent._gevent_cgreenlet.Greenlet"
    ),
    "references that only C code holds": traits(kind="group"),
    "threads that do not end": traits("shop.threading_active", member="shop.Row"),
    "timers and sleeping tasks of an event loop": traits(
        "shop.HANDLES", member="asyncio.events.TimerHandle"
    ),
    "calls that an event loop has no time for": traits(
        "shop.ready", member="asyncio.events.Handle"
    ),
    "handlers added again and again": traits("shop.handlers_seen", member="logging.StreamHandler"),
    "weak dictionary defeated by its values": traits(owner="dict"),
    "tasks that wait for what does not come": traits("shop.waiters", member="_asyncio.Task"),
    "tasks that are kept": traits("shop.STOP._waiters", member="_asyncio.Future"),
    "responses that are never closed": traits(member="shop.Response"),
    "work that is queued faster than it is done": traits("shop.QUEUE", holder="collections.deque"),
    "a default argument that grows": traits("shop.defaults"),
    "coroutines that are never finished": traits(member="generator"),
    "generators that are never finished": traits(member="coroutine"),
    "calls that a mock remembers": traits("shop.MAILER.mock_calls", holder="list"),
    "an exit stack that is never closed": traits("shop.exit_callbacks", member="shop.Row"),
    "tokens of context variables that are kept": traits(member="shop.Token"),
    "classes that are made again and again": traits("shop.known", member="shop.type"),
    "exceptions that are kept with their traceback": traits(member="shop.ErrorReport"),
    "views that pin what they were cut from": traits(member="bytearray"),
    "a function that is wrapped again and again": traits(holder="list", member="function"),
    "connections that nobody closes": traits("shop.SELECTOR._map", member="selectors.SelectorKey"),
    "an iterator of itertools.tee that nobody reads": traits(holder="itertools.chain"),
    "finalizers of objects that live": traits("shop.finalizers", member="weakref.finalize"),
    "modules that are loaded under new names": traits("sys.modules", member="shop.module"),
    "loggers without end": traits("shop.LOGGERS", member="logging.Logger"),
    "callbacks that are never unregistered": traits(holder="function", member="function"),
    "sources kept for tracebacks": traits("shop.linecache.cache"),
    "warnings remembered per text": traits("shop.registry"),
    "results kept by the notebook": traits("__main__.get_ipython().user_ns['frames']"),
    "queries logged by Django": traits("django.db.connection.settings_dict"),
    "objects kept by a database session": traits("shop.SESSION._renewed"),
    "the code of the cells of a notebook": traits("__main__.In", member="shop.Cell"),
    "the last exception of an interactive session": traits("shop.sys.last_exc", kind="exception"),
    "an exception that is kept with its traceback": traits("__main__.ERRORS", member="KeyError"),
}


def test_every_pattern_has_both() -> None:
    assert set(APPLIES) == NAMES
    assert set(DOES_NOT) == NAMES


@pytest.mark.parametrize("name", sorted(NAMES))
def test_it_is_the_advice_where_it_applies(name: str) -> None:
    found = find_known_leak(APPLIES[name])
    assert found is not None
    assert found.name == name


@pytest.mark.parametrize("name", sorted(NAMES))
def test_and_not_where_something_is_only_like_it(name: str) -> None:
    found = find_known_leak(DOES_NOT[name])
    assert found is None or found.name != name


@pytest.mark.parametrize("known", KNOWN_LEAKS, ids=lambda known: known.name)
def test_advice_is_a_sentence(known) -> None:
    assert known.advice.endswith(".")
    assert known.name == known.name.strip().rstrip(".")
