"""What the in-process peers answer about the service heap, in a process of their own.

    python -m benchmarks.peers_inside PEER OBJECTS

They have no dump: each question is a walk of the whole heap in the process that is asked about.
PEER "truth" drops the holder instead and counts the bytes that came back.
Prints {question: {"answer": text or bytes, "seconds": s}}; the questions are those of `QUESTIONS`.
"""

from __future__ import annotations

import gc
import json
import sys
import time
import tracemalloc
from typing import TYPE_CHECKING, Any

from benchmarks.service_heap import Service

if TYPE_CHECKING:
    from collections.abc import Callable

HELD_IN_CYCLES = "customers"
HELD_PLAINLY = "pages"
QUESTIONS = {
    "types": "the commonest type of the heap",
    HELD_IN_CYCLES: "bytes kept alive by `SERVICE.customers` (customer <-> order cycles)",
    HELD_PLAINLY: "bytes kept alive by `SERVICE.pages` (no cycles)",
    "path": "what keeps the last order alive",
}
"""The questions, as a report words them."""

SERVICE: Service
"""The heap; a global of this module, so that a path has a root with a name."""

Answers = dict[str, "Callable[[], object]"]


def last_order() -> object:
    """The object whose path is asked for."""
    return next(reversed(SERVICE.customers.values())).orders[-1]


def ask_guppy() -> Answers:
    """guppy3: the only one that knows retained sizes."""
    from guppy import hpy  # noqa: PLC0415 - a peer is loaded where it is measured

    heap = hpy()
    return {
        "types": lambda: str(heap.heap().bytype[0].kind),
        HELD_IN_CYCLES: lambda: heap.iso(SERVICE.customers).domisize,
        HELD_PLAINLY: lambda: heap.iso(SERVICE.pages).domisize,
        "path": lambda: str(heap.iso(last_order()).shpaths),
    }


def ask_objgraph() -> Answers:
    """objgraph: counts and chains of referrers, no sizes."""
    import objgraph  # noqa: PLC0415 - a peer is loaded where it is measured

    def chain() -> str:
        found = objgraph.find_backref_chain(last_order(), objgraph.is_proper_module)
        return f"a chain of {len(found)} objects from a {type(found[0]).__name__}"

    return {"types": lambda: objgraph.most_common_types(1)[0][0], "path": chain}


def ask_pympler() -> Answers:
    """Pympler: everything reachable from an object, which is not what would be freed."""
    from pympler import asizeof, muppy, summary  # noqa: PLC0415 - a peer, see above

    def commonest() -> str:
        rows = summary.summarize(muppy.get_objects())
        name: str = max(rows, key=lambda row: row[1])[0]
        return name

    return {
        "types": commonest,
        HELD_IN_CYCLES: lambda: asizeof.asizeof(SERVICE.customers),
        HELD_PLAINLY: lambda: asizeof.asizeof(SERVICE.pages),
    }


def drop(name: str) -> int:
    """Bytes that come back when the service forgets one of its tables."""
    gc.collect()
    before = tracemalloc.get_traced_memory()[0]
    setattr(SERVICE, name, None)
    gc.collect()
    return before - tracemalloc.get_traced_memory()[0]


def drop_both() -> Answers:
    """The truth: the bytes really freed."""
    return {
        HELD_PLAINLY: lambda: drop(HELD_PLAINLY),
        HELD_IN_CYCLES: lambda: drop(HELD_IN_CYCLES),
    }


PEERS: dict[str, Callable[[], Answers]] = {
    "truth": drop_both,
    "guppy3": ask_guppy,
    "objgraph": ask_objgraph,
    "Pympler": ask_pympler,
}
"""Who can be asked, by the name of the package."""


def main() -> None:
    """Build the heap, ask the peer everything it can answer, print the answers."""
    global SERVICE  # noqa: PLW0603 - the path to the heap begins at a module's name
    peer, objects = sys.argv[1:]
    if peer == "truth":
        tracemalloc.start()
    SERVICE = Service(int(objects))
    answers: dict[str, Any] = {}
    for question, ask in PEERS[peer]().items():
        started = time.perf_counter()
        answer = ask()
        answers[question] = {"answer": answer, "seconds": time.perf_counter() - started}
    print(json.dumps(answers))


if __name__ == "__main__":
    main()
