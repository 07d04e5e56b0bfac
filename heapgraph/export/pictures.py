"""What is drawn of a snapshot: chains that keep an object alive, and what it retains."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from heapgraph.analysis.expressions import expression, path_references
from heapgraph.analysis.expressions.literals import UNKNOWN
from heapgraph.analysis.expressions.segments import entry_label, is_attribute_name, is_namespace
from heapgraph.analysis.leaks.accumulation import MAX_STEPS
from heapgraph.analysis.object_rows import object_id_of
from heapgraph.errors import HeapgraphError
from heapgraph.export import box_texts
from heapgraph.export.drawing import Arrow, Drawing
from heapgraph.export.gathering import gathering_in, gathering_on_chain
from heapgraph.model import EdgeKind
from heapgraph.snapshot.reader import SnapshotFile
from heapgraph.units import format_count, format_size

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Literal

    from heapgraph.export.gathering import Gathering
    from heapgraph.graph.heap_graph import HeapGraph
    from heapgraph.graph.paths import RootPath
    from heapgraph.graph.references import Reference

MAX_CHAIN = 24
"""Objects of a chain that are drawn; of a longer one both ends are, and a count between them."""

_END_OBJECTS = 10

_MIN_SHARE, _MIN_CHILDREN = 0.01, 2
"""Children of a retained tree are drawn down to this share of the whole, but at least so many."""

_NARROWEST, _WIDEST = 1.0, 6.0
"""Pen widths of the lines of a retained tree, in points."""


def draw(
    graph: HeapGraph,
    which: int | str,
    *,
    dominators: bool = False,
    count: int = 1,
    limit: int = 6,
) -> Drawing:
    """Draw what keeps an object alive, or what it retains.

    Args:
        graph: the snapshot.
        which: an object, by id or OBJECT text.
        dominators: draw what it retains.
        count: chains that keep it alive, at most.
        limit: children of each object that it retains, at most.

    Raises:
        ObjectNotFound: it names nothing, or more than one object.
        HeapgraphError: nothing keeps it alive.
    """
    object_id = object_id_of(graph, which)
    if dominators:
        return dominated_drawing(graph, object_id, children=limit)
    paths = graph.all_paths(object_id, count)
    if not paths:
        name = which if isinstance(which, str) else f"@{which}"
        file = graph.source.path if isinstance(graph.source, SnapshotFile) else "FILE"
        raise HeapgraphError(
            f"nothing keeps {name} alive",
            "no root leads to it: it is garbage that the collector has not removed yet",
            f"look at what refers to it: heapgraph show {file} {name}",
        )
    return paths_drawing(graph, object_id, paths)


def paths_drawing(graph: HeapGraph, object_id: int, paths: Sequence[RootPath]) -> Drawing:
    """Draw the chains of references from roots to one object, roots on top.

    A `__dict__` on the way is drawn as a part of the object it belongs to. Objects that several
    chains share are drawn once.

    Args:
        graph: the snapshot.
        object_id: the object the paths lead to; it is highlighted.
        paths: of `HeapGraph.all_paths`.
    """
    steps = [step.object_id for path in paths[:1] for step in path.steps[:MAX_STEPS]]
    chain = list(dict.fromkeys(map(graph.folded.owner_of, steps)))
    caption = "kept alive by these references, from the root on"
    builder = _Builder(graph, object_id, caption, "TB", gathering_on_chain(graph, chain))
    for path in paths:
        builder.add_path(path)
    return builder.drawing


def dominated_drawing(
    graph: HeapGraph, object_id: int, *, children: int = 6, depth: int = 3
) -> Drawing:
    """Draw what an object retains: its part of the folded dominator tree.

    Args:
        graph: the snapshot.
        object_id: the object on top; it is highlighted.
        children: largest children drawn of each object; the rest is one box with its size.
        depth: levels below the object.
    """
    top = graph.folded.owner_of(object_id)
    caption = "retains what is to the right: it goes with what is to the left"
    builder = _Builder(graph, top, caption, "LR", gathering_in(graph, top))
    builder.add_object(top)
    level = [top]
    for _ in range(depth):
        level = [child for parent in level for child in builder.add_children(parent, children)]
    return builder.drawing


class _Builder:
    """Adds each object and each reference once."""

    def __init__(
        self,
        graph: HeapGraph,
        goal: int,
        caption: str,
        direction: Literal["TB", "LR"],
        gathering: Gathering | None,
    ) -> None:
        self._graph = graph
        self._goal = goal
        self._gathering = gathering
        self._arrows: set[tuple[str, str, str]] = set()
        self.drawing = Drawing(box_texts.title(graph, goal, caption, gathering), direction)

    def add_path(self, path: RootPath) -> None:
        """A root and the chain below it."""
        source = f"root{path.root}"
        if source not in self.drawing.boxes:
            self.drawing.boxes[source] = box_texts.root_box(self._graph, path.root)
        for target, label in self._stations(path):
            self._add_arrow(source, target, label)
            source = target

    def add_object(self, object_id: int) -> str:
        """A box with type, value and sizes; the box's name."""
        name = f"object{object_id}"
        if name not in self.drawing.boxes:
            gathering = self._gathering
            if gathering is not None and gathering.object_id != object_id:
                gathering = None
            self.drawing.boxes[name] = box_texts.object_box(
                self._graph, object_id, is_goal=object_id == self._goal, gathering=gathering
            )
        return name

    def add_children(self, parent: int, limit: int) -> list[int]:
        """The largest children of an object, and one box for the rest; the children drawn."""
        folded = self._graph.folded
        source = self.add_object(parent)
        sizes = folded.retained_sizes(folded.unsorted_children(parent))
        whole = max(1, folded.retained_size(self._goal))
        large = int(np.count_nonzero(sizes >= _MIN_SHARE * whole))
        shown = folded.children(parent, min(limit, max(large, _MIN_CHILDREN)))
        shown_sizes = [folded.retained_size(child) for child in shown]
        for child, size in zip(shown, shown_sizes, strict=True):
            thickness = _NARROWEST + (_WIDEST - _NARROWEST) * min(1.0, size / whole)
            label = self._rest_of_expression(parent, child)
            self._add_arrow(source, self.add_object(child), label, round(thickness, 1))
        if rest := len(sizes) - len(shown):
            size = int(sizes.sum()) - sum(shown_sizes)
            name = f"rest{parent}"
            text = f"... {format_count(rest)} more, {format_size(size)}"
            self.drawing.boxes[name] = box_texts.gap_box(text)
            nothing = box_texts.arrow_label("")
            self.drawing.arrows.append(Arrow(source, name, nothing, is_dashed=True))
        return shown

    def _add_arrow(self, source: str, target: str, label: str, thickness: float = 1.0) -> None:
        if (source, target, label) not in self._arrows:
            self._arrows.add((source, target, label))
            line = box_texts.arrow_label(label)
            self.drawing.arrows.append(Arrow(source, target, line, thickness))

    def _rest_of_expression(self, parent: int, child: int) -> str:
        """What a child's expression adds to its dominator's, or else how it ends."""
        name = expression(self._graph, child)
        return name.removeprefix(expression(self._graph, parent))

    def _stations(self, path: RootPath) -> list[tuple[str, str]]:
        """Boxes of a path, each with the text of the reference to it; folded dicts left out.

        Of a long chain both ends are kept, and one box counts what lies between them.
        """
        kept = [(self._shown(path.steps[0].object_id), "")]
        for reference in path_references(self._graph, path):
            target = self._shown(reference.target)
            if target != kept[-1][0] or not is_namespace(reference):
                kept.append((target, self._reference_text(reference)))
        if len(kept) <= MAX_CHAIN:
            return [(self.add_object(object_id), label) for object_id, label in kept]
        head, tail = kept[:_END_OBJECTS], kept[-_END_OBJECTS:]
        gap = f"gap{len(self.drawing.boxes)}"
        left_out = format_count(len(kept) - len(head) - len(tail))
        self.drawing.boxes[gap] = box_texts.gap_box(f"... {left_out} more")
        return [
            *((self.add_object(object_id), label) for object_id, label in head),
            (gap, kept[_END_OBJECTS][1]),
            *((self.add_object(object_id), label) for object_id, label in tail),
        ]

    def _shown(self, object_id: int) -> int:
        """The object in whose box an object is: its owner, except where it is itself the goal."""
        return object_id if object_id == self._goal else self._graph.folded.owner_of(object_id)

    def _reference_text(self, reference: Reference) -> str:
        """A reference in few words: `.history`, `['user:42']`, `[3]`, `key`, `local rows`."""
        in_namespace = self._shown(reference.source) != reference.source
        label = entry_label(self._graph, reference, in_namespace=in_namespace)
        kind = reference.kind
        if label is None:
            return kind.name.lower()
        if label == UNKNOWN:
            return f"<{UNKNOWN}>"
        if kind is EdgeKind.INDEX or (kind is EdgeKind.VALUE and not in_namespace):
            return f"[{label}]"
        if kind in _ATTRIBUTE_KINDS and is_attribute_name(label):
            return f".{label}"
        return f"{kind.name.lower()} {label}"


_ATTRIBUTE_KINDS = (
    EdgeKind.ATTRIBUTE,
    EdgeKind.SLOT,
    EdgeKind.FIELD,
    EdgeKind.VALUE,
    EdgeKind.DICT,
    EdgeKind.TYPE,
)
