"""The child that takes one census: `python -m heapgraph.watch.census PID STARTED`.

It loads the libraries of a dump, which the daemon never does: numpy, pyarrow, the walker. Its
answer is one line of JSON on standard output: the census, or `{"error": [what, cause, next]}` with
exit code 3. A profile, where one is asked for, goes to the descriptor that is named; the answer
then has `"profiled": true` once it is whole.
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
from heapgraph.watch.census.own_memory import give_back, keep_small
from heapgraph.watch.sampling.process_handle import ProcessHandle

if TYPE_CHECKING:
    from heapgraph.capture.dump import TakenHeap

_COUNTING = "heapgraph.watch.census.take"


def main() -> int:
    """Take the census that the arguments ask for."""
    started = time.monotonic()
    asked = _arguments()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # our memory has what the target's has
    keep_small()
    try:
        with first_to_go(asked.pid):
            taken = _take(asked)
            from heapgraph.watch.census.take import count_heap  # noqa: PLC0415 - see _take

            give_back()
            document, graph = count_heap(taken)
            if asked.profile is not None:
                from heapgraph.export.pprof import write_pprof  # noqa: PLC0415 - loads protobuf

                with suppress(OSError):  # the disk is full: the census is worth more
                    with os.fdopen(asked.profile, "wb") as stream:
                        write_pprof(graph, stream)
                    document["profiled"] = True
    except HeapgraphError as error:
        sys.stdout.write(json.dumps({"error": [error.what, error.cause, error.hint]}) + "\n")
        return error.exit_code
    document["seconds"] = round(time.monotonic() - started, 3)
    sys.stdout.write(json.dumps(document) + "\n")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="heapgraph.watch.census")
    parser.add_argument("pid", type=int)
    parser.add_argument("started", type=int, help="field 22 of /proc/PID/stat: which process it is")
    parser.add_argument("--max-pause", type=float, metavar="MS")
    parser.add_argument("--profile", type=int, metavar="DESCRIPTOR")
    return parser.parse_args()


def _take(asked: argparse.Namespace) -> TakenHeap:
    """Take the heap; what counts it is loaded meanwhile, while the walker works."""
    from heapgraph.capture.dump import capture_heap  # noqa: PLC0415 - loads numpy

    loading = threading.Thread(target=importlib.import_module, args=(_COUNTING,), daemon=True)
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


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)  # nothing is to be put away: freeing a heap takes a tenth of the time
