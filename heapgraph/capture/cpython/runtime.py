"""Finds the CPython runtime inside a process and tells which version and build it is."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, TypeAlias

from heapgraph.capture.cpython.layouts import (
    NEWEST_MINOR,
    OLDEST_MINOR,
    Layout,
    layout_for,
    layouts_for,
)
from heapgraph.capture.cpython.objects import ObjectReader
from heapgraph.capture.cpython.probe import adapt_to_published, plausible
from heapgraph.capture.process.elf import ElfUnreadable, read_elf
from heapgraph.capture.process.elf_memory import read_mapped_elf
from heapgraph.capture.process.maps import DELETED
from heapgraph.capture.process.memory import UnreadableMemory
from heapgraph.errors import UnsupportedPython

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from heapgraph.capture.process.elf import ElfImage
    from heapgraph.capture.process.maps import Mapping
    from heapgraph.capture.process.memory import Memory

OpenFile: TypeAlias = "Callable[[Mapping], IO[bytes]]"

COOKIE = b"xdebugpy"
"""What _PyRuntime begins with since 3.13 (_Py_Debug_Cookie of pycore_debug_offsets.h)."""

_VERSION_PLACE, _FREE_THREADED_PLACE = 8, 16  # behind the cookie, in every version that has it
_FIRST_PUBLISHED_MINOR = 11  # the first to publish Py_Version

_TRACEMALLOC = "_Py_tracemalloc_config"
_SYMBOLS = ("_PyRuntime", "Py_Version", "_Py_NegativeRefcount", "Py_IsInitialized", _TRACEMALLOC)
_SECTION = ".PyRuntime"
_VERSION_IN_NAME = re.compile(r"python(\d)\.(\d+)")
UNLIKELY = 3
"""The rank of a file whose name does not suggest that it holds a runtime."""


@dataclass(frozen=True)
class Runtime:
    """A CPython runtime in a process.

    Attributes:
        address: of _PyRuntime; 0 when the file has none (3.6 and older).
        path: of the file that holds it, as the target sees it.
        version_address: of Py_Version, 0 when the file does not publish it.
        is_debug_build: it was configured --with-pydebug.
        file_end: first address behind the data of that file, zeros at its end included.
        tracemalloc_config: address of what tracemalloc was told; 0 when the file does not publish
            it, as none does since 3.12, where it is a part of _PyRuntime.
    """

    address: int
    path: str
    version_address: int
    is_debug_build: bool
    file_end: int
    tracemalloc_config: int = 0

    @property
    def version_in_name(self) -> tuple[int, int] | None:
        """What the file's name says; only for messages, as anybody can rename a file."""
        match = _VERSION_IN_NAME.search(self.path.rpartition("/")[2])
        return (int(match[1]), int(match[2])) if match else None


def find_runtimes(
    maps: Sequence[Mapping], executable: str, open_file: OpenFile, memory: Memory | None = None
) -> Iterator[Runtime]:
    """Yield the CPython runtime of every file that is mapped into a process, the likeliest first.

    A program started through the dynamic loader has the loader as its executable, and one that
    embeds Python may have it in any library, so every file with mapped code is looked at.

    Args:
        maps: its mappings.
        executable: path of its program file.
        open_file: opens the file behind a mapping, or raises OSError.
        memory: of the process, to read files where they are mapped that cannot be opened.

    Raises:
        PermissionError: no runtime was found, and some file may not be read.

    Cost: a few milliseconds for each file that is looked at.
    """
    by_path: dict[str, list[Mapping]] = {}
    for mapping in maps:
        if mapping.is_file:
            by_path.setdefault(mapping.path, []).append(mapping)
    refused: PermissionError | None = None
    is_found = False
    for path in sorted(by_path, key=lambda path: runtime_rank(path, executable)):
        if not any("x" in mapping.permissions for mapping in by_path[path]):
            continue
        try:
            runtime = _runtime_in(by_path[path], open_file, memory)
        except PermissionError as error:
            refused = error
            continue
        if runtime is not None:
            is_found = True
            yield runtime
    if refused is not None and not is_found:
        raise refused


def runtime_rank(path: str, executable: str) -> int:
    """How likely a file holds the runtime, 0 first.

    A program that is linked to libpython can hold a second, unused runtime.
    """
    name = path.removesuffix(DELETED).rpartition("/")[2]
    if name.startswith("libpython"):
        return 0
    if path.removesuffix(DELETED) == executable:
        return 1
    return 2 if name.startswith("python") else UNLIKELY


def _image_of(
    mappings: Sequence[Mapping], open_file: OpenFile, memory: Memory | None
) -> ElfImage | None:
    """The file behind mappings; where it cannot be opened, what the process has of it."""
    refused: OSError | None = None
    try:
        with open_file(mappings[0]) as stream:
            return read_elf(stream, _SYMBOLS, (_SECTION,))
    except ElfUnreadable:
        return None
    except OSError as error:
        refused = error
    try:
        if memory is not None:
            return read_mapped_elf(memory, mappings, _SYMBOLS)
    except ElfUnreadable:
        pass
    if isinstance(refused, FileNotFoundError | ProcessLookupError):
        return None
    raise refused


