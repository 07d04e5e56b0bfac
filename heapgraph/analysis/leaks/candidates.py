"""Which objects, or groups of objects, hold so much that they may be the leak.

The two steps of Eclipse MAT's FindLeaksQuery, on a tree in which modules and classes do not count
as holders, and a third for containers that are smaller but have very many items.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from heapgraph.analysis.execution.greenlets import EVENT_LOOP_TYPES
from heapgraph.analysis.leaks.accumulation import (
    CONTENT_SHARE,
    MANY_CHILDREN,
    Content,
    accumulation_point,
    children_of,
    content_of,
    is_gathering,
    linked_content,
    main_content,
    passes_on,
    retained_by_type,
)
from heapgraph.analysis.leaks.application_code import (
    is_application_root,
    is_root_of,
    origin_of_type,
)
from heapgraph.analysis.leaks.connections import SELECTOR_KEY, are_abandoned
from heapgraph.analysis.leaks.groups import (
    GroupHolder,
    exit_callback_rows,
    holder_of_group,
    is_at_root,
    members_held,
)
from heapgraph.analysis.leaks.held_also import inner_holders, other_holders
from heapgraph.model import (
    ITEM_KINDS,
    UNREACHABLE,
    VIRTUAL_ROOT,
    CodeOrigin,
    RootKind,
)
from heapgraph.native.scans import are_among

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from heapgraph.graph.heap_graph import HeapGraph

SUSPECT_SHARE = 0.1
"""Share of the heap from which on a holder is suspect. Eclipse MAT, LeakHunterQuery (10 %)."""

MIN_SIZE = 2**20
"""Bytes below which nothing is: a tenth of an idle interpreter's 3 MiB is a table of names."""

MANY_ITEMS = 1000
"""A container with so many items of one type is suspect from `ITEMS_SHARE` of the heap on: the
length from which JOverflow looks at a collection of collections."""

MIN_ALIKE = 2
"""Items of one type that make a container of a few; a single one is the suspect itself."""

HEAVY_SHARE = 0.9
"""Of the bytes of alike objects have those that are asked who holds them: the rest are many, small,
and held by anybody."""

ITEMS_SHARE = 0.01
"""Share of the heap for such a container. Eclipse MAT reports "big drops" from 1 % on."""

_STRUCTURE_TYPES = frozenset({"type", "module", "code", "function", "builtin_function_or_method"})
"""Types whose instances are the program, not its data."""

_CONTAINER_TYPES = frozenset(
    {"list", "dict", "set", "collections.deque", "collections.OrderedDict", "OrderedDict"}
    | {"collections.defaultdict", "collections.Counter", "tuple", "frozenset"}
)


@dataclass(frozen=True)
class Candidate:
    """A holder that may be the leak.

    Attributes:
        kind: `container` (things were added to it), `object` (large by itself or by its parts),
            `group` (alike objects that no single object holds), `threads`, `c-held`, `instances`,
            `garbage` (see `dead`), `interned` (see `registries`), `exception` (see `exceptions`).
        retained_size: bytes of the accumulation point, or of all members of a group.
        point: the accumulation point; for a group without one, its largest member.
        content: what gathers there.
        group: how a group is held.
        references: how many a container has that is large by them, not by what they lead to; 0
            for others.
        only_if_growing: it is a suspect only when it is known to grow: what a busy program has
            open, tables of an installed package.
        keeper: the exception that keeps all of it, for one of that kind.
    """

    kind: str
    retained_size: int
    point: int
    content: Content | None
    group: GroupHolder | None = None
    references: int = 0
    only_if_growing: bool = False
    keeper: int | None = None

    @property
    def has_holder(self) -> bool:
        """Whether one object holds it, and not several, or C code, only together."""
        return self.group is None or self.group.holder is not None


