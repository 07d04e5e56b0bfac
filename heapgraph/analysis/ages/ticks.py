"""What tells the time: sessions, connections, entries of tables, and not what imports make."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from heapgraph.analysis.ages.kept import rules_digest
from heapgraph.analysis.ages.past import has_lost
from heapgraph.graph.ages import CODES, UNKNOWN
from heapgraph.graph.kept_columns import KEPT_ROWS
from heapgraph.model import UNREACHABLE, VIRTUAL_ROOT, ObjectFlags
from heapgraph.native.scans import has_bits, steps
from heapgraph.snapshot.plain_tables import numpy_array

if TYPE_CHECKING:
    import numpy.typing as npt

    from heapgraph.graph.heap_graph import HeapGraph

_PROGRAM_TYPES = frozenset(
    {"type", "module", "function", "code", "cell", "method", "property", "frame", "tuple"}
    | {"builtin_function_or_method", "wrapper_descriptor", "method_descriptor"}
    | {"classmethod_descriptor", "getset_descriptor", "member_descriptor"}
    | {"classmethod", "staticmethod", "traceback", "weakref", "weakref.ReferenceType"}
    | {"re.Pattern", "frozenset", "_abc._abc_data", "_frozen_importlib.ModuleSpec"}
    | {"_frozen_importlib_external.FileFinder", "_frozen_importlib_external.SourceFileLoader"}
    | {"dataclasses.Field", "dataclasses._DataclassParams", "inspect.Parameter"}
    | {"typing._GenericAlias", "types.GenericAlias", "types.UnionType"}
)
"""Made by imports, thousands at a time, or, as tuples, moved by the collector at will."""

_ENUM_CLASSES = frozenset({"enum.EnumMeta", "enum.EnumType"})
"""Types of classes whose instances all come with the class."""

_MIN_ITEMS = 20
"""References of what holds things rather than consists of them."""

_MOST_HOLDERS = 64
"""Of ticks, the largest, that are asked whether they have lost some."""


def _program_types(graph: HeapGraph) -> npt.NDArray[np.bool_]:
    """bool[types]: whose objects imports make."""
    is_program = graph.type_mask(_PROGRAM_TYPES)
    classes = numpy_array(graph.table("types").column("object"))
    known = np.flatnonzero(classes < graph.object_count)
    is_enum_class = graph.type_mask(_ENUM_CLASSES)
    is_program[known] |= is_enum_class[graph.type_ids[classes[known]]]
    return is_program


def find_ticks(graph: HeapGraph) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint32]]:
    """uint8[n]: of each tick the newest in its holder, 0 for others; uint32[256]: of imports."""

    def compute() -> tuple[npt.NDArray[Any], ...]:
        codes, is_program_type = graph.age_codes, _program_types(graph)
        # Classes are, too, whatever their metaclass is.
        of_program = has_bits(graph.flags, ObjectFlags.IS_TYPE)
        is_dated = np.empty(graph.object_count, np.bool_)
        counts = np.zeros(CODES, np.uint32)
        for here in steps(graph.object_count):
            by_type = is_program_type[graph.type_ids[here]]
            counts += np.bincount(codes[here][by_type], minlength=CODES).astype(np.uint32)
            of_program[here] |= by_type
            is_dated[here] = (codes[here] != UNKNOWN) & ~of_program[here]
        counts[UNKNOWN] = 0
        return _newest_beside(graph, _units(graph, is_dated, of_program)), counts

    if graph.object_count < KEPT_ROWS:
        newest, counts = compute()
    else:
        kept: dict[str, tuple[type[np.generic], int]] = {
            f"age_ticks-{rules_digest()}": (np.uint8, graph.object_count),
            f"age_imports-{rules_digest()}": (np.uint32, CODES),
        }
        newest, counts = graph.kept(kept, compute)
    return newest, counts


def _units(
    graph: HeapGraph, is_dated: npt.NDArray[np.bool_], of_program: npt.NDArray[np.bool_]
) -> npt.NDArray[np.int64]:
    """Of some objects those that a root reaches, and no part of something small: no fields.

    Nor right below a class, a module or a function, or in their namespaces: these are their tables.
    """
    has_units = ~graph.folded.with_dicts(of_program)
    units = [np.empty(0, np.int64)]
    for here in steps(graph.object_count):
        has_units[here] &= np.diff(graph.offsets[here.start : here.stop + 1]) >= _MIN_ITEMS
    for here in steps(graph.object_count):
        objects = np.flatnonzero(is_dated[here]) + here.start
        idom = graph.dominators.idom[objects]
        is_unit: npt.NDArray[np.bool_] = idom == VIRTUAL_ROOT
        below = np.flatnonzero(idom < UNREACHABLE)
        is_unit[below] = has_units[idom[below]]
        units.append(objects[is_unit])
    return np.concatenate(units)


def in_losing_containers(graph: HeapGraph, ticks: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """bool[n]: ticks in one of the largest containers that have lost some, as far as these tell."""
    holders = graph.dominators.idom[ticks]
    distinct, counts = np.unique(holders[holders < graph.object_count], return_counts=True)
    largest = distinct[np.argsort(-counts, kind="stable")[:_MOST_HOLDERS]]
    losers = [holder for holder in largest.tolist() if has_lost(graph, holder)]
    result = np.zeros(graph.object_count, np.bool_)
    result[ticks[np.isin(holders, losers)]] = True
    return result


def _newest_beside(graph: HeapGraph, objects: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
    """uint8[n], 0 but for those objects: the code of the newest of them in the same holder."""
    count = graph.object_count
    holders = np.minimum(graph.dominators.idom[objects], count)
    newest = np.full(count + 1, CODES - 1, np.uint8)
    np.minimum.at(newest, holders, graph.age_codes[objects])
    result = np.zeros(count, np.uint8)
    result[objects] = newest[holders]
    return result
