"""What objects are called in a row: expressions and values, at a bounded cost each."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from heapgraph.analysis.expressions import expression
from heapgraph.analysis.expressions.literals import UNKNOWN, literal
from heapgraph.analysis.expressions.segments import entry_label, is_namespace, segment
from heapgraph.graph.references import best_edges
from heapgraph.model import UNREACHABLE, EdgeKind
from heapgraph.tui.cells import count_text, safe
from heapgraph.units import format_count

if TYPE_CHECKING:
    from heapgraph.graph.heap_graph import HeapGraph

FARTHEST = 120
"""References from the root up to which an object is called by its whole expression. The item in the
middle of a linked list has a million; it is called by the last few."""

_LAST_REFERENCES = 6
_KEPT_NAMES = 20_000
_KEPT_CHARACTERS = 300


class Names:
    """Texts about the objects of one graph, the recent ones kept."""

    def __init__(self, graph: HeapGraph) -> None:
        """Word nothing yet."""
        self._graph = graph
        self.of = lru_cache(_KEPT_NAMES)(self._name)

    def object_text(self, object_id: int) -> str:
        """OBJECT text for a command line: the expression if it is Python, else `@ID`."""
        text = self.of(object_id)
        return f"@{object_id}" if "<" in text or ELLIPSIS in text else text

    def below(self, parent: int | None, object_id: int) -> str:
        """The name of an object in a list under another one, without what both share."""
        name = self.of(object_id)
        if parent is None:
            return name
        above = self.of(parent)
        rest = name.removeprefix(above)
        is_part = rest != name and rest[:1] in (".", "[", "<")
        return rest if is_part else name

    def value(self, object_id: int) -> str:
        """The value in a word or two: the literal, what was kept of it, or type and references."""
        graph = self._graph
        text = literal(graph, object_id) or graph.preview(object_id)
        if text is not None:
            return safe(text[:_KEPT_CHARACTERS])
        begin, end = graph.offsets[object_id : object_id + 2].tolist()
        short = safe(graph.type_name(object_id).rpartition(".")[2])
        return f"{short}, {count_text(end - begin, 'reference')}"

    def _name(self, object_id: int) -> str:
        distance = int(self._graph.root_paths.distance[object_id])
        if distance == UNREACHABLE or distance <= FARTHEST:
            return safe(_shortened(expression(self._graph, object_id)))
        return safe(self._end_of_path(object_id, distance))

    def _end_of_path(self, object_id: int, distance: int) -> str:
        """The last references of a long path; walking all of it would take seconds."""
        graph = self._graph
        chain = [object_id]
        for _ in range(_LAST_REFERENCES):
            chain.append(int(graph.root_paths.parent[chain[-1]]))
        chain.reverse()
        objects = np.array(chain, np.uint32)
        parts, in_namespace = [], False
        for edge in best_edges(graph, objects[:-1], objects[1:], graph.root_paths.skip):
            reference = graph.reference(edge)
            label = entry_label(graph, reference, in_namespace=in_namespace)
            if is_namespace(reference):
                in_namespace = True
                continue
            is_attribute = in_namespace or reference.kind is EdgeKind.ATTRIBUTE
            is_attribute &= label != UNKNOWN
            parts.append(f".{label}" if is_attribute else segment(graph, reference))
            in_namespace = False
        left_out = format_count(distance - _LAST_REFERENCES)
        return f"<... {left_out} more>{''.join(parts)}"


ELLIPSIS = "…"


def _shortened(text: str) -> str:
    """A name of at most a few lines; both ends say something."""
    if len(text) <= _KEPT_CHARACTERS:
        return text
    half = _KEPT_CHARACTERS // 2
    return f"{text[:half]}{ELLIPSIS}{text[-half:]}"
