"""All that is known of memory of C code, in the order in which it is found out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from heapgraph.capture.process.variable_names import VariableNames
from heapgraph.capture.regions.allocators import name_allocators
from heapgraph.capture.regions.mapped_objects import mapped_bytes
from heapgraph.capture.regions.native_owners import find_native_owners

if TYPE_CHECKING:
    from collections.abc import Sequence

    from heapgraph.capture.cpython.layouts import Layout
    from heapgraph.capture.cpython.root_set import RootSet
    from heapgraph.capture.heap.columns import HeapColumns
    from heapgraph.capture.heap.walk import HeapWalk
    from heapgraph.capture.process.libraries import LibraryData
    from heapgraph.capture.process.maps import Mapping
    from heapgraph.capture.process.variable_names import OpenFile
    from heapgraph.capture.regions.native_owners import NativeOwners
    from heapgraph.capture.regions.regions import MemorySurvey


def native_memory(
    walk: HeapWalk,
    survey: MemorySurvey,
    maps: Sequence[Mapping],
    columns: HeapColumns,
    *,
    layout: Layout,
    libraries: Sequence[LibraryData],
    named: RootSet,
    open_file: OpenFile | None = None,
) -> NativeOwners:
    """Chunks of malloc by their owners, what objects have mapped, other allocators.

    Args:
        walk: over the heap, whose memory is not forgotten yet.
        survey: the regions, all of them claimed.
        maps: the mappings, with sizes.
        columns: the objects.
        layout: of the target's CPython.
        libraries: data of libraries.
        named: where the interpreter's own structs are.
        open_file: opens a mapped file of the target, for the names of variables; None for none.
    """
    reads, residency = walk.reads, survey.residency
    mapped = mapped_bytes(reads, residency, maps, columns, layout.fields["obj.size"])
    allocators = name_allocators(reads, residency, survey.unclaimed(), libraries)
    variables = None if open_file is None else VariableNames(maps, open_file)
    found = find_native_owners(walk, survey, libraries, named, variables)
    return found.with_objects(mapped).with_allocators(allocators)
