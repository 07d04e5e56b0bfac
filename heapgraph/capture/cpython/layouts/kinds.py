"""The shapes that CPython has given to one thing over time: what is asked instead of a version.

Each kind has one value per minor version, in the section `[kinds]` of its table; the versions are
written down in `native/layouts/kinds.txt`. The walker knows the same numbers (kinds.hpp).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Any, get_type_hints

if TYPE_CHECKING:
    from collections.abc import Mapping

FIELD_PREFIX = "kind."
"""Begins the names of kinds among the fields that the walker is given."""


class Refcount(IntEnum):
    """What the word of the reference count holds."""

    WORD = 0
    WORD_OR_STATIC = 1  # static objects count from 999,999,999
    HALF = 2  # the lower 32 bits; bit 31 says immortal, the upper bits are zero
    HALF_WITH_FLAGS = 3  # the same, with flags above bit 47


class ManagedDict(IntEnum):
    """Where instances of Python classes keep their attributes."""

    NONE = 0  # in a dict, at tp_dictoffset
    TWO_WORDS = 1  # before the object: dict at -24, values at -32
    TAGGED_WORD = 2  # before the object at -24: the dict, or the values with the lowest bit set
    INLINE_VALUES = 3  # dict at -24, values behind the object


class ManagedWeakref(IntEnum):
    """Whether a word before the object holds the list of its weak references."""

    NO = 0
    YES = 1


class StackReference(IntEnum):
    """What a word on the evaluation stack of a frame is."""

    POINTER = 0
    TAGGED = 1  # bit 0: not counted; both low bits: no object
    TAGGED_OR_INT = 2  # the same, and bit 1 alone: an int, not an object


class IntSize(IntEnum):
    """How an int tells the number of its digits."""

    SIGNED_COUNT = 0  # as ob_size, negative for negative ones
    TAGGED = 1  # from bit 3 on; the sign in the lowest two


class IntZero(IntEnum):
    """How many digits sys.getsizeof counts in 0."""

    NO_DIGIT = 0
    ONE_DIGIT = 1


class ClassGcHead(IntEnum):
    """For which classes sys.getsizeof counts the collector's head."""

    HEAP_ONLY = 0
    ALWAYS = 1


class InstanceVisits(IntEnum):
    """Instances of which heap types show their class to the collector."""

    PYTHON_CLASS = 0
    EVERY_CLASS = 1


class LruLink(IntEnum):
    """Whether the links of an lru_cache show their type to the collector."""

    WITHOUT_TYPE = 0
    WITH_TYPE = 1


class CtypesInfo(IntEnum):
    """Where a ctypes class keeps its StgInfo."""

    DICT = 0  # in its dict, a StgDict
    STATE = 1  # behind the heap type
    STATE_WITH_POINTER = 2  # there, with a field for the pointer type


class Interned(IntEnum):
    """Who has a dict of interned strings."""

    SHARED = 0
    PER_INTERPRETER = 1


class LineTable(IntEnum):
    """How code objects tell lines."""

    LNOTAB = 0
    LINES = 1  # PEP 626
    LOCATIONS = 2  # PEP 657


class PoolKind(IntEnum):
    """How much pymalloc asks for at a time: a pool and an arena."""

    SMALL = 0  # 4 KiB, 256 KiB
    LARGE = 1  # 16 KiB, 1 MiB


@dataclass(frozen=True)
class Kinds:
    """The shapes of one CPython minor version."""

    refcount: Refcount
    managed_dict: ManagedDict
    managed_weakref: ManagedWeakref
    stack_reference: StackReference
    int_size: IntSize
    int_zero: IntZero
    class_gc_head: ClassGcHead
    instance_visits: InstanceVisits
    lru_link: LruLink
    ctypes_info: CtypesInfo
    interned: Interned
    line_table: LineTable
    pools: PoolKind

    @classmethod
    def from_table(cls, table: Mapping[str, str]) -> Kinds:
        """Read the section `[kinds]` of a layout table.

        Raises:
            ValueError: a kind is missing or unknown.
            KeyError: it has no such value.
        """
        if KINDS.keys() != table.keys():
            raise ValueError(f"kinds are {', '.join(KINDS)}; the table has {', '.join(table)}")
        values: dict[str, Any] = {name: KINDS[name][value.upper()] for name, value in table.items()}
        return cls(**values)

    def as_fields(self) -> dict[str, int]:
        """The kinds as the walker takes them: numbers by "kind.NAME"."""
        return {FIELD_PREFIX + name: int(getattr(self, name)) for name in KINDS}


KINDS: dict[str, type[IntEnum]] = get_type_hints(Kinds)
"""The values of each kind, by its name."""


_INCREMENTAL = ((3, 14, 0), (3, 14, 5))
"""From the first of these releases on, up to the second, a collection works through the heap in
steps, each of which puts what it has seen behind the rest, in the order of the search."""


def collects_in_order(version: tuple[int, int, int]) -> bool:
    """Whether the collector leaves its lists in the order in which objects were made.

    Micro releases of one minor differ here, and in no field.
    """
    return not _INCREMENTAL[0] <= version < _INCREMENTAL[1]
