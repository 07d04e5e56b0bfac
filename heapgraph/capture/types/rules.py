"""Which reader reads which type, and what its fields are called: loaded from the tables beside.

A rule holds for the type with that tp_name and for everything derived from it, unless a nearer
ancestor has a rule of its own. Words that a C subclass adds behind the ruled part, and C types
without any rule, are scanned: every aligned word that is an object counts as a reference.

Each `[[type]]` of a table has:

    names           tp_names, as CPython writes them; "metaclass NAME" for the classes of a
                    metaclass whose name begins so
    reader          of native/walker/types/readers.cpp; "plain" unless said
    owned           {place = name}: fields that the type's traverse function visits
    visited         the same, visited since the version `visited_since`
    hidden          fields that own a reference and are not visited, as no cycle runs through them
    scan_from       place from which on words are scanned as well
    buffers         memory that it alone owns: see `Buffer`
    locks           places of pointers to locks (PyThread_type_lock), which are such memory too
    blocks          memory of unknown layout: see `Blocks`
    borrowed        places of words that lead to memory of somebody else, or to what was freed

A place is the name of a layout field; only extension packages, which no layout table describes,
have byte offsets. A field, or a buffer with one, that a version lacks is left out (`resolve`).
"""

from __future__ import annotations

import tomllib
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from heapgraph.capture.types.rule import (
    BlockContents,
    Blocks,
    Buffer,
    BufferCount,
    Field,
    TypeRule,
)
from heapgraph.model import EdgeFlags

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from heapgraph.capture.types.rule import Place

LOCK_BYTES = 32
"""A lock of CPython is a sem_t, which the C library has in so many bytes."""

TABLES = (
    "builtins",
    "stdlib",
    "numpy",
    "pandas",
    "arrow",
    "multidict",
    "greenlet",
    "bindings",
)
"""In the order in which they are loaded; no name is in two of them."""


def load_rules() -> dict[str, TypeRule]:
    """All rules by tp_name (no Python class is ever matched).

    Raises:
        ValueError: a name has two rules, or a table says something that nobody reads.

    Cost: about 3 ms.
    """
    rules: dict[str, TypeRule] = {}
    for table in TABLES:
        text = files(__package__).joinpath(f"{table}.toml").read_text()
        for entry in tomllib.loads(text)["type"]:
            names = entry.pop("names")
            rule = _rule(entry)
            if twice := [name for name in names if name in rules]:
                raise ValueError(f"{table}.toml: there is another rule for {', '.join(twice)}")
            rules.update(dict.fromkeys(names, rule))
    return rules


def _rule(entry: dict[str, Any]) -> TypeRule:
    since = _version(entry.pop("visited_since", "3.0"))
    fields = (
        *_fields(entry.pop("owned", {})),
        *_fields(entry.pop("visited", {}), visited_since=since),
        *_fields(entry.pop("hidden", {}), flags=EdgeFlags.COUNTED),
    )
    blocks = entry.pop("blocks", None)
    rule = TypeRule(
        entry.pop("reader", "plain"),
        fields,
        entry.pop("scan_from", None),
        (
            *(_buffer(each) for each in entry.pop("buffers", [])),
            *(_lock(place) for place in entry.pop("locks", [])),
        ),
        None if blocks is None else _blocks(blocks),
        tuple(entry.pop("borrowed", ())),
    )
    if entry:
        raise ValueError(f"nobody reads {', '.join(entry)}")
    return rule


def _fields(table: Mapping[str, str], **how: Any) -> Iterator[Field]:  # noqa: ANN401 - of Field
    for where, name in table.items():
        yield Field(int(where) if where.isdecimal() else where, name, **how)


def _buffer(entry: dict[str, Any]) -> Buffer:
    entry = _with_versions(entry)
    if "count_of_tuple" in entry:
        entry |= {"count": entry.pop("count_of_tuple"), "how": BufferCount.TUPLE}
    elif "count" not in entry:
        entry |= {"count": 0, "how": BufferCount.ONE}
    return Buffer(**entry)


def _lock(place: Place) -> Buffer:
    return Buffer(place, 0, LOCK_BYTES, BufferCount.ONE, in_getsizeof=False)


def _blocks(entry: dict[str, Any]) -> Blocks:
    entry = _with_versions(entry)
    contents = BlockContents(0)
    for name in entry.pop("contents"):
        contents |= BlockContents[name.upper()]
    return Blocks(contents, **{"reference_depth": entry["depth"], **entry})


def _with_versions(entry: dict[str, Any]) -> dict[str, Any]:
    named: dict[str, Any] = {
        name: _version(entry[name]) for name in ("since", "before") if name in entry
    }
    return {**entry, **named}


def _version(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split(".")))


TYPE_RULES = load_rules()
