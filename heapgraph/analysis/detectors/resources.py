"""Things to close that are open: files, sockets, responses, cursors, sessions, children.

The state is read from the objects. What no field shows (a bare FileIO, a driver in C) is not
reported.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from heapgraph.analysis.detectors.base import Detector, Evidence
from heapgraph.analysis.detectors.facts import GC_HEAD
from heapgraph.units import format_count

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from heapgraph.analysis.detectors.facts import HeapFacts

MIN_OPEN = 50
MIN_RESPONSES = 10
MIN_CURSORS = 20
MIN_SESSIONS = 10
MIN_CHILDREN = 10

_BUFFERED_TYPES = ("_io.BufferedReader", "_io.BufferedWriter", "_io.BufferedRandom")
_LOCK = 32
"""Bytes of a buffered file's lock, which it keeps when it is closed; from 3.15 on it has none."""

_OPEN_WHERE_NOT_NONE = "not None"

_RESPONSES = {
    "http.client.HTTPResponse": (("fp", _OPEN_WHERE_NOT_NONE),),
    "urllib3.response.HTTPResponse": (("_connection", _OPEN_WHERE_NOT_NONE),),
    "requests.models.Response": (("_content_consumed", "False"),),
    "aiohttp.client_reqrep.ClientResponse": (
        ("_closed", "False"),
        ("_connection", _OPEN_WHERE_NOT_NONE),
    ),
    "httpx.Response": (("is_closed", "False"),),
}
"""Fields that tell that a response still has its connection, by type."""

_SESSIONS = {
    "aiohttp.client.ClientSession": (("_connector", _OPEN_WHERE_NOT_NONE),),
    "sqlalchemy.orm.session.Session": (("_transaction", _OPEN_WHERE_NOT_NONE),),
}

_SOCKETS = dict.fromkeys(("socket.socket", "ssl.SSLSocket"), (("_closed", "False"),))

_CURSORS = {
    "sqlalchemy.engine.cursor.CursorResult": (("_soft_closed", "False"),),
}


def _report(
    facts: HeapFacts, members: NDArray[np.uint32], least: int, what: str, *, lost: bool = True
) -> Iterator[Evidence]:
    """One finding for open objects that are kept, one for those that nothing refers to."""
    reachable = facts.is_reachable[members]
    kept, gone = members[reachable], members[~reachable]
    if len(kept) >= least:
        note = f"{format_count(len(kept))} {what} are open"
        yield Evidence(facts.retained(kept), len(kept), note, kept)
    if lost and len(gone):
        note = f"{format_count(len(gone))} {what} are open, and only a garbage cycle holds them"
        yield Evidence(facts.size(gone), len(gone), note, gone)


def _in_state(
    facts: HeapFacts, types: Mapping[str, tuple[tuple[str, str], ...]]
) -> Iterator[tuple[str, NDArray[np.uint32]]]:
    """Objects of each type whose fields have these values, reachable or not."""
    for name, conditions in types.items():
        members = facts.ids(facts.is_of_types(name))
        for attribute, value in conditions:
            found = facts.attribute(members, attribute)
            if value == _OPEN_WHERE_NOT_NONE:
                fits = (found >= 0) & ~facts.has_value(found, "None")
            else:
                fits = facts.has_value(found, value)
            members = members[fits]
        yield name, members


def open_files(facts: HeapFacts) -> Iterator[Evidence]:
    """Buffered files that have their buffer: closing frees it, and leaves the lock."""
    graph = facts.graph
    members = facts.ids(facts.is_of_types(*_BUFFERED_TYPES))
    basic = facts.type_columns["basicsize"][graph.type_ids[members]]
    members = members[graph.shallow_sizes[members].astype(np.int64) > basic + GC_HEAD + _LOCK]
    raw = facts.attribute(members, "raw")
    is_file = (raw >= 0) & facts.is_of_types("_io.FileIO")[raw]
    return _report(facts, members[is_file], MIN_OPEN, "files")


def open_sockets(facts: HeapFacts) -> Iterator[Evidence]:
    """Sockets whose `_closed` is False."""
    members = np.concatenate([found for _, found in _in_state(facts, _SOCKETS)])
    return _report(facts, np.sort(members), MIN_OPEN, "sockets")


def http_responses(facts: HeapFacts) -> Iterator[Evidence]:
    """Responses that were neither read to the end nor closed."""
    for name, members in _in_state(facts, _RESPONSES):
        yield from _report(facts, members, MIN_RESPONSES, f"{name} objects")


def open_cursors(facts: HeapFacts) -> Iterator[Evidence]:
    """Cursors with a statement under way."""
    graph = facts.graph
    cursors = facts.ids(facts.is_of_types("sqlite3.Cursor"))
    owner, edges = facts.references(cursors)
    busy = np.unique(owner[facts.is_of_types("sqlite3.Statement")[graph.targets[edges]]])
    yield from _report(facts, cursors[busy], MIN_CURSORS, "sqlite3 cursors", lost=False)
    for name, members in _in_state(facts, _CURSORS):
        yield from _report(facts, members, MIN_CURSORS, f"{name} objects")


def open_sessions(facts: HeapFacts) -> Iterator[Evidence]:
    """Sessions of database and HTTP libraries that hold their connections."""
    for name, members in _in_state(facts, _SESSIONS):
        yield from _report(facts, members, MIN_SESSIONS, f"{name} objects")


def running_children(facts: HeapFacts) -> Iterator[Evidence]:
    """Child processes nobody has waited for."""
    members = facts.ids(facts.is_of_types("subprocess.Popen"))
    codes = facts.attribute(members, "returncode")
    members = members[facts.has_value(codes, "None")]
    return _report(facts, members, MIN_CHILDREN, "child processes")


DETECTORS = (
    Detector(
        "open-files",
        f"{MIN_OPEN} or more open buffered files, or any in a garbage cycle",
        "open files in a with statement",
        open_files,
        is_leak=True,
    ),
    Detector(
        "open-sockets",
        f"{MIN_OPEN} or more open sockets, or any in a garbage cycle",
        "close sockets in a with statement, or bound the pool that keeps them",
        open_sockets,
        is_leak=True,
    ),
    Detector(
        "http-responses",
        f"{MIN_RESPONSES} or more HTTP responses of one client that still have their connection"
        " (http.client, urllib3, requests, aiohttp, httpx)",
        "read each response to its end and close it, best in a with statement",
        http_responses,
        is_leak=True,
    ),
    Detector(
        "open-cursors",
        f"{MIN_CURSORS} or more cursors with a statement under way (sqlite3, SQLAlchemy)",
        "fetch all rows or close the cursor (contextlib.closing)",
        open_cursors,
        is_leak=True,
    ),
    Detector(
        "open-sessions",
        f"{MIN_SESSIONS} or more sessions that hold their connections (SQLAlchemy, aiohttp)",
        "one session per unit of work, in a with statement",
        open_sessions,
        is_leak=True,
    ),
    Detector(
        "running-children",
        f"{MIN_CHILDREN} or more child processes whose end nobody has waited for",
        "wait() for each, or use Popen in a with statement",
        running_children,
        is_leak=True,
    ),
)
