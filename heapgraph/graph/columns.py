"""The columns of a snapshot as arrays, read when first used and checked against one another."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from heapgraph.errors import SnapshotFormatError
from heapgraph.graph.ages import PART_BITS
from heapgraph.graph.code_places import CodeColumns, Module, Modules, StandingLines
from heapgraph.graph.roots import Roots
from heapgraph.graph.table_rows import (
    ContainerColumns,
    Frame,
    MemoryMapping,
    MemoryRegion,
    NativeColumns,
    PoolColumns,
    Thread,
)
from heapgraph.model import NO_LABEL, CodeOrigin, EdgeKind, RegionKind
from heapgraph.snapshot.checks import check_column, check_labels, check_table
from heapgraph.snapshot.plain_tables import numpy_array, text_at, texts_at

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa

    from heapgraph.graph.references import ReverseReferences
    from heapgraph.native.graph_kernels import U8, U32, U64

_I64 = npt.NDArray[np.int64]
_U16 = npt.NDArray[np.uint16]

_MAX_BASIC_SIZE = 2**32
"""Of a type that is not damaged; real ones stay below a megabyte."""


class SnapshotSource(Protocol):
    """What a graph needs of a snapshot: an open file, or tables in memory.

    Those of a census are no Arrow tables but `PlainTable` and `Texts`, of which `numpy_array`,
    `text_at`, `texts_at` and `to_pylist` are all that may be asked of either.
    """

    @property
    def manifest(self) -> dict[str, Any]:
        """The manifest of the snapshot."""

    @property
    def identity(self) -> str:
        """Hexadecimal digits that no other content has; "" where nothing is to be kept of it."""

    def row_count(self, table: str) -> int:
        """Rows of a table, without reading it."""

    def column(self, table: str, name: str) -> npt.NDArray[Any]:
        """A column of numbers."""

    def table(self, name: str) -> pa.Table:
        """A whole table."""

    def strings(self, table: str, name: str) -> pa.StringArray:
        """A column of texts."""

    def strings_at(self, table: str, name: str, rows: Sequence[int]) -> list[str | None]:
        """A few rows of a column of texts."""


_FEW_PREVIEWS = 1000
"""Fewer previews are read without all the others."""


class SnapshotColumns:
    """Lazily read columns; n objects, m references.

    Raises (any attribute): SnapshotFormatError when the file is damaged or its tables contradict
    one another: after that no id in an array is out of range.
    """

    def __init__(self, source: SnapshotSource) -> None:
        """Read nothing yet."""
        self._source = source

    @property
    def manifest(self) -> Mapping[str, Any]:
        """The manifest of the snapshot."""
        return self._source.manifest

    @property
    def snapshot_id(self) -> str:
        """Random hex that names the snapshot."""
        return str(self.manifest.get("snapshot_id", ""))

    @property
    def object_count(self) -> int:
        """How many objects there are: n."""
        return len(self.addresses)

    @property
    def reference_count(self) -> int:
        """How many references there are: m."""
        return len(self.targets)

    @cached_property
    def addresses(self) -> U64:
        """uint64[n], rising."""
        count = self._source.row_count("objects")
        return self._numbers("objects", "address", np.uint64, count)

    @cached_property
    def type_ids(self) -> U32:
        """uint32[n], rows of types."""
        return self._numbers("objects", "type", np.uint32, self.object_count)

    @cached_property
    def shallow_sizes(self) -> U64:
        """uint64[n], bytes requested from the allocators for the object and its buffers."""
        return self._numbers("objects", "shallow_size", np.uint64, self.object_count)

    @cached_property
    def getsizeof(self) -> U64:
        """uint64[n], bytes as sys.getsizeof would say."""
        return self._numbers("objects", "getsizeof", np.uint64, self.object_count)

    @cached_property
    def refcounts(self) -> _I64:
        """int64[n]."""
        return self._numbers("objects", "refcount", np.int64, self.object_count)

    @cached_property
    def flags(self) -> _U16:
        """uint16[n] (`ObjectFlags`)."""
        return self._numbers("objects", "flags", np.uint16, self.object_count)

    @cached_property
    def age_codes(self) -> U8:
        """uint8[n], how old the objects are; see `ages`. 0 where nobody knows."""
        return self._numbers("objects", "age", np.uint8, self.object_count)

    @cached_property
    def fine_ages(self) -> _U16:
        """uint16[n], the same, each code in 256 parts: code * 256 + part."""
        parts = self._numbers("objects", "age_part", np.uint8, self.object_count)
        fine: _U16 = self.age_codes.astype(np.uint16)
        fine <<= PART_BITS
        fine |= parts
        return fine

    @cached_property
    def offsets(self) -> U64:
        """uint64[n+1]: the references of object i are rows offsets[i]..offsets[i+1]."""
        degrees = self._numbers("objects", "out_degree", np.uint32, self.object_count)
        offsets = np.zeros(len(degrees) + 1, np.uint64)
        np.cumsum(degrees, out=offsets[1:])
        return offsets

    @cached_property
    def targets(self) -> U32:
        """uint32[m] object ids, grouped by source."""
        return self._numbers("references", "target", np.uint32, int(self.offsets[-1]))

    @cached_property
    def labels(self) -> U32:
        """uint32[m]; the meaning depends on the kind."""
        return self._numbers("references", "label", np.uint32, self.reference_count)

    @cached_property
    def edge_kinds(self) -> U8:
        """uint8[m] (`EdgeKind`)."""
        return self._numbers("references", "kind", np.uint8, self.reference_count)

    @cached_property
    def edge_flags(self) -> U8:
        """uint8[m] (`EdgeFlags`)."""
        return self._numbers("references", "flags", np.uint8, self.reference_count)

    @cached_property
    def weak_references(self) -> U8:
        """uint8[m], 1 where a reference is weak: such a one retains nothing and is on no path."""
        is_weak: npt.NDArray[np.bool_] = self.edge_kinds == np.uint8(EdgeKind.WEAK)
        return is_weak.view(np.uint8)

    @cached_property
    def type_names(self) -> list[str]:
        """Qualified type names by row of types."""
        return self._texts("types", "name")

    @cached_property
    def basic_sizes(self) -> _I64:
        """int64, tp_basicsize by row of types; what no object can have counts as 0."""
        sizes = numpy_array(self.table("types").column("basicsize"))
        return np.where(sizes < _MAX_BASIC_SIZE, sizes, 0).astype(np.int64)

    @cached_property
    def roots(self) -> Roots:
        """The named roots as parallel arrays."""
        table = self.table("roots")
        return Roots(
            numpy_array(table.column("target")),
            numpy_array(table.column("kind")),
            [text or "" for text in table.column("name").to_pylist()],
            numpy_array(table.column("frame")),
            numpy_array(table.column("count")),
        )

    @cached_property
    def threads(self) -> list[Thread]:
        """Threads of the target, in the order of their rows."""
        rows = self.table("threads").to_pylist()
        return [Thread(row, **fields) for row, fields in enumerate(rows)]

    @cached_property
    def frames(self) -> list[Frame]:
        """Running frames, in the order of their rows."""
        rows = self.table("frames").to_pylist()
        return [
            Frame(row, **fields | {"origin": CodeOrigin(fields["origin"])})
            for row, fields in enumerate(rows)
        ]

    @cached_property
    def codes(self) -> CodeColumns:
        """Function, file, first line and origin of every code object."""
        table = self.table("codes")
        return CodeColumns(
            numpy_array(table.column("object")),
            table.column("function"),
            table.column("file"),
            numpy_array(table.column("line")),
            numpy_array(table.column("origin")),
        )

    @cached_property
    def containers(self) -> ContainerColumns:
        """What containers know of their own past."""
        table = self.table("containers")
        names = ("object", "limit", "removed", "slots")
        return ContainerColumns(*(numpy_array(table.column(name)) for name in names))

    @cached_property
    def standing_lines(self) -> StandingLines:
        """At which line functions stand that are not running."""
        table = self.table("standing_lines")
        return StandingLines(*(numpy_array(table.column(name)) for name in ("object", "line")))

    @cached_property
    def views(self) -> tuple[U32, U64]:
        """Memoryviews and arrays by rising object id, and how many bytes each shows."""
        table = self.table("views")
        return numpy_array(table.column("object")), numpy_array(table.column("shown"))

    @cached_property
    def modules(self) -> Modules:
        """Name, file and origin of every module, in the order of `sys.modules`."""
        rows = self.table("modules").to_pylist()
        return Modules(tuple(Module(**row | {"origin": CodeOrigin(row["origin"])}) for row in rows))

    @cached_property
    def maps(self) -> list[MemoryMapping]:
        """Memory mappings of the target, by address."""
        return [MemoryMapping(**fields) for fields in self.table("maps").to_pylist()]

    @cached_property
    def regions(self) -> list[MemoryRegion]:
        """What private anonymous memory is used for, by address."""
        rows = self.table("regions").to_pylist()
        return [MemoryRegion(**row | {"kind": RegionKind(row["kind"])}) for row in rows]

    @cached_property
    def pools(self) -> PoolColumns:
        """The pools of pymalloc, by address."""
        table = self.table("pools")
        names = ("region", "block_size", "used", "resident")
        return PoolColumns(*(numpy_array(table.column(name)) for name in names))

    @cached_property
    def native(self) -> NativeColumns:
        """Who leads to memory of C code; no rows where the snapshot does not know."""
        table = self.table("native")
        return NativeColumns(
            groups=numpy_array(table.column("group")),
            objects=numpy_array(table.column("object")),
            sizes=numpy_array(table.column("bytes")),
            blocks=numpy_array(table.column("blocks")),
            kinds=numpy_array(table.column("kind")),
            grades=numpy_array(table.column("grade")),
            names=table.column("name").to_pylist(),
        )

    @property
    def known_reverse(self) -> ReverseReferences | None:
        """The references grouped by referent, if a graph of these columns needed them before."""
        known: ReverseReferences | None = self.__dict__.get("reverse")
        return known

    @property
    def source(self) -> SnapshotSource:
        """The open snapshot behind the columns."""
        return self._source

    def previews(self, object_ids: U32) -> list[str | None]:
        """Previews of many objects. Cost: all are read when many are asked for; 0.1 us each."""
        few = max(_FEW_PREVIEWS, self.object_count // 100)
        if len(object_ids) < few and "all_previews" not in self.__dict__:
            return self._source.strings_at("objects", "preview", object_ids.tolist())
        return texts_at(self.all_previews, object_ids)

    def preview(self, object_id: int) -> str | None:
        """The first characters of an object's value, if they were kept."""
        if "all_previews" in self.__dict__:
            return text_at(self.all_previews, object_id)
        return self._source.strings_at("objects", "preview", [object_id])[0]

    def name(self, row: int) -> str:
        """A row of names: what a SLOT, FIELD or WEAK label says; "..." for NO_LABEL."""
        if row == NO_LABEL:
            return "..."
        return text_at(self._names, row) or ""

    @cached_property
    def all_previews(self) -> pa.StringArray:
        """Previews of all objects, null where none was kept. Cost: 0.4 s for 10 million."""
        return self._source.strings("objects", "preview")

    @cached_property
    def _names(self) -> pa.StringArray:
        return self._source.strings("names", "name")

    def table(self, name: str) -> pa.Table:
        """A whole small table: every one but objects and references."""
        table = self._source.table(name)
        check_table(name, table, self._source.row_count)
        return table

    def _texts(self, table: str, column: str) -> list[str]:
        return [text or "" for text in self._source.strings(table, column).to_pylist()]

    def _numbers(
        self, table: str, column: str, dtype: type[np.generic], length: int
    ) -> npt.NDArray[Any]:
        """A column of a large table, after a look whether it agrees with the other tables."""
        numbers = np.ascontiguousarray(self._source.column(table, column), dtype)
        if len(numbers) != length:
            raise _contradiction(
                f"{table}.{column} has {len(numbers)} rows where {length} are needed", table
            )
        check_column(table, column, numbers, self._source.row_count)
        if column == "label":
            check_labels(self.edge_kinds, numbers, self._source.row_count)
        return numbers


def _contradiction(what: str, table: str) -> SnapshotFormatError:
    return SnapshotFormatError(
        what,
        "the tables of the snapshot contradict one another: it was damaged or edited",
        "dump the process again",
        member=f"{table}.parquet",
    )