def find_candidates(graph: HeapGraph, is_structure: NDArray[np.bool_]) -> list[Candidate]:
    """All candidates, those with most bytes first; none is inside another.

    Args:
        graph: the snapshot.
        is_structure: bool[n], see `structure_mask`.

    Cost: the dominator tree and the shortest paths; then passes over the objects.
    """
    threshold = max(MIN_SIZE, int(SUSPECT_SHARE * graph.reachable_size))
    tops = _below_structure(graph, is_structure)
    is_large = graph.dominators.retained_sizes[tops] >= threshold
    found = list(_single_objects(graph, tops[is_large], threshold))
    for group in _groups(graph, is_structure, tops[~is_large], threshold):
        if not any(_overlap(graph, group.point, other.point) for other in found):
            found.append(group)
    found.extend(_long_containers(graph, found))
    found = [_judged_by_growth(graph, candidate) for candidate in found]
    found.sort(key=lambda candidate: -candidate.retained_size)
    return found


def _judged_by_growth(graph: HeapGraph, candidate: Candidate) -> Candidate:
    """The same; a server that is busy has as many connections as it has clients."""
    content = candidate.content
    if content is None or content.type_name != SELECTOR_KEY:
        return candidate
    return replace(candidate, only_if_growing=not are_abandoned(graph, content.members))


def _single_objects(
    graph: HeapGraph, tops: NDArray[np.uint32], threshold: int
) -> Iterator[Candidate]:
    """Step A: objects over the threshold, walked down to where their bytes gather.

    An object that is a frame for several large parts is not reported, its large parts are.
    """
    retained = graph.dominators.retained_sizes
    waiting = tops.tolist()
    while waiting:
        point = accumulation_point(graph, waiting.pop())
        children = children_of(graph, point)
        content = content_of(graph, children)
        if len(children) and passes_on(graph, point, int(children[0])):
            linked = linked_content(graph, point)
            yield Candidate("container", linked.retained_size, point, linked)
            continue
        if content is not None and is_gathering(graph, point, content):
            yield _gathered(graph, point, content)
            continue
        if content is not None and _are_few_alike(graph, point, content):
            retained_by_point = graph.folded.retained_size(point)
            yield Candidate("container", retained_by_point, point, content)
            continue
        large = [int(child) for child in children if int(retained[child]) >= threshold]
        waiting.extend(large)
        if not large:
            parts = _of_parts(graph, point, content)
            yield _undivided(graph, point, content) if parts is None else parts


def _are_few_alike(graph: HeapGraph, point: int, content: Content) -> bool:
    """Whether a container has a few items of one kind, and these are what it is large by.

    Items to which again much was added are looked at one by one: each may be another story.
    """
    if _of_parts(graph, point, content) is None:
        return False
    inner = content.members[:MANY_CHILDREN].tolist()
    return not any(is_gathering(graph, one, main_content(graph, one)) for one in inner)


def _of_parts(graph: HeapGraph, point: int, content: Content | None) -> Candidate | None:
    """A container with a few items of one kind, which are what it is large by.

    Or an object that has them in several containers: to empty one of these frees nothing.
    """
    if content is None or len(content.members) < MIN_ALIKE:
        return None
    retained = graph.folded.retained_size(point)
    # What C code has for several items together goes with the container alone, and is due to them.
    shared = graph.folded.shallow_size(point) - graph.exact.folded.shallow_size(point)
    is_large_by_them = content.retained_size + shared >= CONTENT_SHARE * retained
    if not is_large_by_them:
        return None
    are_items = np.isin(graph.root_paths.parent[content.members], [point]).all()
    is_container = are_items and graph.type_name(point) in _CONTAINER_TYPES
    if not is_container and not inner_holders(graph, content.members, point):
        return None
    return Candidate("container", retained, point, content)


def _gathered(graph: HeapGraph, point: int, content: Content) -> Candidate:
    """An object with many alike children: itself, or that container in it which has them.

    Where two containers of one object share their items, the object dominates them: a container is
    named where the other can be said beside it.
    """
    parents = graph.root_paths.parent[content.members]
    if np.isin(parents, graph.folded.parts_of(point)).mean() < CONTENT_SHARE:
        group = holder_of_group(graph, content.members)
        holder = point if group is None or group.holder is None else group.holder
        is_inside = holder != point and graph.dominators.dominates(point, holder)
        if is_inside and other_holders(graph, content.members, holder):
            return Candidate("container", content.retained_size, holder, content, group)
    return Candidate("container", graph.folded.retained_size(point), point, content)


