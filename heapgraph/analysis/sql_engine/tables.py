"""The heap as tables and views for SQL; docs/sql.md describes every column."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary, proxy

import numpy as np

from heapgraph.graph.ages import object_ages
from heapgraph.model import (
    EDGE_KIND_NAMES,
    ITEM_KINDS,
    ORIGIN_NAMES,
    ROOT_KIND_NAMES,
    UNREACHABLE,
    EdgeFlags,
    ObjectFlags,
)
from heapgraph.native.graph_kernels import tree_depths
from heapgraph.native.reference_kernels import reference_sources
from heapgraph.snapshot.arrow_arrays import arrow_array, numpy_array, text_array
from heapgraph.units import Unit

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    import duckdb
    import pyarrow as pa
    from numpy.typing import NDArray

    from heapgraph.analysis.registry import Progress
    from heapgraph.graph.heap_graph import HeapGraph

_FIRST_RESERVED = UNREACHABLE
"""Ids from here on mean no object: unreachable, or only the roots together."""

_FLAG_COLUMNS = ",\n    ".join(
    f"(flags & {flag.value}) <> 0 as {name}"
    for name, flag in (
        ("is_tracked", ObjectFlags.GC_TRACKED),
        ("is_immortal", ObjectFlags.IMMORTAL),
        ("is_class", ObjectFlags.IS_TYPE),
        ("is_interned", ObjectFlags.INTERNED),
    )
)

_ITEM_KINDS = ", ".join(f"'{EDGE_KIND_NAMES[kind]}'" for kind in ITEM_KINDS)

VIEWS = f"""
create view types as
  select id, name, nullif(object, 4294967295) as object, basicsize, itemsize, flags, handler
  from _types;
create view objects as
  select
    _objects.id, address, _types.name as type, shallow_size, getsizeof, retained_size, native_size,
    refcount,
    case when age >= 0 then age end as age, out_degree, preview as value,
    case when idom < {_FIRST_RESERVED} then idom end as idom,
    case when idom <> {UNREACHABLE} then depth end as depth,
    case when idom <> {UNREACHABLE} then subtree_begin end as subtree_begin,
    case when idom <> {UNREACHABLE} then subtree_begin + subtree_count end as subtree_end,
    case when distance < {_FIRST_RESERVED} then distance end as distance,
    idom <> {UNREACHABLE} as is_reachable,
    {_FLAG_COLUMNS.replace("flags", "_objects.flags")}
  from _objects join _types on _objects.type = _types.id;
create view dominators as
  select id, idom, depth, retained_size, distance from objects;
create view refs as
  select
    source, target, kind, nullif(label, 4294967295) as label, kind = 'weak' as is_weak,
    (flags & {EdgeFlags.COUNTED.value}) <> 0 as is_counted
  from _refs;
create view named_refs as
  select
    refs.source, refs.target, refs.kind,
    case
      when refs.kind in ('attribute', 'value', 'local') then _objects.preview
      when refs.kind in ('slot', 'field', 'weak') then _names.name
      when refs.kind in ('index', 'stack') then refs.label::varchar
    end as name
  from refs
  left join _objects on refs.label = _objects.id and refs.kind in ('attribute', 'value', 'local')
  left join _names on refs.label = _names.id and refs.kind in ('slot', 'field', 'weak');
create view roots as
  select target, kind, name, nullif(frame, 4294967295) as frame, count from _roots;
create view threads as select * from _threads;
create view frames as
  select id, thread, depth, "function", file, line, nullif(code, 4294967295) as code, origin
  from _frames;
create view codes as select object, "function", file, line, origin from _codes;
create view containers as
  select object, nullif("limit", -1) as "limit", removed, slots from _containers;
create view members_by_age as
  select
    _refs.source as container,
    case when _objects.age >= 0 then least(floor(_objects.age * 10), 9)::utinyint end as tenth,
    count(*) as members
  from _refs join _objects on _objects.id = _refs.target
  where _refs.kind in ({_ITEM_KINDS})
  group by all;
create view standing_lines as select object, line from _standing_lines;
create view views as select object, shown from _views;
create view modules as select object, name, file, origin, distribution from _modules;
create view maps as select * from _maps;
create macro instances(name) as table
  select * from objects where type glob name;
