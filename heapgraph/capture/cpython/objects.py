"""Reads single Python objects out of another process: strings, numbers, containers, attributes.

Nothing here may be believed: the memory can be of any age and in the middle of a change. So every
loop has a bound, every count is checked before it is used, and a value that cannot be true raises
UnreadableMemory, as an unmapped address does.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from heapgraph.capture.cpython.dict_tables import read_dict_entries, read_split_values
from heapgraph.capture.cpython.instances import inline_values, instance_dict
from heapgraph.capture.cpython.layouts.kinds import IntSize, Refcount
from heapgraph.capture.cpython.type_flags import TypeFlags
from heapgraph.capture.process.memory import UnreadableMemory

if TYPE_CHECKING:
    from collections.abc import Iterator

    from heapgraph.capture.cpython.layouts import Layout
    from heapgraph.capture.process.memory import Memory

MAX_ITEMS = 1_000_000
"""Entries of a container that are read unless the caller says otherwise."""

MAX_CHARACTERS = 4096
"""Characters of a string that are read unless the caller says otherwise; PATH_MAX."""

_MAX_DIGITS = 4096  # 30-bit digits of an int: 36,000 decimal places
_MAX_BASES = 64  # steps up a chain of base classes
_DIGIT_BITS = 30
_WORD = 8
_MAX_SANE_REFCOUNT = 1 << 31


STR_ENCODINGS = {1: "latin-1", 2: "utf-16-le", 4: "utf-32-le"}
"""How a str keeps its text, by the bytes of a character."""


class ObjectReader:
    """Reads objects of one memory by the layout of one CPython version.

    Args:
        memory: where the objects lie.
        layout: where CPython keeps what.

    Attributes:
        memory, layout: as given.
        fields: the offsets of the layout.
        kinds: the shapes of the layout.

    Every method raises UnreadableMemory for an address that holds no such object.

    The names and flags of types are read once: use a new reader when the memory has changed.
    """

    def __init__(self, memory: Memory, layout: Layout) -> None:
        """Remember both; nothing is read."""
        self.memory = memory
        self.layout = layout
        self.fields = layout.fields
        self.kinds = layout.kinds
        self._type_names: dict[int, str] = {}
        self._flags_by_type: dict[int, int] = {}
        self._types_seen: dict[int, bool] = {}

    def word(self, address: int, field: str) -> int:
        """Return the 8-byte word of a field of the struct at `address`."""
        return self.memory.u64(address + self.fields[field])

    def number(self, address: int, field: str) -> int:
        """Return a field of the struct at `address` at its own width and sign."""
        width = self.layout.widths.get(field, "u8")
        data = self.memory.read(address + self.fields[field], int(width[1]))
        return int.from_bytes(data, "little", signed=width[0] == "i")

    def words(self, address: int, count: int) -> tuple[int, ...]:
        """Return `count` consecutive 8-byte words, read in one go."""
        return struct.unpack(f"<{count}Q", self.memory.read(address, count * _WORD))

    def type_address(self, address: int) -> int:
        """Return the address of an object's type."""
        return self.word(address, "obj.type")

    def type_flags(self, address: int) -> int:
        """Return tp_flags of an object's type."""
        return self.flags_of_type(self.type_address(address))

    def flags_of_type(self, type_address: int) -> int:
        """Return tp_flags of a type."""
        flags = self._flags_by_type.get(type_address)
        if flags is None:
            flags = self._flags_by_type[type_address] = self.word(type_address, "tp.flags")
        return flags

    def type_name(self, type_address: int) -> str:
        """Return a type's qualified name: `module.Qualname`; builtins without their module."""
        name = self._type_names.get(type_address)
        if name is None:
            name = self._type_names[type_address] = self._read_type_name(type_address)
        return name

    def is_instance(self, address: int, flag: TypeFlags) -> bool:
        """Tell whether an object's type has one of the subclass flags (DICT_SUBCLASS, ...)."""
        return bool(self.type_flags(address) & flag)

    def is_module(self, address: int) -> bool:
        """Tell whether an object is a module, or of a class derived from module."""
        type_address = self.type_address(address)
        for _ in range(_MAX_BASES):
            if type_address == 0:
                break
            if self.memory.cstring(self.word(type_address, "tp.name")) == "module":
                return True
            type_address = self.word(type_address, "tp.base")
        return False

    def is_object(self, address: int) -> bool:
        """Tell whether a word that may be anything is the address of a live object.

        Needs an aligned address, a reference count that is neither 0 nor the pointer which the
        allocator writes into freed memory, and a type whose own type is a metaclass. Never raises.
        """
        if address == 0 or address % _WORD:
            return False
        try:
            return self._is_sane_refcount(address) and self._is_type(self.type_address(address))
        except UnreadableMemory:
            return False

    def read_str(self, address: int, limit: int = MAX_CHARACTERS) -> str:
        """Return the text of a str, or its first `limit` characters."""
        head = self.memory.read(address, self.fields["uni.ascii_size"])  # every str has as much
        (type_address,) = struct.unpack_from("<Q", head, self.fields["obj.type"])
        if not self.flags_of_type(type_address) & TypeFlags.UNICODE_SUBCLASS:
            raise UnreadableMemory(f"no str at {address:#x}")
        (state,) = struct.unpack_from("<I", head, self.fields["uni.state"])
        (count,) = struct.unpack_from("<Q", head, self.fields["uni.length"])
        width, is_compact, is_ascii = state >> 2 & 7, state >> 5 & 1, state >> 6 & 1
        encoding = STR_ENCODINGS.get(width)
        if encoding is None:
            raise UnreadableMemory(f"the str at {address:#x} has characters of {width} bytes")
        if not is_compact:
            start = self.word(address, "uni.data")
        else:
            start = address + self.fields["uni.ascii_size" if is_ascii else "uni.compact_size"]
        length = min(count, limit)
        try:
            return self.memory.read(start, length * width).decode(encoding, "surrogatepass")
        except UnicodeDecodeError as error:
            raise UnreadableMemory(f"the str at {address:#x} is no text: {error}") from error

    def read_int(self, address: int) -> int:
        """Return the value of an int.

        Cost: one read; more than 4,096 digits of 30 bits count as damage.
        """
        if not self.is_instance(address, TypeFlags.LONG_SUBCLASS):
            raise UnreadableMemory(f"no int at {address:#x}")
        count, is_negative = self.digit_count(address)
        if count > _MAX_DIGITS:
            raise UnreadableMemory(f"the int at {address:#x} claims {count} digits")
        digits = self.memory.read(address + self.fields["long.digit"], count * 4)
        value = 0
        for digit in reversed(struct.unpack(f"<{count}I", digits)):
            value = value << _DIGIT_BITS | digit
        return -value if is_negative else value

    def digit_count(self, address: int) -> tuple[int, bool]:
        """Return the number of 30-bit digits of an int, and whether it is negative."""
        tag = self.word(address, "long.tag")
        if self.kinds.int_size is IntSize.TAGGED:
            return tag >> 3, tag & 3 == 2  # noqa: PLR2004 - sign bits: 0 plus, 1 zero, 2 minus
        return (2**64 - tag, True) if tag >> 63 else (tag, False)

    def iter_dict(self, address: int, max_items: int = MAX_ITEMS) -> Iterator[tuple[int, int]]:
        """Yield the addresses of the keys and values of a dict, in the order of its table.

        Args:
            address: a dict or an instance of a subclass.
            max_items: a table of more entries raises UnreadableMemory.

        Cost: two to four reads.
        """
        if not self.is_instance(address, TypeFlags.DICT_SUBCLASS):
            raise UnreadableMemory(f"no dict at {address:#x}")
        yield from read_dict_entries(self, address, max_items)

    def dict_get(self, address: int, name: str, max_items: int = MAX_ITEMS) -> int | None:
        """Return the address of the value of a str key, None when there is no such key."""
        return self._find(self.iter_dict(address, max_items), name)

    def iter_tuple(self, address: int, max_items: int = MAX_ITEMS) -> Iterator[int]:
        """Yield the addresses of the items of a tuple; NULL is left out."""
        if not self.is_instance(address, TypeFlags.TUPLE_SUBCLASS):
            raise UnreadableMemory(f"no tuple at {address:#x}")
        count = self._item_count(address, max_items)
        yield from filter(None, self.words(address + self.fields["tuple.item"], count))

    def iter_list(self, address: int, max_items: int = MAX_ITEMS) -> Iterator[int]:
        """Yield the addresses of the items of a list; NULL is left out."""
        if not self.is_instance(address, TypeFlags.LIST_SUBCLASS):
            raise UnreadableMemory(f"no list at {address:#x}")
        count = self._item_count(address, max_items)
        if count:
            yield from filter(None, self.words(self.word(address, "list.item"), count))

    def read_bytes(self, address: int, max_bytes: int = MAX_ITEMS) -> bytes:
        """Return the content of a bytes object."""
        if not self.is_instance(address, TypeFlags.BYTES_SUBCLASS):
            raise UnreadableMemory(f"no bytes at {address:#x}")
        count = self._item_count(address, max_bytes)
        return self.memory.read(address + self.fields["bytes.sval"], count)

    def get_attribute(self, address: int, name: str) -> int | None:
        """Return the address of an attribute kept in an instance's own dict or inline values.

        Slots, properties and attributes of the class are not looked at.
        """
        dict_address = instance_dict(self, address)
        if dict_address:
            return self.dict_get(dict_address, name)
        values = inline_values(self, address)
        if not values:
            return None
        keys = self.word(self.type_address(address), "ht.cached_keys")
        return self._find(read_split_values(self, keys, values, MAX_ITEMS), name)

    def _find(self, entries: Iterator[tuple[int, int]], name: str) -> int | None:
        for key, value in entries:
            if self.is_instance(key, TypeFlags.UNICODE_SUBCLASS) and (
                self.word(key, "uni.length") == len(name) and self.read_str(key) == name
            ):
                return value
        return None

    def _read_type_name(self, type_address: int) -> str:
        if self.word(type_address, "tp.flags") & TypeFlags.HEAPTYPE:
            try:
                return self._heap_type_name(type_address)
            except UnreadableMemory:
                pass  # a type under construction: its C string is already there
        name = self.memory.cstring(self.word(type_address, "tp.name"))
        return name.removeprefix("builtins.")

    def _heap_type_name(self, type_address: int) -> str:
        qualname = self.read_str(self.word(type_address, "ht.qualname"))
        module = self.dict_get(self.word(type_address, "tp.dict"), "__module__")
        if module is None or not self.is_instance(module, TypeFlags.UNICODE_SUBCLASS):
            return qualname
        module_name = self.read_str(module)
        return qualname if module_name == "builtins" else f"{module_name}.{qualname}"

    def _is_type(self, address: int) -> bool:
        known = self._types_seen.get(address)
        if known is None:
            is_ready = bool(self.word(address, "tp.flags") & TypeFlags.READY)
            known = is_ready and self.is_instance(address, TypeFlags.TYPE_SUBCLASS)
            self._types_seen[address] = known
        return known

    def _is_sane_refcount(self, address: int) -> bool:
        word = self.word(address, "obj.refcnt")
        kind = self.kinds.refcount
        if kind in (Refcount.WORD, Refcount.WORD_OR_STATIC):
            return 0 < word < _MAX_SANE_REFCOUNT
        count, upper = word & 0xFFFFFFFF, word >> 32
        if count >= _MAX_SANE_REFCOUNT:  # immortal
            return True
        carry = upper & 0xFFFF if kind is Refcount.HALF_WITH_FLAGS else upper
        if carry >> 16:
            return False
        # Extensions count immortal objects on into bit 32; freed memory has an address here.
        return not self._is_readable(carry << 32 | count) if carry else count > 0

    def _is_readable(self, address: int) -> bool:
        try:
            self.memory.u64(address & -_WORD)
        except UnreadableMemory:
            return False
        return True

    def _item_count(self, address: int, max_items: int) -> int:
        count = self.word(address, "var.size")
        if count > max_items:
            raise UnreadableMemory(f"the object at {address:#x} claims {count} items")
        return count
