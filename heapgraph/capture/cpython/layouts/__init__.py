"""Where CPython keeps what: one table of offsets per minor version.

Offsets are in bytes from the start of the struct, for little-endian LP64 Linux and the default
build (GIL, no debug, no trace-refs). Names are `struct.field`; a field that a version does not
have is absent. A name that ends in `.size` or `_size` is a size in bytes. What changed its
shape, not only its place, is told by kinds (`kinds.py`).

The tables are written by `native/layouts/generate.py` from the headers of each version.
"""

from __future__ import annotations

import functools
import tomllib
from dataclasses import dataclass
from importlib.resources import files
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeVar

from heapgraph.capture.cpython.layouts.kinds import Kinds
from heapgraph.errors import UnsupportedPython

if TYPE_CHECKING:
    from collections.abc import Mapping

OLDEST_MINOR = 8
"""The oldest CPython 3 that has a table."""

NEWEST_MINOR = 15
"""The newest CPython 3 that has a table."""


_Value = TypeVar("_Value", int, str)


@dataclass(frozen=True)
class Layout:
    """The offsets of one CPython minor version.

    Attributes:
        version: (major, minor).
        headers_used: the micro version whose headers the table was made from, e.g. "3.13.0".
        fields: bytes by `struct.field`; read-only.
        kinds: the shapes of this minor version.
        widths: "i4", "u1"... of the fields that are not 8 bytes wide: signed or not, bytes.
    """

    version: tuple[int, int]
    headers_used: str
    fields: Mapping[str, int]
    kinds: Kinds
    widths: Mapping[str, str]

    def numbers(self, version: tuple[int, int, int]) -> dict[str, int]:
        """All that the walker is taught: fields, kinds, and the release (0x030c01 for 3.12.1)."""
        number = version[0] << 16 | version[1] << 8 | version[2]
        return {**self.fields, **self.kinds.as_fields(), "version": number}


def layout_for(version: tuple[int, int]) -> Layout:
    """Return the layout of a CPython minor version, as its first release has it.

    Args:
        version: (major, minor).

    Raises:
        UnsupportedPython: there is no table for it.

    Cost: the first call for a version imports one module of numbers.
    """
    return layouts_for(version)[0]


@functools.cache
def layouts_for(version: tuple[int, int]) -> tuple[Layout, ...]:
    """Return every layout that releases of a minor version have had, the oldest first.

    Internal structs may change from one micro release to the next, as the heads of the
    collector's lists did within 3.13. Which one fits is asked of the target's memory.

    Args:
        version: (major, minor).

    Raises:
        UnsupportedPython: there is no table for it.

    Cost: 10 ms, once for each version.
    """
    major, minor = version
    if major != 3 or not OLDEST_MINOR <= minor <= NEWEST_MINOR:  # noqa: PLR2004
        raise UnsupportedPython(
            f"CPython {major}.{minor} is not supported",
            f"heapgraph knows the object layouts of CPython 3.{OLDEST_MINOR} to 3.{NEWEST_MINOR}",
            "use a newer heapgraph, or run the program on one of these versions",
        )
    table = tomllib.loads(files(__name__).joinpath(f"cpython-3.{minor}.toml").read_text())
    fields, kinds = _flat(table["fields"]), Kinds.from_table(table["kinds"])
    widths = MappingProxyType(_flat(table["widths"]))
    revisions = {table["headers_used"]: {}, **table.get("revisions", {})}
    return tuple(
        Layout(version, release, MappingProxyType(fields | _flat(changes)), kinds, widths)
        for release, changes in revisions.items()
    )


def _flat(structs: Mapping[str, Mapping[str, _Value]]) -> dict[str, _Value]:
    """Struct and field joined by a dot."""
    return {
        f"{struct}.{field}": offset
        for struct, fields in structs.items()
        for field, offset in fields.items()
    }
