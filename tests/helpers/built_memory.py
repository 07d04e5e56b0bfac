"""Memory in which a test lays out Python objects word by word, for versions it cannot run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from heapgraph.capture.cpython.type_flags import TypeFlags
from heapgraph.capture.process.memory import UnreadableMemory
from helpers.word_reader import WordReader

if TYPE_CHECKING:
    from heapgraph.capture.cpython.layouts import Layout

_BLOCK = 1 << 12
_REFCOUNT = 3
_COMPACT_ASCII = 1 << 2 | 1 << 5 | 1 << 6  # characters of one byte


class BuiltMemory(WordReader):
    """Blocks of zeros at rising addresses, into which words are written.

    Args:
        layout: of the version whose objects are built.
    """

    def __init__(self, layout: Layout) -> None:
        self._fields = layout.fields
        self._blocks: dict[int, bytearray] = {}
        self._next = 0x10_0000
        self._types: dict[str, int] = {}
        self._types["type"] = self.block()
        self._describe_type("type", TypeFlags.TYPE_SUBCLASS)

    def block(self) -> int:
        """Address of a new block of 4 KiB of zeros, unmapped memory behind it."""
        address, self._next = self._next, self._next + 2 * _BLOCK
        self._blocks[address] = bytearray(_BLOCK)
        return address

    def put(self, address: int, field: str, value: int, size: int = 8) -> None:
        """Write a field of the struct at `address`."""
        self.put_at(address + self._fields[field], value, size)

    def put_at(self, address: int, value: int, size: int = 8) -> None:
        """Write a number."""
        self.put_bytes(address, (value % (1 << 8 * size)).to_bytes(size, "little"))

    def put_bytes(self, address: int, content: bytes) -> None:
        """Write bytes into a block."""
        start = address - address % _BLOCK
        self._blocks[start][address - start : address - start + len(content)] = content

    def new(self, type_name: str, flags: int = 0) -> int:
        """Address of a new object with a reference count and a type."""
        if type_name not in self._types:
            self._types[type_name] = self.block()
            self._describe_type(type_name, flags)
        address = self.block()
        self.put(address, "obj.refcnt", _REFCOUNT)
        self.put(address, "obj.type", self._types[type_name])
        return address

    def text(self, value: str) -> int:
        """Address of a new str of ASCII characters."""
        address = self.new("str", TypeFlags.UNICODE_SUBCLASS)
        self.put(address, "uni.length", len(value))
        self.put(address, "uni.state", _COMPACT_ASCII, 4)
        self.put_bytes(address + self._fields["uni.ascii_size"], value.encode())
        return address

    def tuple_of(self, items: list[int]) -> int:
        """Address of a new tuple."""
        address = self.new("tuple", TypeFlags.TUPLE_SUBCLASS)
        self.put(address, "var.size", len(items))
        for index, item in enumerate(items):
            self.put_at(address + self._fields["tuple.item"] + 8 * index, item)
        return address

    def bytes_of(self, content: bytes) -> int:
        """Address of a new bytes object."""
        address = self.new("bytes", TypeFlags.BYTES_SUBCLASS)
        self.put(address, "var.size", len(content))
        self.put_bytes(address + self._fields["bytes.sval"], content)
        return address

    def _describe_type(self, name: str, flags: int) -> None:
        address, text = self._types[name], self.block()
        self.put_bytes(text, name.encode())
        self.put(address, "obj.refcnt", _REFCOUNT)
        self.put(address, "obj.type", self._types["type"])
        self.put(address, "tp.name", text)
        self.put(address, "tp.flags", flags | TypeFlags.READY)

    def read(self, address: int, size: int) -> bytes:
        start = address - address % _BLOCK
        if start not in self._blocks or address + size > start + _BLOCK:
            raise UnreadableMemory(f"{address:#x} is not mapped")
        return bytes(self._blocks[start][address - start : address - start + size])

    def cstring(self, address: int, limit: int = 256) -> str:
        return self.read(address, limit).split(b"\0")[0].decode(errors="replace")
