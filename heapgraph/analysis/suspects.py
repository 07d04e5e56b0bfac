"""What may leak: the holders where a large part of the heap gathers, explained in words."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

from heapgraph.analysis.ages.growth import growth_of
from heapgraph.analysis.ages.past import past_of
from heapgraph.analysis.ages.verdict import NO_CONTAINER, Growth
from heapgraph.analysis.detectors.pinned import hides_buffers
from heapgraph.analysis.expressions import expression, path_references
from heapgraph.analysis.leaks.accumulation import inner_type, structure_mask
from heapgraph.analysis.leaks.application_code import code_that_uses, own_expression
from heapgraph.analysis.leaks.candidates import Candidate, find_candidates
from heapgraph.analysis.leaks.dead import KIND as GARBAGE
from heapgraph.analysis.leaks.dead import explain_garbage, find_dead
from heapgraph.analysis.leaks.exceptions import kept_by_exceptions
from heapgraph.analysis.leaks.fingerprints import (
    ends_at_an_item,
    fingerprint,
    root_part,
    trace_parts,
)
from heapgraph.analysis.leaks.inside import carried
from heapgraph.analysis.leaks.instances import find_many_instances
from heapgraph.analysis.leaks.known_leaks import LeakTraits, find_known_leak
from heapgraph.analysis.leaks.notebooks import joined_results, users_name
from heapgraph.analysis.leaks.registries import find_registered, is_certain, without_inside
from heapgraph.analysis.leaks.sizes import native_part, sizes_in_words
from heapgraph.analysis.leaks.weak_costs import are_classes
from heapgraph.analysis.leaks.wording import Findings, explain
from heapgraph.analysis.memory import other_than_objects
from heapgraph.analysis.object_rows import ObjectRow, object_row, share_of_heap
from heapgraph.analysis.paths import PathRow, Paths, path_row
from heapgraph.analysis.results import TableResult, not_serialized
from heapgraph.model import UNREACHABLE, VIRTUAL_ROOT
from heapgraph.units import Bytes, Expression, Share, format_share

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from heapgraph.analysis.leaks.accumulation import Content
    from heapgraph.analysis.leaks.known_leaks import KnownLeak
    from heapgraph.analysis.registry import Progress
    from heapgraph.graph.heap_graph import HeapGraph

DEFAULT_LIMIT = 10

SINGLE_OBJECT_WEIGHT = 0.5
"""A single large object counts half when suspects are ranked: a table or a model that is loaded
once is meant to be large, a container of many alike objects seldom is."""

_MAX_DESCRIBED = 100
"""Candidates that are put into words, to see which have one cause."""

_MAX_NAMED = 3

_MAX_PLACES = 10
"""Functions that use a holder by name."""

_PREFIX = re.compile(r"<(?:[^<>]|\.<locals>\.)*> ")
"""The function of a thread, a task or a generator may be one inside another."""

_TEXT = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"")


@dataclass(frozen=True)
class LeakSuspect:
    """One holder that may be the leak.

    Attributes:
        kind: `container`, `object`, `group`, `threads`, `c-held`, `exception`, `instances`,
            `interned` or `garbage`.
        expression: the holder to look at first, as Python where there is a Python name for it.
        retained_size: bytes that go with it.
        native_size: bytes of C code that go with it as well, an estimate; 0 where C code has less
            than a hundredth of what the heap has.
        share: both as a share (0..1) of everything reachable, native memory in it where it is in
            the sizes; of garbage, of all bytes.
        accumulation_point: the object at which the bytes gather, the holder itself or below it;
            None for a group that no single object holds; of garbage, one of its objects.
        path: from a root to the accumulation point, or to the largest member of a group; None for
            garbage.
        reason: what, how much, who holds it, where it grows, what to do: a paragraph.
        fingerprint: the same for the same leak in every run.
        growth: whether it grows, as far as the ages of its members tell.
        code: the application's functions that use the holder by name, "handle() at app.py:17".
    """

    kind: str
    expression: Expression
    retained_size: Bytes
    native_size: Bytes
    share: Share
    accumulation_point: ObjectRow | None
    path: PathRow | None
    reason: str
    fingerprint: str
    growth: Growth
    code: tuple[str, ...] = ()


@dataclass(frozen=True)
class Suspects(TableResult):
    """Leak suspects, the one to look at first first.

    Attributes:
        suspects: the rows.
        steady: what is as large, but was loaded once, or turns over: no leak by its looks.
        left_out, steady_left_out: how many more there are.
        memory: where nothing stands out, what most of the resident memory is if not objects, as
            `MemoryVerdict.kind`; else "".
    """

    rows_field: ClassVar[str] = "suspects"

    suspects: tuple[LeakSuspect, ...]
    steady: tuple[LeakSuspect, ...] = ()
    left_out: int = not_serialized()
    steady_left_out: int = not_serialized()
    memory: str = not_serialized("")

    def to_dict(self) -> dict[str, Any]:
        """The JSON document; a path has the keys of the command `path`."""
        document = super().to_dict()
        for name in (self.rows_field, "steady"):
            for row, suspect in zip(document[name], getattr(self, name), strict=True):
                if suspect.path is not None:
                    row["path"] = Paths((suspect.path,)).to_dict()["paths"][0]
        return document


def find_suspects(
    graph: HeapGraph,
    *,
    progress: Progress | None = None,
    limit: int = DEFAULT_LIMIT,
    with_steady: bool = True,
) -> Suspects:
    """Find the holders that may be the leak and say why.

    Args:
        graph: the snapshot.
        progress: told about the longer phases.
        limit: how many rows.
        with_steady: False leaves out what is as large, but no leak by its looks.

    Returns:
        The suspects: what grows first, then by size, where a single object counts half; loggers,
        modules and interned strings without end, which no program is meant to have, come before
        data that tells no age. None for a heap in which nothing stands out.

    Cost: the dominator tree and the shortest paths, once per snapshot; then passes over the heap.
    """
    for phase in ("dominator tree", "paths from roots"):
        if progress is not None:
            progress(phase, 0, 0)
        _ = graph.dominators if phase == "dominator tree" else graph.root_paths
    if progress is not None:
        progress("leak suspects", 0, 0)
    graph = graph.weighed
    is_structure = structure_mask(graph)
    candidates = find_candidates(graph, is_structure)
    candidates.extend(find_many_instances(graph, candidates, is_structure))
    registered = list(find_registered(graph))
    candidates = without_inside(graph, candidates, registered) + registered
    candidates.extend(find_dead(graph.exact))
    candidates.sort(key=lambda candidate: -_weight(candidate))
    candidates = joined_results(graph, candidates, is_structure)
    candidates = kept_by_exceptions(graph, candidates, is_structure)
    candidates.sort(key=lambda candidate: -_weight(candidate))
    judged = [(candidate, _growth(graph, candidate)) for candidate in candidates]
    judged = [each for each in judged if each[1].is_growing or not each[0].only_if_growing]
    steady = [each for each in judged if each[1].is_steady and with_steady]
    moving = [each for each in judged if not each[1].is_steady]
    moving = _ranked(moving)
    rows, apart = (
        _merged(graph, [_describe(graph, *each, is_structure) for each in some[:_MAX_DESCRIBED]])
        for some in (moving, steady)
    )
    return Suspects(
        tuple(rows[:limit]),
        tuple(apart[:limit]),
        len(rows[limit:]) + len(moving[_MAX_DESCRIBED:]),
        len(apart[limit:]) + len(steady[_MAX_DESCRIBED:]),
        "" if rows else other_than_objects(graph.exact),
    )


def _ranked(judged: Sequence[tuple[Candidate, Growth]]) -> list[tuple[Candidate, Growth]]:
    """What grows first; then by size, but a certain mistake before data without any age."""
    growing = [each for each in judged if each[1].is_growing]
    others = [each for each in judged if not each[1].is_growing]
    certain = [each for each in others if is_certain(each[0])]
    others = [each for each in others if not is_certain(each[0])]
    for each in reversed(certain):
        larger = (
            row
            for row, (other, growth) in enumerate(others)
            if not growth.dated or _weight(other) < _weight(each[0])
        )
        others.insert(next(larger, len(others)), each)
    return growing + others


def _merged(graph: HeapGraph, rows: Sequence[LeakSuspect]) -> list[LeakSuspect]:
    """One row for each cause: those with one fingerprint are one, in the place of the first."""
    alike: dict[str, list[LeakSuspect]] = {}
    for row in rows:
        same = alike.setdefault(row.fingerprint, [])
        # Values of one container whose keys have no name in Python all lead to that container.
        if row.expression not in [other.expression for other in same]:
            same.append(row)
    return [same[0] if len(same) == 1 else _joined(graph, same) for same in alike.values()]


def _joined(graph: HeapGraph, same: Sequence[LeakSuspect]) -> LeakSuspect:
    """Several holders that are reached alike and hold alike things."""
    retained, native = (
        sum(row.retained_size for row in same),
        sum(row.native_size for row in same),
    )
    share = share_of_heap(graph, retained + native)
    others = [row.expression for row in same[1:]]
    named = ", ".join(others[:_MAX_NAMED])
    more = f" and {len(others) - _MAX_NAMED} more" if len(others) > _MAX_NAMED else ""
    reason = (
        f"{len(same)} holders of one kind keep {sizes_in_words(retained, native)}, "
        f"{format_share(share)} of the heap, together. The first: {same[0].reason} "
        f"The others: {named}{more}."
    )
    return replace(same[0], retained_size=retained, native_size=native, share=share, reason=reason)


def _growth(graph: HeapGraph, candidate: Candidate) -> Growth:
    """Of its container; alike objects that nobody holds together have no age of their own.

    A function that has ended fills no variable any more, and this is what is wrong with one that
    an exception keeps.
    """
    if not candidate.has_holder or candidate.keeper is not None:
        return NO_CONTAINER
    return growth_of(graph.exact, candidate.point)


def _weight(candidate: Candidate) -> float:
    factor = SINGLE_OBJECT_WEIGHT if candidate.kind == "object" else 1.0
    return candidate.retained_size * factor


def _describe(
    graph: HeapGraph, candidate: Candidate, growth: Growth, is_structure: NDArray[np.bool_]
) -> LeakSuspect:
    """A candidate with everything that is said of it."""
    if candidate.kind == GARBAGE:
        return _describe_garbage(graph, candidate, growth)
    has_holder = candidate.has_holder
    holder = candidate.keeper
    if holder is None and has_holder:
        holder = _named_holder(graph, candidate.point, is_structure)
    retained = candidate.retained_size
    if holder is not None and candidate.group is None:
        retained = max(retained, graph.folded.retained_size(holder))
    text = candidate.group.expression if candidate.group is not None else ""
    if candidate.keeper is not None:
        text = expression(graph, candidate.keeper)  # what IPython has beside sys.last_* says less
    elif holder is not None:
        text = users_name(graph, own_expression(graph, holder))
    native = native_part(graph, candidate, holder, retained)
    findings = _findings(graph, candidate, holder, text, retained=retained, growth=growth)
    if candidate.kind == "object" and native > retained // 2:
        findings = replace(findings, known=None)  # what few objects it has are not what is large
    findings = replace(findings, native_size=native)
    path = graph.root_paths.path_to(candidate.point)
    return LeakSuspect(
        kind=candidate.kind,
        expression=text,
        retained_size=retained - native,
        native_size=native,
        share=share_of_heap(graph, retained),
        accumulation_point=object_row(graph, candidate.point) if has_holder else None,
        path=None if path is None else path_row(graph, path),
        reason=explain(graph, findings),
        fingerprint=_fingerprint(graph, candidate, holder),
        growth=growth,
        code=findings.uses[1][:_MAX_PLACES],
    )


def _describe_garbage(graph: HeapGraph, candidate: Candidate, growth: Growth) -> LeakSuspect:
    """The same of what no root reaches: there is no path, and the share is one of all bytes."""
    type_name = "" if candidate.content is None else candidate.content.type_name
    return LeakSuspect(
        kind=GARBAGE,
        expression="" if candidate.group is None else candidate.group.expression,
        retained_size=candidate.retained_size,
        native_size=0,
        share=candidate.retained_size / graph.exact.total_size,
        accumulation_point=object_row(graph, candidate.point),
        path=None,
        reason=explain_garbage(graph.exact),
        fingerprint=fingerprint([GARBAGE, type_name]),
        growth=growth,
    )


def _findings(
    graph: HeapGraph,
    candidate: Candidate,
    holder: int | None,
    text: str,
    *,
    retained: int,
    growth: Growth,
) -> Findings:
    """What the wording needs to know."""
    content = candidate.content
    member_type = content.type_name if content is not None else ""
    inner = inner_type(graph, content) if content is not None else None
    within = carried(graph, content) if content is not None else None
    if candidate.keeper is not None:
        member_type = graph.type_name(candidate.keeper)
    kinds = (inner, within.type_name if within else None)
    about = [name for name in kinds if name]
    if content is not None and are_classes(graph, content.members):
        about = ["type"]  # whatever its metaclass is, and not what its functions are
    traits = [
        LeakTraits(
            candidate.kind,
            text,
            "" if holder is None else graph.type_name(holder),
            "" if holder is None else _owner_type(graph, holder),
            type_name,
        )
        for type_name in dict.fromkeys([member_type, *about])
    ]
    known = next(filter(None, map(find_known_leak, traits)), None)
    if known is not None and _is_refuted(graph, known, holder, content):
        known = None
    uses = code_that_uses(graph, candidate, holder)
    return Findings(candidate, holder, text, retained, inner, within, known, growth, uses)


def _is_refuted(
    graph: HeapGraph, known: KnownLeak, holder: int | None, content: Content | None
) -> bool:
    """Whether the snapshot says against a pattern that the types fit: a cache has a maximum."""
    if known.is_without_limit:
        return holder is not None and past_of(graph.exact, holder).limit is not None
    if not known.is_about_views:
        return False
    return content is None or not hides_buffers(graph, content.members)


def _named_holder(graph: HeapGraph, point: int, is_structure: NDArray[np.bool_]) -> int:
    """The point, or the nearest object above it that has a Python name; modules do not count."""
    above = point
    while above not in (VIRTUAL_ROOT, UNREACHABLE) and not is_structure[above]:
        if _is_python(expression(graph, above)):
            return above
        above = graph.folded.immediate_dominator(above)
    return point


def _is_python(text: str) -> bool:
    """Whether an expression, apart from the thread or task it begins with, is Python."""
    return "<" not in _TEXT.sub("", _PREFIX.sub("", text, count=1))


def _owner_type(graph: HeapGraph, object_id: int) -> str:
    """Type of the object before this one on its path; an instance in place of its `__dict__`."""
    before = int(graph.root_paths.parent[object_id])
    if before in (VIRTUAL_ROOT, UNREACHABLE):
        return ""
    return graph.type_name(graph.folded.owner_of(before))


def _fingerprint(graph: HeapGraph, candidate: Candidate, holder: int | None) -> str:
    """The trace to the holder and what gathers in it; of a group, its root and type.

    One large item is told by its container: with the next one that container is the holder.
    """
    type_name = "" if candidate.content is None else candidate.content.type_name
    path = graph.root_paths.path_to(candidate.point if holder is None else holder)
    if path is None:
        return fingerprint([candidate.kind, type_name])
    if holder is None:
        root = "" if candidate.kind == "group" else root_part(graph, path.root)
        return fingerprint([candidate.kind, root, type_name])
    references = path_references(graph, path)
    if candidate.kind == "object" and ends_at_an_item(references):
        references, type_name = references[:-1], graph.type_name(holder)
    return fingerprint(trace_parts(graph, path.root, references, type_name))