def _runtime_in(
    mappings: Sequence[Mapping], open_file: OpenFile, memory: Memory | None
) -> Runtime | None:
    image = _image_of(mappings, open_file, memory)
    if image is None:
        return None
    bias = image.load_bias(mappings)
    address = image.symbols.get("_PyRuntime") or image.sections.get(_SECTION)
    if bias is None or (address is None and "Py_IsInitialized" not in image.symbols):
        return None
    version = image.symbols.get("Py_Version")
    tracemalloc = image.symbols.get(_TRACEMALLOC)
    return Runtime(
        address + bias if address else 0,
        mappings[0].path,
        version + bias if version else 0,
        "_Py_NegativeRefcount" in image.symbols,
        image.end + bias,
        tracemalloc + bias if tracemalloc else 0,
    )


def find_version(memory: Memory, runtime: Runtime) -> tuple[int, Layout]:
    """Return the version of a runtime as PY_VERSION_HEX, and the layout to read it with.

    Raises:
        UnsupportedPython: a version or a build for which there is no layout.
        UnreadableMemory: no heap is found through it: it is not initialised yet, it is being torn
            down, or the memory changed while it was read.
    """
    if runtime.is_debug_build:
        raise _unsupported_build("a debug build", "--with-pydebug")
    version = _published_version(memory, runtime)
    if version is not None:
        return version, _fitting_layout(memory, version, runtime.address)
    for minor in range(OLDEST_MINOR, _FIRST_PUBLISHED_MINOR):
        layout = layout_for((3, minor))
        with suppress(UnreadableMemory):
            if plausible(memory, layout, runtime.address):
                version = _system_version(memory, layout, runtime.address)
                if version >> 16 == 3 << 8 | minor:
                    return version, layout
    if runtime.version_in_name is not None:
        layout_for(runtime.version_in_name)  # refuses 2.7 to 3.7 by their number
    raise UnreadableMemory(f"no known layout fits the runtime at {runtime.address:#x}")


def _fitting_layout(memory: Memory, version: int, runtime_address: int) -> Layout:
    """The layout, of all its minor version has had, that leads to a heap."""
    refusal: UnsupportedPython | None = None
    for layout in layouts_for((version >> 24, version >> 16 & 0xFF)):
        try:
            adapted = adapt_to_published(memory, layout, runtime_address)
        except UnsupportedPython as error:
            refusal = error
            continue
        if plausible(memory, adapted, runtime_address):
            return adapted
    if refusal is not None:
        raise refusal
    raise UnreadableMemory(f"no heap is found through the runtime at {runtime_address:#x}")


def is_not_started(memory: Memory, runtime: Runtime) -> bool:
    """Tell whether a runtime, of 3.11 or newer, has no interpreter: not yet, or not any more.

    A program that embeds Python may do so in its children only.
    """
    with suppress(UnreadableMemory, UnsupportedPython):
        version = _published_version(memory, runtime)
        if version is not None:
            layouts = layouts_for((version >> 24, version >> 16 & 0xFF))
            places = [runtime.address + each.fields["rt.interp_main"] for each in layouts]
            return all(memory.u64(place) == 0 for place in places)
    return False


def read_build(memory: Memory, layout: Layout, runtime_address: int) -> str:
    """Return `sys.version` of the main interpreter in one line, "" when it cannot be read."""
    reader = ObjectReader(memory, layout)
    try:
        value = _system_value(reader, runtime_address, "version")
        return " ".join(reader.read_str(value).split()) if value else ""
    except UnreadableMemory:
        return ""


def read_command_line(memory: Memory, layout: Layout, runtime_address: int) -> tuple[str, ...]:
    """Return `sys.orig_argv` of the main interpreter; empty before 3.10 or when unreadable."""
    reader = ObjectReader(memory, layout)
    try:
        value = _system_value(reader, runtime_address, "orig_argv")
        return tuple(map(reader.read_str, reader.iter_list(value))) if value else ()
    except UnreadableMemory:
        return ()


def _published_version(memory: Memory, runtime: Runtime) -> int | None:
    """PY_VERSION_HEX as the runtime itself publishes it, None before 3.11."""
    if runtime.address and memory.read(runtime.address, len(COOKIE)) == COOKIE:
        if memory.u64(runtime.address + _FREE_THREADED_PLACE):
            raise _unsupported_build("a free-threaded build", "--disable-gil")
        return memory.u64(runtime.address + _VERSION_PLACE)
    return memory.u64(runtime.version_address) if runtime.version_address else None


def _unsupported_build(what: str, option: str) -> UnsupportedPython:
    return UnsupportedPython(
        f"the target runs {what} of CPython",
        f"it was configured {option}, which gives every object another layout",
        f"run the program on a default build of CPython 3.{OLDEST_MINOR} to 3.{NEWEST_MINOR}",
    )


def _system_version(memory: Memory, layout: Layout, runtime_address: int) -> int:
    reader = ObjectReader(memory, layout)
    value = _system_value(reader, runtime_address, "hexversion")
    return reader.read_int(value) if value else 0


def _system_value(reader: ObjectReader, runtime_address: int, name: str) -> int | None:
    """Address of an attribute of the module sys."""
    interpreter = reader.word(runtime_address, "rt.interp_main")
    return reader.dict_get(reader.word(interpreter, "is.sysdict"), name)
