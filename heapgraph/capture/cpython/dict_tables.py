"""The entries of a dict, in each of the shapes CPython has given its table since 3.8."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from heapgraph.capture.cpython.type_flags import TypeFlags
from heapgraph.capture.process.memory import UnreadableMemory

if TYPE_CHECKING:
    from collections.abc import Iterator

    from heapgraph.capture.cpython.objects import ObjectReader

_GENERAL_ENTRY_WORDS = 3  # hash, key, value
_UNICODE_ENTRY_WORDS = 2  # key, value: 3.11+, when all keys are str
_WORD = 8
_MAX_INDEX_LOG2 = 48  # an index array of more bytes does not fit into user memory


def read_dict_entries(
    reader: ObjectReader, address: int, max_items: int
) -> Iterator[tuple[int, int]]:
    """Yield the addresses of key and value of each live entry of a dict.

    Args:
        reader: reads the memory the dict lies in.
        address: the dict.
        max_items: a table with more entries raises UnreadableMemory.
    """
    keys, values = reader.word(address, "dict.keys"), reader.word(address, "dict.values")
    if values:
        yield from read_split_values(reader, keys, values, max_items)
        return
    for key, value in _table(reader, keys, max_items):
        if key and value:
            yield key, value


def find_value(reader: ObjectReader, address: int, key: int, max_items: int) -> int:
    """Address of the value under a key of a dict, told by its identity as interned strings are.

    Args:
        reader: reads the memory the dict lies in.
        address: the dict.
        key: address of the key.
        max_items: a table with more entries raises UnreadableMemory.

    Returns:
        0 where no entry has this very object as its key.

    Cost: three reads.
    """
    places = [reader.fields[name] for name in ("obj.type", "dict.keys", "dict.values")]
    head = reader.memory.read(address, max(places) + _WORD)
    type_address, keys, values = (struct.unpack_from("<Q", head, place)[0] for place in places)
    if not reader.flags_of_type(type_address) & TypeFlags.DICT_SUBCLASS:
        raise UnreadableMemory(f"no dict at {address:#x}")
    if values:
        entries = read_split_values(reader, keys, values, max_items)
        return next((value for known, value in entries if known == key), 0)
    words, step = _words(reader, keys, max_items)
    known = words[step - 2 :: step]
    return words[known.index(key) * step + step - 1] if key in known else 0


def read_split_values(
    reader: ObjectReader, keys: int, values: int, max_items: int
) -> Iterator[tuple[int, int]]:
    """Yield key and value of a table whose keys are shared by the instances of a class.

    Args:
        reader: reads the memory.
        keys: the shared keys object.
        values: the array of this instance.
        max_items: a table with more entries raises UnreadableMemory.
    """
    entries = _table(reader, keys, max_items)
    count = len(entries)
    if "dv.capacity" in reader.fields:  # the block can be smaller than the keys have become
        count = min(count, reader.number(values, "dv.capacity"))
    array = reader.words(values + reader.fields.get("dv.values", 0), count)
    for (key, _), value in zip(entries, array, strict=False):
        if key and value:
            yield key, value


def _table(reader: ObjectReader, keys: int, max_items: int) -> list[tuple[int, int]]:
    """Every (key, value) of the entries in use, deleted ones included as zeros."""
    words, entry_words = _words(reader, keys, max_items)
    return list(
        zip(
            words[entry_words - 2 :: entry_words],
            words[entry_words - 1 :: entry_words],
            strict=True,
        )
    )


def _words(reader: ObjectReader, keys: int, max_items: int) -> tuple[tuple[int, ...], int]:
    """All words of the entries in use, and how many an entry has."""
    head = reader.memory.read(keys, reader.fields["dk.indices"])
    (count,) = struct.unpack_from("<Q", head, reader.fields["dk.nentries"])
    if count > max_items:
        raise UnreadableMemory(f"the dict keys at {keys:#x} claim {count} entries")
    index_bytes, entry_words = _shape(reader, keys, head)
    first = keys + reader.fields["dk.indices"] + index_bytes
    return reader.words(first, count * entry_words), entry_words


def _shape(reader: ObjectReader, keys: int, head: bytes) -> tuple[int, int]:
    """Bytes of the index array before the entries, and words of an entry."""
    if "dk.size" in reader.fields:  # 3.8 - 3.10: the width follows from the size
        (size,) = struct.unpack_from("<Q", head, reader.fields["dk.size"])
        width = next((width for width in (1, 2, 4) if size < 1 << 8 * width), 8)
        return size * width, _GENERAL_ENTRY_WORDS
    log2_bytes = head[reader.fields["dk.log2_index_bytes"]]
    if log2_bytes > _MAX_INDEX_LOG2:
        raise UnreadableMemory(f"the dict keys at {keys:#x} claim 2**{log2_bytes} index bytes")
    is_general = head[reader.fields["dk.kind"]] == 0
    return 1 << log2_bytes, _GENERAL_ENTRY_WORDS if is_general else _UNICODE_ENTRY_WORDS