"""  # noqa: S608 - only constants of this module are put in
"""`instances` takes what `type:NAME` takes: `*` stands for anything."""


_COLUMN_UNITS: dict[str, Unit] = {
    **dict.fromkeys(("id", "object", "target", "source", "container", "idom"), Unit.OBJECT_ID),
    **dict.fromkeys(("shallow_size", "retained_size", "native_size", "getsizeof"), Unit.BYTES),
    **dict.fromkeys(("basicsize", "itemsize", "rss", "pss", "private_dirty"), Unit.BYTES),
    **dict.fromkeys(("count", "members", "refcount", "out_degree", "distance"), Unit.COUNT),
    **dict.fromkeys(("address", "start", "end", "offset"), Unit.ADDRESS),
    **dict.fromkeys(("thread_id", "native_id", "interpreter"), Unit.NUMBER),
    **dict.fromkeys(("line", "depth", "tenth", "thread", "frame", "code"), Unit.NUMBER),
    "type": Unit.TYPE,
}
"""What the columns of the views are; the object that a row is about before others it names."""

_SIZE_WORDS = frozenset({"bytes", "size"})
"""Words of an alias that say that a column is in bytes."""

_WITH_OTHER_IDS = frozenset({"thread_id", "function", "basicsize", "permissions"})
"""Columns of the threads, frames, types and mappings, whose `id` is a row of their own table."""


def column_units(names: Sequence[str]) -> dict[str, Unit]:
    """Units of the columns of a query: those of the views, and those that its aliases say.

    Whoever writes `sum(shallow_size) as bytes` has no other way to say what it is.
    """
    found = {name: unit for name, unit in _COLUMN_UNITS.items() if name in names}
    found |= {name: Unit.BYTES for name in names if not _SIZE_WORDS.isdisjoint(name.split("_"))}
    if _WITH_OTHER_IDS.isdisjoint(names):
        return found
    is_id = Unit.OBJECT_ID
    return {name: Unit.NUMBER if unit is is_id else unit for name, unit in found.items()}


_OBJECTS: dict[str, tuple[type[np.generic] | None, Callable[[HeapGraph], Any]]] = {
    "id": (np.uint32, lambda graph: np.arange(graph.object_count, dtype=np.uint32)),
    "address": (np.uint64, lambda graph: graph.addresses),
    "type": (np.uint32, lambda graph: graph.type_ids),
    "shallow_size": (np.uint64, lambda graph: graph.shallow_sizes),
    "getsizeof": (np.uint64, lambda graph: graph.getsizeof),
    "refcount": (np.int64, lambda graph: graph.refcounts),
    "flags": (np.uint16, lambda graph: graph.flags),
    "age": (np.float32, object_ages),
    "out_degree": (np.uint32, lambda graph: np.diff(graph.offsets).astype(np.uint32)),
    "preview": (None, lambda graph: graph.all_previews),
    "idom": (np.uint32, lambda graph: graph.dominators.idom),
    "retained_size": (np.uint64, lambda graph: graph.dominators.retained_sizes),
    "native_size": (np.uint64, lambda graph: graph.native_retained),
    "depth": (
        np.uint32,
        lambda graph: tree_depths(graph.dominators.order, graph.dominators.idom),
    ),
    "subtree_begin": (np.uint32, lambda graph: graph.dominators.order.position),
    "subtree_count": (np.uint32, lambda graph: graph.dominators.order.subtree_count),
    "distance": (np.uint32, lambda graph: graph.root_paths.distance),
}
_REFS: dict[str, tuple[type[np.generic] | None, Callable[[HeapGraph], Any]]] = {
    "source": (np.uint32, lambda graph: reference_sources(graph.offsets)),
    "target": (np.uint32, lambda graph: graph.targets),
    "label": (np.uint32, lambda graph: graph.labels),
    "kind": (np.uint8, lambda graph: graph.edge_kinds),
    "flags": (np.uint8, lambda graph: graph.edge_flags),
}
"""Columns of the two large tables: what numbers they have (None: texts), and how to get them."""

_WITH_ID = ("types", "names", "threads", "frames")
_SMALL = (*_WITH_ID, "roots", "codes", "containers", "standing_lines", "views", "modules", "maps")
_LARGE = {"_objects": _OBJECTS, "_refs": _REFS}


class HeapTables:
    """The heap as Arrow tables, of which the columns of the large ones are filled on demand.

    A column that no query has asked for is there with the right type and length, and zeros that
    take no memory: the system gives a page only when somebody reads or writes it.

    Args:
        graph: the snapshot.
    """

    def __init__(self, graph: HeapGraph) -> None:
        """Fill no large column."""
        # What is kept beside a graph must not keep the graph.
        self._graph: HeapGraph = proxy(graph)
        self._filled: dict[str, dict[str, pa.Array]] = {name: {} for name in _LARGE}
        self._small = _small_tables(graph)

    def register(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Make the tables, as far as they are filled, known to a connection. Nothing is copied."""
        tables = self._small | {name: self._large_table(name) for name in _LARGE}
        for name, table in tables.items():
            connection.register(name, table)

    def fill(self, wanted: Collection[str] | None = None, progress: Progress | None = None) -> bool:
        """Fill columns of these names in both tables; None: all. Whether any was not there yet.

        Args:
            wanted: names.
            progress: called for each column; the slowest takes 2 s for 10 million objects.
        """
        found = False
        for table, columns in _LARGE.items():
            filled = self._filled[table]
            for name, (_, read) in columns.items():
                if name not in filled and (wanted is None or name in wanted):
                    if progress is not None:
                        progress(f"column {name}", 0, 0)
                    filled[name] = _arrow(table, name, read(self._graph))
                    found = True
        return found

    def _large_table(self, table: str) -> pa.Table:
        import pyarrow as pa  # noqa: PLC0415 - only who asks for a table pays for it

        graph = self._graph
        rows = graph.object_count if table == "_objects" else graph.reference_count
        filled = self._filled[table]
        return pa.table(
            {
                name: filled[name] if name in filled else _arrow(table, name, _zeros(dtype, rows))
                for name, (dtype, _) in _LARGE[table].items()
            }
        )


