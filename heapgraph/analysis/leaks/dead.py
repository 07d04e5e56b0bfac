"""Garbage as a suspect: when it is worth one, and what is said of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from heapgraph.analysis.garbage.found import MIN_UNCOLLECTED, garbage_of
from heapgraph.analysis.leaks.accumulation import Content
from heapgraph.analysis.leaks.candidates import ITEMS_SHARE, MIN_SIZE, SUSPECT_SHARE, Candidate
from heapgraph.analysis.leaks.groups import GroupHolder
from heapgraph.analysis.leaks.instances import resources_among
from heapgraph.units import format_count, format_share, format_size

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from heapgraph.analysis.garbage.found import Garbage, GarbageClass
    from heapgraph.graph.heap_graph import HeapGraph

KIND = "garbage"
"""Of a suspect that is no holder."""

_SHOWN_CLASSES = 4


def find_dead(graph: HeapGraph) -> Iterator[Candidate]:
    """The garbage of a heap as one candidate, when it is worth one.

    What stays is told from 1 % of all bytes on, or 1 MiB; what the collector is about to free like
    any other suspect; open resources always.

    Args:
        graph: the snapshot.

    Cost: see `garbage_of`.
    """
    garbage = garbage_of(graph)
    if garbage.example is None:
        return
    resources = list(resources_among(graph, garbage.members))
    is_worth_telling = _is_worth_telling(garbage, graph.total_size)
    if not resources and not is_worth_telling:
        return
    first = garbage.classes[0]
    if not is_worth_telling:
        name, members = resources[0]
        text = _expression(len(members), name)
        content = Content(name, members, first.size)
    else:
        text = _expression(first.count, first.type)
        content = Content(first.type, garbage.members, first.size)
    group = GroupHolder(KIND, None, text)
    yield Candidate(KIND, garbage.size, garbage.example, content, group)


def garbage_text(graph: HeapGraph) -> str:
    """The garbage in a line, `20.2 MiB, 10,000 __main__.Node`; "" where it is next to nothing.

    Args:
        graph: the snapshot.
    """
    garbage = garbage_of(graph)
    if garbage.size < min(MIN_SIZE, ITEMS_SHARE * graph.total_size) or not garbage.classes:
        return ""
    first = garbage.classes[0]
    return f"{format_size(garbage.size)}, {format_count(first.count)} {first.type}"


def explain_garbage(graph: HeapGraph) -> str:
    """The paragraph: what is dead, by which cycle, whether and why it stays, what to do."""
    garbage = garbage_of(graph)
    return " ".join(
        filter(
            None,
            [
                _what(graph, garbage),
                _cycle(garbage),
                _resources(resources_among(graph, garbage.members)),
                *_outlook(garbage),
            ],
        )
    )


def _is_worth_telling(garbage: Garbage, whole: int) -> bool:
    lasting = garbage.lasting_size
    if lasting >= MIN_SIZE:
        return True
    if lasting >= ITEMS_SHARE * whole and len(garbage.members) >= MIN_UNCOLLECTED:
        return True
    return garbage.size >= max(MIN_SIZE, SUSPECT_SHARE * whole)


def _expression(count: int, type_name: str) -> str:
    noun = "object" if count == 1 else "objects"
    return f"<{format_count(count)} dead {noun}> {type_name}"


def _what(graph: HeapGraph, garbage: Garbage) -> str:
    share = format_share(garbage.size / max(graph.total_size, 1))
    first = garbage.classes[0]
    return (
        f"Garbage: {format_count(first.count)} dead {first.type}, and all that only they hold."
        f" No root reaches {format_size(garbage.size)}, {share} of all bytes, in"
        f" {format_count(len(garbage.members))} objects: {_listed(garbage.classes)}."
    )


def _listed(classes: Sequence[GarbageClass]) -> str:
    shown = [
        f"{format_size(each.size)} of {format_count(each.count)} {each.type}"
        for each in classes[:_SHOWN_CLASSES]
    ]
    rest = len(classes) - _SHOWN_CLASSES
    return ", ".join(shown) + (f" and {format_count(rest)} more types" if rest > 0 else "")


def _cycle(garbage: Garbage) -> str:
    return f"They keep one another: {garbage.cycle}." if garbage.cycle else ""


def _resources(resources: Iterator[tuple[str, NDArray]]) -> str:  # type: ignore[type-arg]
    texts = [f"{format_count(len(members))} dead {name}" for name, members in resources]
    if not texts:
        return ""
    return f"By their names they may have something open until they are freed: {', '.join(texts)}."


def _outlook(garbage: Garbage) -> list[str]:
    """What a collection frees, why there was none, and what to do."""
    collection = garbage.collection
    if garbage.never_freed == 0:
        return [collection.cause, "gc.collect() would free all of it.", collection.advice]
    never = (
        f"{format_size(garbage.never_freed)} of it can never be freed: a cycle goes through"
        f" {' and '.join(garbage.blind_types)}, which takes no part in collection. Break that cycle"
        " where the objects are given up: clear the attribute or the item, or let it be a weakref."
    )
    sentences = [never]
    if rest := garbage.size - garbage.never_freed:
        sentences += [
            f"gc.collect() would free the other {format_size(rest)}.",
            *(() if collection.is_due else (collection.cause, collection.advice)),
        ]
    return sentences
