"""Leaks that libraries and the language are known for, and what to do about each: data.

A suspect is known when all that an entry states fits. The first entry that fits is used.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from heapgraph.analysis.execution.greenlets import EVENT_LOOP_TYPES
from heapgraph.analysis.leaks.groups import IN_GREENLETS


@dataclass(frozen=True)
class LeakTraits:
    """What a suspect is recognised by; the fields are those of `KnownLeak`."""

    kind: str
    expression: str
    holder_type: str
    owner_type: str
    member_type: str


@dataclass(frozen=True)
class KnownLeak:
    """One known pattern.

    Attributes:
        name: what it is called.
        advice: what to do about it, one sentence.
        expression: regular expression that the holder's expression must contain.
        holder_type: regular expression for the whole type name of the holder.
        owner_type: the same for the object that the path came through before the holder.
        member_type: the same for the type of what it holds.
        kind: kind of suspect, or several with `|` between them.
        is_without_limit: only where the holder has no maximum.
        is_about_views: only where views show a part of what they keep.
    """

    name: str
    advice: str
    expression: str = ""
    holder_type: str = ""
    owner_type: str = ""
    member_type: str = ""
    kind: str = ""
    is_about_views: bool = False
    is_without_limit: bool = False

    def fits(self, seen: LeakTraits) -> bool:
        """Whether a suspect is of this pattern."""
        return (
            (not self.kind or seen.kind in self.kind.split("|"))
            and re.search(self.expression, seen.expression) is not None
            and _is_whole(self.holder_type, seen.holder_type)
            and _is_whole(self.owner_type, seen.owner_type)
            and _is_whole(self.member_type, seen.member_type)
        )


def _is_whole(pattern: str, name: str) -> bool:
    return not pattern or re.fullmatch(pattern, name) is not None


def compile_patterns() -> None:
    """Compile all expressions now, for whoever is forked before they are needed. Cost: 30 ms."""
    for known in KNOWN_LEAKS:
        for pattern in (known.expression, known.holder_type, known.owner_type, known.member_type):
            re.compile(pattern)


def find_known_leak(seen: LeakTraits) -> KnownLeak | None:
    """The first pattern that a suspect fits, or None."""
    return next((known for known in KNOWN_LEAKS if known.fits(seen)), None)


KNOWN_LEAKS = (
    KnownLeak(
        "unbounded function cache",
        "Give lru_cache a maxsize. On a method the key holds `self` and so every instance it was"
        " called on: cache on the instance (functools.cached_property) or key by an id instead.",
        holder_type=r"functools\._lru_cache_wrapper",
        is_without_limit=True,
    ),
    KnownLeak(
        "callbacks that wait for the end of the program",
        "Take each back when it is done (atexit.unregister), or register one that closes all that"
        " is open then; a closure keeps all that it captured, a bound method its instance.",
        expression=r"^<atexit callbacks",
    ),
    KnownLeak(
        "greenlets and timers that wait for an event",
        "Calls in C use these until their greenlets go on: give each wait a timeout"
        " (gevent.Timeout), and close the connections that nobody needs; heapgraph threads FILE"
        " lists greenlets by their code.",
        expression=rf"^<{IN_GREENLETS}, ",
        kind="c-held",
    ),
    KnownLeak(
        "callbacks registered with C code",
        "Unregister them (by the library's own call); a closure keeps all that it captured, a bound"
        " method its instance.",
        kind="c-held",
        member_type=r"function|method|functools\.partial",
    ),
    KnownLeak(
        "references that were never given back",
        "A Py_DECREF is missing, or a Py_INCREF is too many, in the extension (or ctypes code) that"
        " handles this type; or C code keeps them in memory of its own.",
        expression=r"^<[\d,]+ lost objects> ",
        kind="c-held",
    ),
    KnownLeak(
        "names that are made of data",
        "This Python never frees an interned string. setattr, getattr, sys.intern and keyword"
        " arguments intern each name that they are given: keep data in dicts, by item.",
        kind="interned",
    ),
    KnownLeak(
        "greenlets and timers that wait for an event",
        "An event loop in C holds what waits for it: give each wait a timeout (gevent.Timeout), and"
        " close the connections that nobody needs; heapgraph threads FILE lists greenlets by their"
        " code.",
        kind="c-held|group",
        member_type=EVENT_LOOP_TYPES,
    ),
    KnownLeak(
        "references that only C code holds",
        "An event loop in C holds its running timers and callbacks, an extension what was"
        " registered with it. If nothing there should, a Py_DECREF is missing in the extension (or"
        " ctypes code) that handles this type.",
        kind="c-held",
    ),
    KnownLeak(
        "threads that do not end",
        "Give each thread a way to end (an event, a timeout, a sentinel in its queue) and join it,"
        " or use a pool; what a running function has in its variables stays.",
        kind="threads",
    ),
    KnownLeak(
        "threads that do not end",
        "Every thread that runs is listed there, with its arguments: let the threads end.",
        expression=r"^threading\._(active|dangling|limbo)",
    ),
    KnownLeak(
        "timers and sleeping tasks of an event loop",
        "Each timer keeps what it calls, and the context it was made in: cancel() a timer, or the"
        " task that sleeps, when it is no longer needed.",
        expression=r"_scheduled$",
        member_type=r"asyncio\.events\.(Timer)?Handle",
    ),
    KnownLeak(
        "calls that an event loop has no time for",
        "Look for code that blocks the loop, and for what schedules calls faster than it makes them"
        " (call_soon, call_soon_threadsafe).",
        expression=r"\._ready$",
        member_type=r"asyncio\.events\.Handle",
    ),
    KnownLeak(
        "handlers added again and again",
        "Add handlers once, at start-up; remove and close a temporary one with"
        " logger.removeHandler(handler); handler.close().",
        expression=r"\.handlers$",
        member_type=r"logging\..*Handler|.*Handler",
    ),
    KnownLeak(
        "weak dictionary defeated by its values",
        "A value of the dictionary refers to its own key (or is held elsewhere), so no entry ever"
        " goes: let the value hold a weak reference, or only what it needs of the key.",
        owner_type=r"weakref\.Weak(Key|Value)Dictionary",
    ),
    KnownLeak(
        "tasks that wait for what does not come",
        "Set the event, release the lock or notify the condition, also when what should do it"
        " fails; or give the wait a timeout: asyncio.wait_for.",
        expression=r"\._waiters$",
        member_type=r"_asyncio\.(Task|Future)|asyncio\.(tasks|futures)\.(Task|Future)",
    ),
    KnownLeak(
        "tasks that are kept",
        "Discard a task when it is done: task.add_done_callback(tasks.discard); or use"
        " asyncio.TaskGroup. A task keeps its result, its exception and its context.",
        member_type=r"_asyncio\.(Task|Future)|asyncio\.(tasks|futures)\.(Task|Future)",
    ),
    KnownLeak(
        "responses that are never closed",
        "Read the response to its end or close it (with-statement); until then it keeps its"
        " connection, socket and buffers.",
        member_type=r"http\.client\.HTTPResponse|urllib3\.response\.HTTPResponse|requests\.models\."
        r"Response|httpx\.(_models\.)?Response|aiohttp\.client_reqrep\.ClientResponse",
    ),
    KnownLeak(
        "work that is queued faster than it is done",
        "Bound the queue (queue.Queue(maxsize=...)) so that producers wait, or add consumers.",
        expression=r"\.(queue|_queue|_work_queue)$",
        holder_type=r"collections\.deque|list|_queue\.SimpleQueue",
    ),
    KnownLeak(
        "a default argument that grows",
        "Use None as the default and make the container in the function's body.",
        expression=r"\.__(kw)?defaults__\b",
    ),
    KnownLeak(
        "coroutines that are never finished",
        "Await or close() them: a suspended coroutine keeps its variables, and what it awaits.",
        member_type="coroutine",
    ),
    KnownLeak(
        "generators that are never finished",
        "Exhaust or close() them (aclose() an async generator); a suspended generator keeps its"
        " variables.",
        member_type=r"generator|async_generator",
    ),
    KnownLeak(
        "calls that a mock remembers",
        "A Mock keeps the arguments of every call: reset_mock() it now and then, or put a class"
        " that does nothing in its place where a program runs for long.",
        holder_type=r"unittest\.mock\._CallList|mock\.mock\._CallList",
    ),
    KnownLeak(
        "an exit stack that is never closed",
        "What was entered stays until the stack is closed: use a stack, or a with-statement, for"
        " each piece of work.",
        expression=r"\._exit_callbacks$",
    ),
    KnownLeak(
        "tokens of context variables that are kept",
        "A token keeps the context that it was made in, with the values of all its variables:"
        " reset each where it was made, and drop it.",
        member_type=r"(_contextvars\.)?Token",
    ),
    KnownLeak(
        "classes that are made again and again",
        "Make a class once and keep it by what it was made for (namedtuple, dataclass, type(),"
        " pydantic.create_model, a class in a function); what registers classes keeps each.",
        member_type="type",
    ),
    KnownLeak(
        "the last exception of an interactive session",
        "An interactive session (python -i, a notebook) keeps the exception that nobody handled,"
        " with the variables of every function that it went through, until the next one: del"
        " sys.last_value, sys.last_traceback, and sys.last_exc where there is one.",
        expression=r"^sys\.last_(exc|value|traceback)",
    ),
    KnownLeak(
        "an exception that is kept with its traceback",
        "Store str(exception), or exception.with_traceback(None), which keeps no frames, and clear"
        " its __context__ and __cause__, which have tracebacks of their own: a traceback keeps"
        " every function that it went through, with all variables.",
        kind="exception",
    ),
    KnownLeak(
        "exceptions that are kept with their traceback",
        "Store str(exception), or exception.with_traceback(None): a traceback keeps every frame it"
        " went through, with all variables.",
        member_type=r"(.*\.)?\w*(Error|Exception|Warning)|traceback",
    ),
    KnownLeak(
        "views that pin what they were cut from",
        "Copy the part that is needed: a view keeps the whole buffer.",
        member_type=r"memoryview|pandas\.(core\.\w+\.)?(DataFrame|Series)|managedbuffer",
        is_about_views=True,
    ),
    KnownLeak(
        "a function that is wrapped again and again",
        "Each wrapping keeps the one before it. Wrap a function once, at start-up, or look for"
        " `__wrapped__` first.",
        holder_type=r"function|functools\.partial",
        member_type=r"function|functools\.partial",
    ),
    KnownLeak(
        "connections that nobody closes",
        "The event loop watches each until it is closed: close it when its handler ends"
        " (writer.close()), and when the other end is silent for too long.",
        expression=r"\._selector\._fd_to_key$",
    ),
    KnownLeak(
        "an iterator of itertools.tee that nobody reads",
        "What it has still to give is kept for it: read all of them at one pace, or drop the one"
        " that is not needed.",
        holder_type=r"itertools\._tee(_dataobject)?",
    ),
    KnownLeak(
        "finalizers of objects that live",
        "Each keeps its function and arguments until the object goes: register one for each object,"
        " and detach() it when it is no longer needed.",
        expression=r"^weakref\.finalize\._registry",
    ),
    KnownLeak(
        "modules that are loaded under new names",
        "Load a file once and under one name, or take it out of sys.modules when it has done its"
        " work.",
        member_type="module",
    ),
    KnownLeak(
        "loggers without end",
        "logging keeps each logger for good: call getLogger with a name of the code, and put what"
        " changes into the message or an adapter (logging.LoggerAdapter).",
        expression=r"\.manager\.loggerDict$",
        member_type=r"logging\.(Logger|PlaceHolder|RootLogger)|.*Logger",
    ),
    KnownLeak(
        "callbacks that are never unregistered",
        "Unregister them when their owner goes, or register weakref.WeakMethod; a bound method"
        " keeps its instance, a closure all that it captured.",
        member_type=r"method|function|functools\.partial",
    ),
    KnownLeak(
        "sources kept for tracebacks",
        "linecache keeps the lines of each file name it was asked for; linecache.clearcache()"
        " empties it. Code made with a new file name each time fills it.",
        expression=r"^linecache\.cache",
    ),
    KnownLeak(
        "warnings remembered per text",
        "Each different text of a warning is remembered: do not put changing values into it.",
        expression=r"__warningregistry__|^warnings\.onceregistry",
    ),
    KnownLeak(
        "results kept by the notebook",
        "Clear them with %reset out, or set InteractiveShell.cache_size = 0.",
        expression=r"(\.|\[')(Out|_oh)('\])?(\[|$)",
    ),
    KnownLeak(
        "the code of the cells of a notebook",
        "Let cells read data, and not contain it; %reset in forgets those that were run.",
        expression=r"^__main__\.(In|_ih)$",
        member_type="str",
    ),
    KnownLeak(
        "queries logged by Django",
        "Set DEBUG = False in production, or call django.db.reset_queries().",
        expression=r"queries_log",
    ),
    KnownLeak(
        "objects kept by a database session",
        "Expire, expunge or close the SQLAlchemy session when its unit of work ends.",
        expression=r"identity_map|\._new\b",
    ),
)
"""The patterns, the more special ones first."""