def heap_tables(graph: HeapGraph) -> HeapTables:
    """The tables of a graph; those of one that was asked before are filled as they were."""
    if graph not in _KNOWN:
        _KNOWN[graph] = HeapTables(graph)
    return _KNOWN[graph]


_KNOWN: WeakKeyDictionary[HeapGraph, HeapTables] = WeakKeyDictionary()


def scanned_columns(plan: Mapping[str, Any]) -> set[str]:
    """Names of the columns that a plan of DuckDB reads of tables made by Python.

    Args:
        plan: a node of what `explain (format json)` gives.
    """
    found: set[str] = set()
    if "ARROW_SCAN" in plan.get("name", ""):
        # Whatever the plan says of the scan: projections, filters. A word too many costs time only.
        found.update(re.findall(r"\w+", json.dumps(plan.get("extra_info", {}))))
    for child in plan.get("children", ()):
        found |= scanned_columns(child)
    return found


def _small_tables(graph: HeapGraph) -> dict[str, pa.Table]:
    """Arrow tables by the names the views use."""
    tables = {}
    for name in _SMALL:
        table = graph.table(name)
        numbers = arrow_array(np.arange(table.num_rows, dtype=np.uint32))
        for column, names in (("kind", ROOT_KIND_NAMES), ("origin", ORIGIN_NAMES)):
            place = table.schema.get_field_index(column)
            if place >= 0:
                kinds = _named(numpy_array(table.column(column)), names)
                table = table.set_column(place, column, kinds)
        has_id = name in _WITH_ID
        tables[f"_{name}"] = table.add_column(0, "id", numbers) if has_id else table
    return tables


def _zeros(dtype: type[np.generic] | None, rows: int) -> Any:  # noqa: ANN401 - numpy or Arrow
    """Zeros, or empty texts."""
    import pyarrow as pa  # noqa: PLC0415 - as above

    if dtype is not None:
        return np.zeros(rows, dtype)
    buffers = [None, pa.py_buffer(np.zeros(rows + 1, np.int32)), pa.py_buffer(b"")]
    return pa.Array.from_buffers(pa.string(), rows, buffers)


def _arrow(table: str, name: str, values: Any) -> pa.Array:  # noqa: ANN401 - numpy or Arrow
    if (table, name) == ("_refs", "kind"):
        return _named(values, EDGE_KIND_NAMES)
    return arrow_array(values) if isinstance(values, np.ndarray) else values


def _named(kinds: NDArray[np.uint8], names: Mapping[Any, str]) -> pa.DictionaryArray:
    """Numbers of kinds as an enumeration of their names: compared as numbers, shown as text."""
    import pyarrow as pa  # noqa: PLC0415 - as above

    texts = text_array(list(names.values()))
    return pa.DictionaryArray.from_arrays(arrow_array(kinds), texts, safe=False)
