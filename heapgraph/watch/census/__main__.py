"""The child that takes one census: `python -m heapgraph.watch.census PID STARTED`.

It answers with one line of JSON on standard output: the census, or `{"error": [what, cause, next]}`
with exit code 3. A profile, where one is asked for, goes to the descriptor that is named.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import time

from heapgraph.capture.live.memory_limits import first_to_go
from heapgraph.errors import HeapgraphError


def main() -> int:
    """Take the census that the arguments ask for."""
    started = time.monotonic()
    parser = argparse.ArgumentParser(prog="heapgraph.watch.census")
    parser.add_argument("pid", type=int)
    parser.add_argument("started", type=int, help="field 22 of /proc/PID/stat: which process it is")
    parser.add_argument("--max-pause", type=float, metavar="MS")
    parser.add_argument("--profile", type=int, metavar="DESCRIPTOR")
    asked = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # our memory has what the target's has
    try:
        with first_to_go(asked.pid):
            from heapgraph.watch.census.take import take_census  # noqa: PLC0415 - loads numpy

            document, graph = take_census(
                asked.pid, started=asked.started, max_pause_ms=asked.max_pause
            )
            if asked.profile is not None:
                from heapgraph.export.pprof import write_pprof  # noqa: PLC0415 - loads protobuf

                with os.fdopen(asked.profile, "wb") as stream:
                    write_pprof(graph, stream)
    except HeapgraphError as error:
        sys.stdout.write(json.dumps({"error": [error.what, error.cause, error.hint]}) + "\n")
        return error.exit_code
    document["seconds"] = round(time.monotonic() - started, 3)
    sys.stdout.write(json.dumps(document) + "\n")
    return 0


if __name__ == "__main__":
    sys.stdout.flush()
    code = main()
    sys.stdout.flush()
    os._exit(code)  # nothing is to be put away: freeing a heap takes a tenth of the time
