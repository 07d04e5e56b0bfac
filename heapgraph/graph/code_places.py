"""The tables of code and of modules: where each piece of code comes from, and whose it is."""

from __future__ import annotations

import posixpath
import re
from collections import defaultdict
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from heapgraph.model import CodeOrigin
from heapgraph.snapshot.plain_tables import text_at

if TYPE_CHECKING:
    import pyarrow as pa

    from heapgraph.native.graph_kernels import U8, U32
    from heapgraph.snapshot.plain_tables import Texts


@dataclass(frozen=True)
class CodePlace:
    """Where code begins.

    Attributes:
        function: qualified where the version knows that (3.11).
        file: its source; "" where that is not known, the last part of it in a redacted snapshot.
        line: the first one, 0 when it is not known.
        origin: whose it is.
    """

    function: str
    file: str
    line: int
    origin: CodeOrigin = CodeOrigin.UNKNOWN

    @property
    def text(self) -> str:
        """For people, with the whole path: `fetch() at /srv/client.py:41`."""
        return f"{self.function}() at {self.file}:{self.line}" if self.file else self.name

    @property
    def short_text(self) -> str:
        """For people: `fetch() at client.py:41`."""
        if not self.file:
            return self.name
        return f"{self.function}() at {posixpath.basename(self.file)}:{self.line}"

    @property
    def name(self) -> str:
        """The function alone: `fetch()`."""
        return f"{self.function}()"


NO_PLACE = CodePlace("?", "", 0)


@dataclass(frozen=True)
class CodeColumns:
    """All code objects, as parallel columns by rising object id.

    Attributes:
        objects: uint32[k], object ids.
        functions, files: texts, "" where unknown.
        lines: uint32[k].
        origins: uint8[k] (`CodeOrigin`).
    """

    objects: U32
    functions: pa.ChunkedArray | Texts
    files: pa.ChunkedArray | Texts
    lines: U32
    origins: U8

    def place(self, object_id: int) -> CodePlace:
        """Where a code object comes from; `NO_PLACE` for what is none. Cost: 5 us."""
        row = int(np.searchsorted(self.objects, object_id))
        if row >= len(self.objects) or int(self.objects[row]) != object_id:
            return NO_PLACE
        return CodePlace(
            text_at(self.functions, row) or "?",
            text_at(self.files, row) or "",
            int(self.lines[row]),
            CodeOrigin(int(self.origins[row])),
        )

    @cached_property
    def functions_by_file(self) -> dict[str, list[tuple[str, int]]]:
        """Names and first lines of the functions of each file. Cost: 0.5 us a code object, once."""
        found: dict[str, list[tuple[str, int]]] = defaultdict(list)
        rows = zip(
            self.files.to_pylist(), self.functions.to_pylist(), self.lines.tolist(), strict=True
        )
        for file, function, line in rows:
            found[file].append((function, line))
        return dict(found)


@dataclass(frozen=True)
class StandingLines:
    """Where functions stand that are not running, as parallel columns by rising object id.

    Attributes:
        objects: uint32[k], generators, coroutines, frames and tracebacks.
        lines: uint32[k].
    """

    objects: U32
    lines: U32

    def line(self, object_id: int) -> int | None:
        """The line at which one stands; None where that is not known, and for what has ended."""
        row = int(np.searchsorted(self.objects, object_id))
        if row >= len(self.objects) or int(self.objects[row]) != object_id:
            return None
        return int(self.lines[row])

    def place(self, object_id: int, place: CodePlace) -> CodePlace:
        """Where code begins, with the line at which an object stands in it where that is known."""
        line = self.line(object_id)
        return place if line is None else replace(place, line=line)


MIN_MADE = 100
"""Modules of one pattern of names that are no package: no library has so many of a number each."""

_CHANGING = re.compile(r"[0-9a-f]{6,}|\d+")
"""What changes in names that are made: numbers, identifiers, checksums."""


@dataclass(frozen=True, slots=True)
class Module:
    """One entry of `sys.modules`; several may be the same object.

    Attributes:
        object: id of the module, or of what stands for it.
        name: the key; of a sub-interpreter with its number behind it.
        file: its `__file__`; "" where there is none, the last part of it in a redacted snapshot.
        origin: whose it is.
        distribution: which package has installed it, "" where it is of no package.
    """

    object: int
    name: str
    file: str
    origin: CodeOrigin
    distribution: str


@dataclass(frozen=True)
class Modules:
    """All modules, in the order in which they were imported.

    Attributes:
        rows: one each.
    """

    rows: tuple[Module, ...]

    @cached_property
    def by_name(self) -> dict[str, Module]:
        """The first of each name."""
        return {module.name: module for module in reversed(self.rows)}

    @cached_property
    def made(self) -> list[dict[str, int]]:
        """Modules by their names, where a hundred or more differ in a number or the like only."""
        alike: dict[str, dict[str, int]] = defaultdict(dict)
        for module in self.rows:
            alike[_CHANGING.sub("#", module.name)][module.name] = module.object
        return [
            group
            for pattern, group in alike.items()
            if "#" in pattern and len(set(group.values())) >= MIN_MADE
        ]

    def origin(self, name: str) -> CodeOrigin:
        """Whose the module of this name is."""
        module = self.by_name.get(name)
        return CodeOrigin.UNKNOWN if module is None else module.origin
