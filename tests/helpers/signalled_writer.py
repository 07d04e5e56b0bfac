"""Writes a pending file over and over, each time in a process that gets a signal one step later.

    python signalled_writer.py FOLDER named|nameless keep|force FIRST STRIDE SIGNAL [SECOND]

A step is one instruction of the interpreter inside the modules that look after the file, so every
gap between two of them is tried; from FIRST on, one in STRIDE. SECOND is how many steps later the
signal comes once more. For each step one line is printed: how the process ended, and what it left
in the folder.
Of SIGKILL something may be left; then it is what another writer, which writes nothing, has not
tidied away.
"""

from __future__ import annotations

import dis
import errno
import os
import signal
import sys
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

# A fork of a process that has pyarrow in it takes much longer, and there are a thousand: only the
# modules of the package are loaded, and not what it offers to others.
_package = ModuleType("heapgraph.snapshot")
_spec = find_spec("heapgraph")
assert _spec is not None
assert _spec.submodule_search_locations
_package.__path__ = [str(Path(_spec.submodule_search_locations[0]) / "snapshot")]
sys.modules[_package.__name__] = _package

from heapgraph.snapshot import held_signals, pending_file  # noqa: E402 - see above
from heapgraph.snapshot.pending_file import PendingFile  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

CONTENT = b"whole" * 1000
OLD = b"old"
NAME = "final"
_RETURNS = {code for name, code in dis.opmap.items() if name.startswith("RETURN")}
WATCHED = {pending_file.__file__, held_signals.__file__}


def refuse_nameless_files() -> None:
    """Be on a file system that does not know O_TMPFILE."""
    original = os.open

    def refusing(path: str, flags: int, *arguments: int, **options: int) -> int:
        if flags & os.O_TMPFILE == os.O_TMPFILE:
            raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))
        return original(path, flags, *arguments, **options)

    os.open = refusing  # type: ignore[assignment]


def signal_at(steps: set[int], number: int) -> Callable[[FrameType, str, Any], Any]:
    """A trace function that sends a signal to this process at some of the watched steps."""
    done = 0

    def trace(frame: FrameType, event: str, argument: object) -> Any:
        del argument
        nonlocal done
        if frame.f_code.co_filename not in WATCHED:
            return None
        frame.f_trace_opcodes = True
        # The interpreter looks for signals at calls and jumps back, but never while it returns.
        if event == "opcode" and frame.f_code.co_code[frame.f_lasti] not in _RETURNS:
            done += 1
            if done in steps:
                os.kill(os.getpid(), number)
        return trace

    return trace


def write(path: Path, *, force: bool) -> None:
    """What is tried."""
    with PendingFile(path, force=force) as pending:
        pending.file.write(CONTENT)
        pending.publish()


def attempt(path: Path, steps: set[int], number: int, *, force: bool) -> int:
    """Write in a child that gets a signal; return its wait status."""
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1]
    code = 1
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for each in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(each, signal.SIG_DFL)
        sys.settrace(signal_at(steps, number))
        write(path, force=force)
        sys.settrace(None)
        code = 0
    except KeyboardInterrupt:
        code = 130
    finally:
        os._exit(code)


def main() -> None:
    """Try every step until one is behind the last."""
    folder, kind, how, first, stride, name, *second = sys.argv[1:]
    if kind == "named":
        refuse_nameless_files()
    os.fsync = lambda fd: None  # noqa: ARG005 - a thousand of them wait for a busy disk
    path, number = Path(folder) / NAME, getattr(signal, name)
    step, status = int(first) - int(stride), 1
    while status != 0:
        step += int(stride)
        if how == "force":
            path.write_bytes(OLD)
        steps = {step, *(step + int(word) for word in second)}
        status = attempt(path, steps, number, force=how == "force")
        if number == signal.SIGKILL:
            with PendingFile(path.with_name("another")):
                pass
        found = sorted(entry.name for entry in path.parent.iterdir())
        content = path.read_bytes() if path.exists() else b""
        known = {CONTENT: "new", OLD: "old", b"": "none"}
        words = (step, os.waitstatus_to_exitcode(status), known.get(content, "half"), *found)
        sys.stdout.write(" ".join(map(str, words)) + "\n")
        for entry in path.parent.iterdir():
            entry.unlink()


if __name__ == "__main__":
    main()
