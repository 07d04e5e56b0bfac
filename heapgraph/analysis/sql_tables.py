"""The heap as tables and views for SQL; docs/sql.md describes every column."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np

from heapgraph.model import EDGE_KIND_NAMES, ROOT_KIND_NAMES, UNREACHABLE, EdgeFlags, ObjectFlags
from heapgraph.snapshot.arrow_arrays import arrow_array, text_array

if TYPE_CHECKING:
    from collections.abc import Mapping

    import duckdb
    import pyarrow as pa
    from numpy.typing import NDArray

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

VIEWS = f"""
create view types as
  select id, name, nullif(object, 4294967295) as object, basicsize, itemsize, flags, handler
  from _types;
create view objects as
  select
    _objects.id, address, _types.name as type, shallow_size, getsizeof, retained_size, refcount,
    out_degree, preview as value,
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
  select id, thread, depth, "function", file, line, nullif(code, 4294967295) as code from _frames;
create view maps as select * from _maps;
create macro instances(name) as table
  select * from objects where type glob name;
"""  # noqa: S608 - only constants of this module are put in
"""`instances` takes what `type:NAME` takes: `*` stands for anything."""


_KNOWN: WeakKeyDictionary[HeapGraph, dict[str, pa.Table]] = WeakKeyDictionary()
"""Tables of the graphs that were asked before: the next query starts at once."""


def load_heap(connection: duckdb.DuckDBPyConnection, graph: HeapGraph) -> None:
    """Make the heap known to a connection; numbers are not copied.

    Args:
        connection: an empty one.
        graph: the snapshot.

    Cost: dominators, paths and reverse order of the heap, once per snapshot; then milliseconds.
    """
    if graph not in _KNOWN:
        _KNOWN[graph] = _tables(graph)
    for name, table in _KNOWN[graph].items():
        connection.register(name, table)
    connection.execute(VIEWS)


def _tables(graph: HeapGraph) -> dict[str, pa.Table]:
    """Arrow tables by the names the views use."""
    source = graph.source
    degrees = graph.offsets[1:].astype(np.int64) - graph.offsets[:-1].astype(np.int64)
    ids = np.arange(graph.object_count, dtype=np.uint32)
    tables = {
        "_objects": _table(
            {
                "id": ids,
                "address": graph.addresses,
                "type": graph.type_ids,
                "shallow_size": graph.shallow_sizes,
                "getsizeof": graph.getsizeof,
                "refcount": graph.refcounts,
                "flags": graph.flags,
                "out_degree": degrees.astype(np.uint32),
                "preview": source.strings("objects", "preview"),
                "idom": graph.dominators.idom,
                "retained_size": graph.dominators.retained_sizes,
                "depth": dominator_depths(graph),
                "subtree_begin": graph.dominators.order.position,
                "subtree_count": graph.dominators.order.subtree_count,
                "distance": graph.root_paths.distance,
            }
        ),
        "_refs": _table(
            {
                "source": np.repeat(ids, degrees),
                "target": graph.targets,
                "label": graph.labels,
                "kind": _named(graph.edge_kinds, EDGE_KIND_NAMES),
                "flags": graph.edge_flags,
            }
        ),
    }
    for name in ("types", "names", "roots", "threads", "frames", "maps"):
        table = source.table(name)
        numbers = arrow_array(np.arange(table.num_rows, dtype=np.uint32))
        if name == "roots":
            kinds = _named(graph.roots.kinds, ROOT_KIND_NAMES)
            table = table.set_column(table.schema.get_field_index("kind"), "kind", kinds)
        has_id = name not in ("roots", "maps")
        tables[f"_{name}"] = table.add_column(0, "id", numbers) if has_id else table
    return tables


def _table(columns: Mapping[str, Any]) -> pa.Table:
    """Numpy arrays, and Arrow arrays as they are."""
    import pyarrow as pa  # noqa: PLC0415 - only who asks for a table pays for it

    return pa.table(
        {
            name: arrow_array(values) if isinstance(values, np.ndarray) else values
            for name, values in columns.items()
        }
    )


def _named(kinds: NDArray[np.uint8], names: Mapping[Any, str]) -> pa.DictionaryArray:
    """Numbers of kinds as an enumeration of their names: compared as numbers, shown as text."""
    import pyarrow as pa  # noqa: PLC0415 - as above

    return pa.DictionaryArray.from_arrays(arrow_array(kinds), text_array(list(names.values())))


def dominator_depths(graph: HeapGraph) -> NDArray[np.uint32]:
    """uint32[n], dominators above each object; 0 where there is none.

    A subtree is a run of the preorder: depths rise where one begins and fall behind its end.
    """
    order = graph.dominators.order
    preorder = order.preorder
    ends = np.arange(len(preorder)) + order.subtree_count[preorder]
    falls = np.bincount(ends, minlength=len(preorder) + 1)[: len(preorder)]
    # Every object opens a subtree right before its own place; it does not lie in its own.
    depths = np.zeros(graph.object_count, np.uint32)
    depths[preorder] = np.cumsum(1 - falls) - 1
    return depths
