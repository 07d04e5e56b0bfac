"""Takes one census and writes it down: what a child of the daemon is there for.

Its answer is one line of JSON on standard output: the census, or `{"error": [what, cause, next]}`
with exit code 3. A profile, where one is asked for, goes to a descriptor; the answer then has
`"profiled": true` once it is whole.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import resource
import sys
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from heapgraph.capture.live.memory_limits import first_to_go
from heapgraph.errors import HeapgraphError, TargetNotFound
from heapgraph.watch.census.own_memory import give_back
from heapgraph.watch.sampling.process_handle import ProcessHandle

if TYPE_CHECKING:
    from collections.abc import Sequence

    from heapgraph.capture.dump import TakenHeap

COUNTING = "heapgraph.watch.census.take"
"""The module that counts a heap, with all that it needs."""


def take_census(arguments: Sequence[str], profile: int | None = None) -> int:
    """Take the census that the arguments ask for.

    Args:
        arguments: of the command line, without the program.
        profile: descriptor for its profile, instead of the one in the arguments.

    Returns:
        The exit code.
    """
    started = time.monotonic()
    asked = _read(arguments)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # our memory has what the target's has
    try:
        with first_to_go(asked.pid):
            taken = _take(asked)
            from heapgraph.watch.census.take import count_heap  # noqa: PLC0415 - see _take

            give_back()
            document, graph = count_heap(taken)
            if (descriptor := asked.profile if profile is None else profile) is not None:
                from heapgraph.export.pprof import write_pprof  # noqa: PLC0415 - loads protobuf

                graph.dominators.forget_order()  # a profile has a tree of its own
                with suppress(OSError):  # the disk is full: the census is worth more
                    with os.fdopen(descriptor, "wb") as stream:
                        write_pprof(graph, stream, worker=asked.worker)
                    document["profiled"] = True
    except HeapgraphError as error:
        sys.stdout.write(json.dumps({"error": [error.what, error.cause, error.hint]}) + "\n")
        return error.exit_code
    document["seconds"] = round(time.monotonic() - started, 3)
    sys.stdout.write(json.dumps(document) + "\n")
    return 0


def _read(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="heapgraph.watch.census")
    parser.add_argument("pid", type=int)
    parser.add_argument("started", type=int, help="field 22 of /proc/PID/stat: which process it is")
    parser.add_argument("--max-pause", type=float, metavar="MS")
    parser.add_argument("--profile", type=int, metavar="DESCRIPTOR")
    parser.add_argument("--worker", default="", metavar="NAME", help="for the profile")
    return parser.parse_args(arguments)


def _take(asked: argparse.Namespace) -> TakenHeap:
    """Take the heap; what counts it is loaded meanwhile, while the walker works."""
    from heapgraph.capture.dump import capture_heap  # noqa: PLC0415 - loads numpy

    loading = threading.Thread(target=importlib.import_module, args=(COUNTING,), daemon=True)
    with ProcessHandle(asked.pid) as handle:
        loading.start()
        taken = capture_heap(asked.pid, max_pause_ms=asked.max_pause)
        if not handle.is_alive() or handle.key.started != asked.started:
            raise TargetNotFound(
                f"process {asked.pid} is not the one that was meant",
                "it ended, and its pid was given to another one",
                "the daemon will find the process that took its place",
            )
    loading.join()
    return taken