def _undivided(graph: HeapGraph, point: int, content: Content | None) -> Candidate:
    """An object without large children and without many alike: look for what joins its parts."""
    retained = graph.folded.retained_size(point)
    if content is not None and len(content.members) > 1:
        group = holder_of_group(graph, content.members)
        if group is not None and group.holder is not None and group.holder != point:
            held = graph.folded.retained_size(group.holder)
            below = main_content(graph, group.holder)
            if below is not None and held >= CONTENT_SHARE * retained:
                return Candidate("container", held, group.holder, below)
            # Another object has its items as well: only the one above both keeps them.
            if content.retained_size >= CONTENT_SHARE * retained:
                return Candidate("container", retained, point, content)
    return _of_references(graph, point) or Candidate("object", retained, point, content)


def _of_references(graph: HeapGraph, point: int) -> Candidate | None:
    """A container that is large by its many references, to things that are shared or few."""
    retained = graph.folded.retained_size(point)
    if graph.type_name(point) not in _CONTAINER_TYPES:
        return None
    if graph.folded.shallow_size(point) < CONTENT_SHARE * retained:
        return None
    edges = slice(int(graph.offsets[point]), int(graph.offsets[point + 1]))
    is_item = are_among(graph.edge_kinds[edges], ITEM_KINDS)
    items = graph.targets[edges][is_item]
    if len(items) < MANY_ITEMS:
        return None
    members, first = np.unique(items, return_index=True)
    content = content_of(graph, members[np.argsort(first)].astype(np.uint32))
    return Candidate("container", retained, point, content, references=len(items))


def _below_structure(graph: HeapGraph, is_structure: NDArray[np.bool_]) -> NDArray[np.uint32]:
    """Objects that are no structure themselves and lie right below it, or at the top."""
    tree = graph.dominators
    at_top = tree.unsorted_children(VIRTUAL_ROOT)
    structure = np.flatnonzero(is_structure & (tree.idom != UNREACHABLE)).astype(np.uint32)
    below = np.concatenate([at_top, tree.children_of_all(structure)])
    return np.sort(below[~is_structure[below]])


def _groups(
    graph: HeapGraph, is_structure: NDArray[np.bool_], rest: NDArray[np.uint32], threshold: int
) -> Iterator[Candidate]:
    """Step B: objects below the threshold, grouped by type, when the group is over it.

    Those that only C code holds are groups of their own: functions may be among them, as callbacks,
    where functions that Python holds are the program.
    """
    retained = graph.dominators.retained_sizes
    only_c_held = np.zeros(graph.object_count, np.bool_)
    only_c_held[_only_c_held(graph)] = True
    is_c_held = only_c_held[rest]
    # A builtin that keeps much is a method bound to data: what an event calls to wake a greenlet.
    program = _STRUCTURE_TYPES - {"builtin_function_or_method"}
    for members, passed_over in ((rest[is_c_held], {"code"}), (rest[~is_c_held], program)):
        types = graph.type_ids[members]
        by_type = retained_by_type(graph, members)
        for row in np.flatnonzero(by_type >= threshold).tolist():
            if graph.type_names[row] in passed_over:
                continue
            alike = members[types == row]
            waits = re.fullmatch(EVENT_LOOP_TYPES, graph.type_names[row]) is not None
            if waits and len(alike) < MANY_ITEMS:  # a server that is busy has as many
                continue
            alike = alike[np.argsort(~retained[alike], kind="stable")]
            content = Content(graph.type_names[row], alike, int(by_type[row]))
            group = holder_of_group(graph, _heavy(graph, alike), alike)
            if group is None or not _is_plausible(graph, group, content.type_name, is_structure):
                continue
            point = int(alike[0]) if group.holder is None else group.holder
            held = group.members
            if group.holder is not None:
                held = members_held(graph, group.holder, alike)
            if held is not None:
                content = Content(content.type_name, held, int(retained[held].sum()))
            if group.waits_in_greenlets and len(content.members) < MANY_ITEMS:
                continue
            if content.retained_size >= threshold:
                yield Candidate(group.kind, content.retained_size, point, content, group)


