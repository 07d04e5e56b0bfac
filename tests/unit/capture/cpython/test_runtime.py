"""Versions and builds, told from a runtime that is made of a few bytes."""

from __future__ import annotations

import struct

import pytest

from heapgraph.capture.cpython.layouts import Layout, layout_for
from heapgraph.capture.cpython.probe import PUBLISHED, adapt_to_published, plausible
from heapgraph.capture.cpython.runtime import COOKIE, Runtime, find_version, read_build
from heapgraph.capture.process.memory import UnreadableMemory
from heapgraph.errors import UnsupportedPython

ADDRESS = 0x7000_0000


class Bytes:
    """Memory with some bytes at one address, and nothing around them."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    def read(self, address: int, size: int) -> bytes:
        start = address - ADDRESS
        if start < 0 or start + size > len(self.content):
            raise UnreadableMemory(f"{address:#x}")
        return self.content[start : start + size]

    def u64(self, address: int) -> int:
        return struct.unpack("<Q", self.read(address, 8))[0]

    def u32(self, address: int) -> int:
        return struct.unpack("<I", self.read(address, 4))[0]

    def i32(self, address: int) -> int:
        return struct.unpack("<i", self.read(address, 4))[0]

    def u8(self, address: int) -> int:
        return self.read(address, 1)[0]

    def cstring(self, address: int, limit: int = 256) -> str:
        return self.read(address, limit).split(b"\0")[0].decode()


def header(version: int, *, is_free_threaded: bool = False) -> bytes:
    return (COOKIE + struct.pack("<QQ", version, is_free_threaded)).ljust(4096, b"\0")


def published(layout: Layout, **changes: int) -> Bytes:
    content = bytearray(4096)
    for name, place in layout.fields.items():
        field = name.removeprefix(PUBLISHED)
        if field != name:
            value = changes.get(field.replace(".", "_"), layout.fields[field])
            content[place : place + 8] = struct.pack("<Q", value)
    return Bytes(bytes(content))


def runtime_of(path: str, address: int = ADDRESS, *, is_debug_build: bool = False) -> Runtime:
    return Runtime(address, path, 0, is_debug_build=is_debug_build, file_end=address + 4096)


RUNTIME = runtime_of("/usr/bin/python3.13")


def test_free_threaded_build_is_refused() -> None:
    memory = Bytes(header(0x030D00F0, is_free_threaded=True))
    with pytest.raises(UnsupportedPython, match="free-threaded") as caught:
        find_version(memory, RUNTIME)
    assert len(caught.value.parts()) == 3


def test_debug_build_is_refused_before_anything_is_read() -> None:
    with pytest.raises(UnsupportedPython, match="debug build"):
        find_version(Bytes(b""), runtime_of("python3.11", is_debug_build=True))


def test_version_that_is_published_and_unknown_is_refused() -> None:
    with pytest.raises(UnsupportedPython, match=r"CPython 3\.16"):
        find_version(Bytes(header(0x031000F0)), RUNTIME)


def test_runtime_without_a_heap_is_unreadable_and_not_believed() -> None:
    content = header(0x030D00F0)
    memory = Bytes(content[:24] + published(layout_for((3, 13))).content[24:])
    with pytest.raises(UnreadableMemory, match="no heap"):
        find_version(memory, RUNTIME)


@pytest.mark.parametrize(
    ("name", "version"), [("libpython2.7.so.1.0", "2.7"), ("python3.6", "3.6")]
)
def test_runtime_that_publishes_nothing_is_refused_by_its_name(name: str, version: str) -> None:
    with pytest.raises(UnsupportedPython, match=f"CPython {version} "):
        find_version(Bytes(b""), runtime_of(f"/usr/lib/{name}", 0))


def test_runtime_that_is_known_by_nothing_is_unreadable() -> None:
    with pytest.raises(UnreadableMemory):
        find_version(Bytes(b""), runtime_of("/opt/service"))


@pytest.mark.parametrize("minor", [13, 14, 15])
def test_layout_that_is_published_as_it_is_stays(minor: int) -> None:
    layout = layout_for((3, minor))
    assert adapt_to_published(published(layout), layout, ADDRESS) == layout


@pytest.mark.parametrize("minor", [13, 14, 15])
def test_sizes_are_taken_from_the_target(minor: int) -> None:
    layout = layout_for((3, minor))
    memory = published(layout, rt_size=1_000_000, is_size=900_000)
    adapted = adapt_to_published(memory, layout, ADDRESS)
    assert adapted.fields["rt.size"] == 1_000_000
    assert adapted.fields["is.size"] == 900_000
    assert {**adapted.fields, "rt.size": 0, "is.size": 0} == {
        **layout.fields,
        "rt.size": 0,
        "is.size": 0,
    }


@pytest.mark.parametrize("minor", [13, 14, 15])
def test_offset_that_differs_is_refused_by_its_name(minor: int) -> None:
    layout = layout_for((3, minor))
    with pytest.raises(UnsupportedPython, match=r"tp\.flags is 171 and not 168") as caught:
        adapt_to_published(published(layout, tp_flags=171), layout, ADDRESS)
    assert len(caught.value.parts()) == 3


@pytest.mark.parametrize("minor", range(8, 16))
@pytest.mark.parametrize("content", [b"", bytes(1 << 20), b"\xff" * (1 << 20)])
def test_memory_without_objects_is_not_plausible(minor: int, content: bytes) -> None:
    assert not plausible(Bytes(content), layout_for((3, minor)), ADDRESS)


def test_build_that_cannot_be_read_is_empty() -> None:
    assert read_build(Bytes(b""), layout_for((3, 12)), ADDRESS) == ""
