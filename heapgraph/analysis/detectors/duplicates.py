"""The same value many times: texts, bytes, numbers, tuples; and texts that only people read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from heapgraph.analysis.detectors.base import Detector, Evidence
from heapgraph.analysis.detectors.facts import HeapFacts, sums_by_group
from heapgraph.analysis.expressions.literals import describe_value
from heapgraph.model import EdgeKind
from heapgraph.snapshot.arrow_arrays import arrow_array, numpy_array
from heapgraph.units import format_count

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

MIN_COPIES = 10
"""Fewer copies are not worth a change (Eclipse MAT, component report: duplicate strings)."""

PREVIEW_CHARACTERS = 80
"""Longer values are not kept whole, so nobody can say that two of them are equal."""

_SHOWN = 3
_MIX = np.uint64(0x9E3779B97F4A7C15)  # 2**64 / golden ratio: spreads consecutive numbers


def _repeated(
    facts: HeapFacts, members: NDArray[np.uint32], groups: NDArray[np.int64], what: str
) -> Iterator[Evidence]:
    """One finding for all members of groups with enough copies; one copy of each is needed."""
    if not len(members):
        return
    counts = np.bincount(groups)
    often = counts >= MIN_COPIES
    if not often.any():
        return
    sizes = sums_by_group(groups, facts.graph.shallow_sizes[members], len(counts))
    wasted = np.where(often, sizes - sizes // np.maximum(counts, 1), 0)
    largest = np.lexsort((np.arange(len(wasted)), -wasted))[:_SHOWN]
    first = np.empty(len(counts), np.int64)
    first[groups[::-1]] = np.arange(len(members))[::-1]  # the last that is written stays
    examples = ", ".join(
        f"{_value(facts, int(members[first[group]]))} x {format_count(int(counts[group]))}"
        for group in largest.tolist()
        if wasted[group]
    )
    chosen = members[often[groups]]
    extra = int((counts[often] - 1).sum())
    yield Evidence(
        int(wasted.sum()), extra, f"{format_count(extra)} {what} too many: {examples}", chosen
    )


def _value(facts: HeapFacts, object_id: int) -> str:
    return describe_value(facts.graph, object_id)


def _by_preview(
    facts: HeapFacts, types: tuple[str, ...], what: str, *, cut_mark: bool
) -> Iterator[Evidence]:
    """Objects of these types whose kept value is whole and the same."""
    import pyarrow as pa  # noqa: PLC0415 - slow to import, and not all detectors ask
    import pyarrow.compute as pc  # noqa: PLC0415

    members = facts.ids(facts.is_of_types(*types) & facts.is_reachable & ~facts.is_permanent)
    texts = facts.previews.take(arrow_array(members))
    keep = pc.is_valid(texts)
    if cut_mark:
        keep = pc.and_(keep, pc.fill_null(pc.ends_with(texts, "'"), False))
    elif types == ("int",):  # a number of very many digits is only described, in <...>
        keep = pc.and_(keep, pc.invert(pc.fill_null(pc.starts_with(texts, "<"), True)))
    elif types == ("str",):
        is_whole = pc.less_equal(pc.utf8_length(texts), PREVIEW_CHARACTERS)
        keep = pc.and_(keep, pc.fill_null(is_whole, False))
    kept = numpy_array(keep)
    if not kept.all():
        members, texts = members[kept], texts.filter(keep)
    encoded = pc.dictionary_encode(texts)
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.combine_chunks()
    groups = numpy_array(encoded.indices).astype(np.int64)
    yield from _repeated(facts, members, groups, what)


def duplicate_strings(facts: HeapFacts) -> Iterator[Evidence]:
    """Equal str objects."""
    return _by_preview(facts, ("str",), "equal strings", cut_mark=False)


def duplicate_bytes(facts: HeapFacts) -> Iterator[Evidence]:
    """Equal bytes objects."""
    return _by_preview(facts, ("bytes",), "equal bytes objects", cut_mark=True)


def duplicate_numbers(facts: HeapFacts) -> Iterator[Evidence]:
    """Equal int objects, equal float objects."""
    yield from _by_preview(facts, ("float",), "equal floats", cut_mark=False)
    yield from _by_preview(facts, ("int",), "equal ints", cut_mark=False)


def duplicate_tuples(facts: HeapFacts) -> Iterator[Evidence]:
    """Tuples with the very same items."""
    members = facts.ids(facts.is_of_types("tuple") & facts.is_reachable & (facts.item_counts > 0))
    owner, edges = facts.references(members)
    items = facts.graph.edge_kinds[edges] == EdgeKind.INDEX
    owner, edges = owner[items], edges[items]
    mixed = (facts.graph.targets[edges].astype(np.uint64) + np.uint64(1)) * _MIX
    mixed ^= mixed >> np.uint64(29)
    mixed *= (facts.graph.labels[edges].astype(np.uint64) * np.uint64(2) + np.uint64(1)) * _MIX
    sums = np.zeros(len(members), np.uint64)
    np.add.at(sums, owner, mixed)
    keys = sums + facts.item_counts[members].astype(np.uint64)
    groups = np.unique(keys, return_inverse=True)[1]
    yield from _repeated(facts, members, groups.astype(np.int64), "equal tuples")


def docstrings(facts: HeapFacts) -> Iterator[Evidence]:
    """Texts that functions and classes have as `__doc__`."""
    graph = facts.graph
    is_field = (graph.edge_kinds == EdgeKind.FIELD) & np.isin(
        graph.labels, np.array(facts.names("__doc__"), np.uint32)
    )
    is_value = (graph.edge_kinds == EdgeKind.VALUE) & np.isin(
        graph.labels, facts.string_ids("__doc__")
    )
    targets = np.unique(graph.targets[is_field | is_value])
    texts = targets[facts.is_of_types("str")[targets] & facts.is_reachable[targets]]
    texts = texts[~facts.is_permanent[texts]]
    if len(texts):
        note = f"{format_count(len(texts))} docstrings"
        yield Evidence(facts.size(texts), len(texts), note, texts)


DETECTORS = (
    Detector(
        "duplicate-strings",
        f"{MIN_COPIES} or more equal strings of up to {PREVIEW_CHARACTERS} characters",
        "keep one of each: sys.intern, a dict of canonical values, an enum, a categorical column",
        duplicate_strings,
    ),
    Detector(
        "duplicate-bytes",
        f"{MIN_COPIES} or more equal bytes objects of up to {PREVIEW_CHARACTERS} bytes",
        "keep one of each in a dict of canonical values",
        duplicate_bytes,
    ),
    Detector(
        "duplicate-numbers",
        f"{MIN_COPIES} or more equal int or float objects",
        "share one object, or keep the numbers in array.array or numpy",
        duplicate_numbers,
    ),
    Detector(
        "duplicate-tuples",
        f"{MIN_COPIES} or more tuples with the very same items",
        "share one tuple through a dict of canonical values or a cached constructor",
        duplicate_tuples,
    ),
    Detector(
        "docstrings",
        "docstrings of functions and classes",
        "run with python -OO where nothing reads __doc__",
        docstrings,
    ),
)