def _heavy(graph: HeapGraph, alike: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """The largest of some objects, which lie by falling size, that have most of their bytes."""
    sums = np.cumsum(graph.dominators.retained_sizes[alike].astype(np.float64))
    return alike[: int(np.searchsorted(sums, HEAVY_SHARE * sums[-1])) + 1]


def _only_c_held(graph: HeapGraph) -> NDArray[np.uint32]:
    """Targets of roots that nothing else explains, and of those that atexit has in a table."""
    kinds, targets = graph.roots.kinds, graph.roots.targets
    is_by_c = kinds == RootKind.C_HELD
    is_by_c[exit_callback_rows(graph)] = True
    by_c, by_others = targets[is_by_c], targets[~is_by_c]
    by_c = by_c[~np.isin(by_c, by_others)]
    only: NDArray[np.uint32] = by_c[is_at_root(graph, by_c)]
    return only


def _is_plausible(
    graph: HeapGraph, group: GroupHolder, type_name: str, is_structure: NDArray[np.bool_]
) -> bool:
    """Whether a group is held by data; one held by all sorts of things must be of an own class."""
    if group.holder is not None:
        type_of_holder = graph.type_name(group.holder)
        return not is_structure[group.holder] and type_of_holder not in _STRUCTURE_TYPES
    if group.kind != "group":
        return True
    return origin_of_type(graph, type_name) is not CodeOrigin.STANDARD_LIBRARY


def _long_containers(graph: HeapGraph, found: list[Candidate]) -> Iterator[Candidate]:
    """Step C: containers with very many items of one type, from a smaller share on."""
    least = max(MIN_SIZE, int(ITEMS_SHARE * graph.reachable_size))
    retained = graph.dominators.retained_sizes
    is_container = graph.type_mask(_CONTAINER_TYPES)
    large = np.flatnonzero(retained >= least)
    degrees = graph.offsets[large + 1] - graph.offsets[large]
    long = large[(degrees >= MANY_ITEMS) & is_container[graph.type_ids[large]]]
    taken = [candidate.point for candidate in found]
    for object_id in long[np.argsort(~retained[long], kind="stable")].tolist():
        point = graph.folded.owner_of(object_id)
        if any(_overlap(graph, point, other) for other in taken):
            continue
        found_here = _long_container(graph, object_id, point)
        if found_here is not None:
            taken.append(point)
            yield found_here


def _long_container(graph: HeapGraph, object_id: int, point: int) -> Candidate | None:
    """The candidate that a long container makes: for whom depends on whose it is.

    Objects in a table of the standard library were put there by somebody's calls; those in a table
    of a package may be what it was imported with.
    """
    content = main_content(graph, object_id)
    chain = graph.root_paths.chain(object_id)
    if not chain:
        return None
    root = graph.root_paths.root_rows(chain[0])[0]
    is_own = is_application_root(graph, root)
    if content is None or len(content.members) < MANY_ITEMS:
        return _of_references(graph, point) if is_own else None
    if not is_gathering(graph, point, content):
        return None
    retained = graph.folded.retained_size(point)
    if is_own:
        return Candidate("container", retained, point, content)
    if "." not in content.type_name:
        return None
    is_package = not is_root_of(graph, root, {CodeOrigin.STANDARD_LIBRARY})
    return Candidate("container", retained, point, content, only_if_growing=is_package)


def _overlap(graph: HeapGraph, one: int, other: int) -> bool:
    """Whether one of two objects is inside the other."""
    tree = graph.dominators
    return tree.dominates(one, other) or tree.dominates(other, one)
