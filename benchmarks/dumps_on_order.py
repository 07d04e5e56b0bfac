"""Dumps what it is told on standard input, one JSON document a line, and answers with another.

    {"pid": 4711, "method": "auto", "output": "x.heapgraph"} -> {"said": "...", "pause_ms": 12.3}

Part of benchmarks.tight_groups: one process for many dumps, for they cost no start of Python. The
method "hold" holds a clone until memory runs short, also where a dump would be refused.
"""

from __future__ import annotations

import json
import os
import select
import sys

import heapgraph
from heapgraph.capture.dump import dump
from heapgraph.capture.live.freeze_helper import FreezeHelper, HelperFailure
from heapgraph.capture.live.memory_limits import plan_memory
from heapgraph.capture.process.permissions import read_status

HOLD_S = 0.5


def hold(pid: int) -> tuple[str, float | None]:
    """Hold a clone: whether it had to be ended, and the pause that it cost."""
    with FreezeHelper(plan_memory(pid, read_status(pid))) as helper:
        try:
            child, pause_s = helper.freeze(pid)
        except HelperFailure as failure:
            return f"not cloned ({failure.code})", None
        ended = os.pidfd_open(child)
        select.select([ended], [], [], HOLD_S)
        os.close(ended)
        state = helper.release()[1]
    return f"held to the end ({state})", pause_s * 1e3


def obey(pid: int, method: str, output: str) -> tuple[str, float | None]:
    """Do one of them: what it said in a few words, and the pause."""
    try:
        if method == "hold":
            return hold(pid)
        result = dump(pid, output, method=method, force=True)  # type: ignore[arg-type]
    except heapgraph.HeapgraphError as failure:
        return failure.what, None
    return f"worked by {result.method}", result.pause_s * 1e3


if __name__ == "__main__":
    for line in sys.stdin:
        said, pause_ms = obey(**json.loads(line))
        print(json.dumps({"said": said, "pause_ms": pause_ms}), flush=True)
