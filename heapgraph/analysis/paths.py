"""Why objects are alive: paths from typed roots to one object, or to a set of them merged."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from heapgraph.analysis.ages.growth import growth_of_container
from heapgraph.analysis.ages.rules import MIN_MEMBERS
from heapgraph.analysis.ages.verdict import Growth  # noqa: TC001 - its units are asked for
from heapgraph.analysis.expressions import path_references, write_path
from heapgraph.analysis.expressions.openings import root_names
from heapgraph.analysis.expressions.resolving import resolve_set
from heapgraph.analysis.expressions.segments import entry_label, is_namespace
from heapgraph.analysis.merged_paths import merged_paths
from heapgraph.analysis.results import TableResult, not_serialized, serialize
from heapgraph.errors import UsageError
from heapgraph.graph.object_sets import distinct_ids
from heapgraph.graph.paths import NOTHING_EXCLUDED, PathExclusions
from heapgraph.model import EDGE_KIND_NAMES, ROOT_KIND_NAMES, EdgeKind, RootKind
from heapgraph.units import Bytes, Count, Expression, ObjectId, TypeName

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from heapgraph.analysis.registry import Progress
    from heapgraph.graph.heap_graph import HeapGraph
    from heapgraph.graph.paths import RootPath
    from heapgraph.graph.references import Reference

DEFAULT_LIMIT = 20

_MOST_JUDGED = 20
"""Containers of one path whose growth is told: each of a thousand nested ones has all the others in
it, and is looked at as a whole."""

EXCLUDABLE: dict[str, PathExclusions] = {
    **{n: PathExclusions(edge_kinds=frozenset({k})) for k, n in EDGE_KIND_NAMES.items()},
    **{n: PathExclusions(root_kinds=frozenset({k})) for k, n in ROOT_KIND_NAMES.items()},
    "frame": PathExclusions(
        root_kinds=frozenset({RootKind.FRAME}),
        edge_kinds=frozenset({EdgeKind.LOCAL, EdgeKind.STACK}),
    ),
}
"""What `--exclude` knows, by name: kinds of references, kinds of roots. `frame` means running and
suspended functions alike. Weak references are on no path anyway."""


@dataclass(frozen=True)
class PathRoot:
    """The root a path begins at: kind as in `ROOT_KIND_NAMES`, and its own name."""

    kind: str
    name: str


@dataclass(frozen=True)
class PathStepRow:
    """One object of a path.

    Attributes:
        id: object id.
        type: qualified type name.
        label: what the reference that leads to it is called; the root's name for the first.
        label_kind: kind of that reference; `root` for the first.
        native_size: bytes of C code that go with the object: an estimate.
        growth: of a container, what the ages of its members tell. Of a long path only the nearest
            containers are asked; None for the others, and for what is none.
    """

    id: ObjectId
    type: TypeName
    label: str | None
    label_kind: str
    native_size: Bytes
    growth: Growth | None = None


@dataclass(frozen=True)
class PathRow:
    """One path.

    Attributes:
        root: where it begins.
        expression: the path as Python.
        steps: its objects, root first.
        count: members of the set it leads to; None for the path of one object.
        shallow_size: bytes of these members themselves.
        retained_size: bytes that go with them, as a minimum.
        native_size: bytes of C code that go with them: an estimate.
    """

    root: PathRoot
    expression: Expression
    steps: tuple[PathStepRow, ...]
    count: Count | None = None
    shallow_size: Bytes | None = None
    retained_size: Bytes | None = None
    native_size: Bytes | None = None

    @property
    def growth(self) -> Growth | None:
        """Of the container that is nearest to the end; None where its growth is not known."""
        found = next((step.growth for step in reversed(self.steps) if step.growth), None)
        return found if found is None or found.is_known else None


@dataclass(frozen=True)
class Paths(TableResult):
    """Paths to one object, or merged paths to a set.

    Attributes:
        paths: the rows; several objects share one where they are held by one holder.
        objects: how many objects were asked for.
        unreached: how many of them no path leads to.
    """

    rows_field: ClassVar[str] = "paths"

    paths: tuple[PathRow, ...]
    objects: int = not_serialized()
    unreached: int = not_serialized()

    def to_dict(self) -> dict[str, Any]:
        """The JSON document; counts and sizes are there for a set only, growth for containers."""
        rows = [
            {key: value for key, value in serialize(row).items() if value is not None}
            for row in self.paths
        ]
        for row in rows:
            for step in row["steps"]:
                if step["growth"] is None:
                    del step["growth"]
        return {"paths": rows}


def paths_to(
    graph: HeapGraph,
    *,
    progress: Progress | None = None,
    objects: Sequence[int | str],
    count: int = 1,
    exclude: Sequence[str] = (),
    limit: int = DEFAULT_LIMIT,
) -> Paths:
    """Find the shortest paths from the roots.

    Args:
        graph: the snapshot.
        progress: told when paths are searched.
        objects: ids or OBJECT texts, `type:NAME` too. More than one object makes a set.
        count: how many different paths to show of a single object.
        exclude: names of `EXCLUDABLE` that paths must not use.
        limit: how many merged paths of a set.

    Returns:
        The paths; none when no root leads to any of the objects under these conditions.

    Raises:
        ObjectNotFound: an object names nothing, or more than one object.
        UsageError: an unknown name in `exclude`.

    Cost: one search of the heap (0.5 s for 10 million objects), kept unless something is excluded.
    """
    exclusions = parse_exclusions(exclude)
    members = _members(graph, objects)
    if progress is not None:
        progress("paths from roots", 0, 0)
    if len(members) == 1:
        found = graph.all_paths(int(members[0]), count, exclusions)
        rows = tuple(path_row(graph, path) for path in found)
        return Paths(rows, 1, int(not rows))
    searched = graph.root_paths_without(exclusions)
    groups, unreached = merged_paths(graph, searched, members, limit, progress)
    rows = tuple(
        replace(
            path_row(graph, group.path),
            count=group.count,
            shallow_size=group.shallow_size,
            retained_size=group.retained_size,
            native_size=group.native_size,
        )
        for group in groups
    )
    return Paths(rows, len(members), unreached)


def path_row(graph: HeapGraph, path: RootPath) -> PathRow:
    """One path with everything that is said of it.

    Cost: that of its steps; the dominator tree where objects own blocks of C code, once.
    """
    root = graph.roots.row(path.root)
    kind = ROOT_KIND_NAMES[root.kind]
    first = path.steps[0].object_id
    in_namespace = first in root_names(graph).namespaces
    references = path_references(graph, path)
    growth = _growth_on_path(graph, references, None if in_namespace else first)
    name = root.name or None
    ids = np.array([first, *(reference.target for reference in references)], np.uint32)
    native = graph.exact.folded.native_sizes(ids).tolist()
    type_name = graph.type_name(first)
    steps = [PathStepRow(first, type_name, name, "root", native[0], growth.get(first))]
    for reference, size in zip(references, native[1:], strict=True):
        steps.append(
            PathStepRow(
                reference.target,
                graph.type_name(reference.target),
                entry_label(graph, reference, in_namespace=in_namespace),
                EDGE_KIND_NAMES[reference.kind],
                size,
                growth.get(reference.target),
            )
        )
        in_namespace = is_namespace(reference)
    return PathRow(PathRoot(kind, root.name), write_path(graph, path), tuple(steps))


def _growth_on_path(
    graph: HeapGraph, references: Sequence[Reference], first: int | None
) -> dict[int, Growth]:
    """What the containers nearest to the end of a path do; a `__dict__` is none.

    Args:
        graph: the snapshot.
        references: of the path.
        first: its first object; None where that is a `__dict__`.
    """
    objects = [] if first is None else [first]
    objects += [one.target for one in references if not is_namespace(one)]
    ids = np.array(objects, np.int64)
    has_many = graph.offsets[ids + 1] - graph.offsets[ids] >= MIN_MEMBERS
    found: dict[int, Growth] = {}
    for object_id in reversed(ids[has_many].tolist()):
        if len(found) == _MOST_JUDGED:
            break
        growth = growth_of_container(graph, object_id)
        if growth is not None:
            found[object_id] = growth
    return found


def parse_exclusions(names: Sequence[str]) -> PathExclusions:
    """The exclusions that names of `EXCLUDABLE` stand for.

    Raises:
        UsageError: an unknown name.
    """
    for name in names:
        if name not in EXCLUDABLE:
            raise UsageError(
                f"cannot exclude {name!r}",
                "it is neither a kind of reference nor a kind of root",
                "any of: " + ", ".join(sorted(EXCLUDABLE)),
            )
    parts = [EXCLUDABLE[name] for name in names if name != "weak"]
    if not parts:
        return NOTHING_EXCLUDED
    return PathExclusions(
        frozenset().union(*(part.root_kinds for part in parts)),
        frozenset().union(*(part.edge_kinds for part in parts)),
    )


def _members(graph: HeapGraph, objects: Sequence[int | str]) -> NDArray[np.uint32]:
    """uint32[k], the distinct objects that were asked for, rising."""
    if not len(objects):
        raise UsageError("no object was given", "paths lead to objects", "name at least one")
    texts = [which for which in objects if isinstance(which, str)]
    ids = [which for which in objects if not isinstance(which, str)]
    outside = [which for which in ids if not 0 <= which < graph.object_count]
    texts += [f"@{which}" for which in outside[:1]]  # refused in the words for a text
    named = [resolve_set(graph, text) for text in texts]
    return distinct_ids(np.concatenate([np.array(ids, np.uint32), *named]), graph.object_count)
