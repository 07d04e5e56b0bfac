"""What is known of a Python program before its heap is read, alive or in a core file."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from heapgraph.errors import UnsupportedPython

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from heapgraph.capture.cpython.layouts import Layout
    from heapgraph.capture.cpython.runtime import Runtime
    from heapgraph.capture.process.maps import Mapping

_RELEASE_LEVELS = {0xA: "a", 0xB: "b", 0xC: "rc"}
_LOADER = re.compile(r"ld(-[^/]*)?\.so(\.\d+)*")


@dataclass(frozen=True)
class Target:
    """A live process that can be dumped.

    Attributes:
        pid: its process id here.
        executable: path of its program, as the target sees it; the Python program also when it
            was started through the dynamic loader.
        command_line: its arguments.
        version: (major, minor, micro) of its CPython.
        version_text: the same with the release level: "3.15.0rc1".
        build: `sys.version` in one line; "" when it could not be read.
        rss: resident bytes.
        hostname: of the machine or container it runs in; "" when unknown.
        started: when it was started, ISO 8601 in UTC.
        runtime_address: of its _PyRuntime.
        runtime_end: first address behind the data of the file that holds the runtime.
        maps: its mappings in address order, without sizes (see `read_maps`).
        layout: how its objects are to be read.
        tracemalloc_config: see `Runtime`.
    """

    pid: int
    executable: str
    command_line: tuple[str, ...]
    version: tuple[int, int, int]
    version_text: str
    build: str
    rss: int
    hostname: str
    started: str
    runtime_address: int
    runtime_end: int
    maps: list[Mapping]
    layout: Layout
    tracemalloc_config: int = 0


def choose_runtime(
    runtimes: Iterator[Runtime], read_version: Callable[[Runtime], tuple[int, Layout]]
) -> tuple[Runtime, int, Layout] | None:
    """The first runtime with a heap, its version and layout; None when there is no runtime.

    Raises:
        UnsupportedPython: there are runtimes, and `read_version` refuses all of them.
    """
    refusal: UnsupportedPython | None = None
    for runtime in runtimes:
        try:
            return runtime, *read_version(runtime)
        except UnsupportedPython as error:
            refusal = refusal or error
    if refusal is not None:
        raise refusal
    return None


def program_of(executable: str, paths: Iterable[str]) -> str:
    """The Python program among all mapped files, where the executable is the dynamic loader."""
    if not _LOADER.fullmatch(executable.rpartition("/")[2]):
        return executable
    programs = (path for path in paths if path.rpartition("/")[2].startswith("python"))
    return next(programs, executable)


def version_text(version: int) -> str:
    """A PY_VERSION_HEX as Python writes it."""
    numbers = f"{version >> 24}.{version >> 16 & 0xFF}.{version >> 8 & 0xFF}"
    level = _RELEASE_LEVELS.get(version >> 4 & 0xF)
    return f"{numbers}{level}{version & 0xF}" if level else numbers
