"""Freezes and dumps on order: the side of the tool, as a program of its own.

    python freezer.py          with the interpreter of the checkout that is measured

One JSON order a line, one JSON answer. It knows of heapgraph only what users do, so that an older
checkout can be measured beside this one, and it is a process that can be killed.

    {"order": "methods"}
    {"order": "freeze" | "dump" | "hold", "pid": 1, "method": "clone", "output": "x.heapgraph"}
    {"order": "release"}
    {"order": "verify", "output": "x.heapgraph"}
    {"order": "start", "task": {an order}}    in a child, which can be killed; answers its pid
    {"order": "wait"}                          the end of that child: its exit code and its answer
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
import traceback
from contextlib import ExitStack
from pathlib import Path
from typing import Any, get_args

from heapgraph.capture.dump import dump
from heapgraph.capture.live import freeze as freezing
from heapgraph.capture.live import freeze_helper
from heapgraph.errors import TargetError
from heapgraph.snapshot.reader import open_snapshot

held = ExitStack()
started: list[tuple[int, int]] = []


def methods() -> dict[str, Any]:
    """What this checkout can do, and the program by which it does."""
    return {"methods": list(get_args(freezing.Method)), "helper": str(freeze_helper.HELPER)}


def read_pid(frozen: Any, pid: int) -> int:  # noqa: ANN401 - differs by checkout
    """The process whose memory is read: the clone's, or the target's own where there is none."""
    read = getattr(frozen, "memory_pid", None) or frozen.source
    return read if isinstance(read, int) else pid


def describe(frozen: Any, begin: float, memory_pid: int) -> dict[str, Any]:  # noqa: ANN401
    """What became of one freeze."""
    return {
        "method": frozen.method,
        "pause_ms": frozen.pause_s * 1e3,
        "whole_ms": (time.monotonic() - begin) * 1e3,
        "notes": list(frozen.notes),
        "memory_pid": memory_pid,
    }


def freeze(pid: int, method: Any) -> dict[str, Any]:  # noqa: ANN401
    """Freeze and let go at once."""
    begin = time.monotonic()
    with freezing.freeze(pid, method) as frozen:
        memory_pid = read_pid(frozen, pid)
        frozen.release()
        return describe(frozen, begin, memory_pid)


def hold(pid: int, method: Any) -> dict[str, Any]:  # noqa: ANN401
    """Freeze until `release`."""
    begin = time.monotonic()
    frozen = held.enter_context(freezing.freeze(pid, method))
    return describe(frozen, begin, read_pid(frozen, pid))


def release() -> dict[str, Any]:
    """Let go what is held."""
    held.close()
    return {}


def whole_dump(pid: int, method: Any, output: str) -> dict[str, Any]:  # noqa: ANN401
    """A whole snapshot, whose checksums are looked at."""
    begin = time.monotonic()
    result = dump(pid, output, method=method, force=True)
    verify(output)
    return {
        "method": result.method,
        "pause_ms": result.pause_s * 1e3,
        "whole_ms": (time.monotonic() - begin) * 1e3,
        "notes": list(result.notes),
        "objects": result.objects,
    }


def verify(output: str) -> dict[str, Any]:
    """Every member of a snapshot against its checksum; an error when it is not whole."""
    open_snapshot(Path(output)).verify_all()
    return {}


def start(task: dict[str, Any]) -> dict[str, Any]:
    """Obey an order in a child: it has loaded everything, and it can be killed."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        code = 1
        try:
            os.close(reading)
            os.setsid()
            os.write(writing, json.dumps(obey(task)).encode())
            code = 0
        finally:
            os._exit(code)
    os.close(writing)
    started.append((child, reading))
    return {"pid": child}


def wait() -> dict[str, Any]:
    """Collect the child that was started last."""
    child, reading = started.pop()
    _, status = os.waitpid(child, 0)
    text = b"".join(iter(lambda: os.read(reading, 65536), b""))
    os.close(reading)
    code = os.waitstatus_to_exitcode(status)
    return {"code": code, "answer": json.loads(text) if text else None}


ORDERS = {
    "start": start,
    "wait": wait,
    "methods": methods,
    "freeze": freeze,
    "hold": hold,
    "release": release,
    "dump": whole_dump,
    "verify": verify,
}


def obey(order: dict[str, Any]) -> dict[str, Any]:
    """The answer to one order, whatever happens."""
    try:
        return {"outcome": "ok", **ORDERS[order.pop("order")](**order)}  # type: ignore[operator]
    except TargetError as error:
        return {
            "outcome": "refused",
            "kind": type(error).__name__,
            "error": "; ".join(error.parts()),
        }
    except Exception as error:  # noqa: BLE001 - it is the result
        last = traceback.format_exc().strip().splitlines()[-3:]
        return {"outcome": "failed", "kind": type(error).__name__, "error": " | ".join(last)}


def main() -> None:
    """Answer until the end of the input; a helper can be put in place of the real one."""
    if len(sys.argv) > 1:
        freeze_helper.HELPER = Path(sys.argv[1])
    for line in sys.stdin:
        print(json.dumps(obey(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
