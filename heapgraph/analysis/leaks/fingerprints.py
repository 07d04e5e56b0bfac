"""A name for a leak that is the same in every run: a hash over the names on the way to it.

As LeakCanary does it: the types and the generic names of the references, in which no address, no
position, no key and no line number occurs.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

from heapgraph.analysis.expressions.segments import is_namespace, label_text
from heapgraph.model import EDGE_KIND_NAMES, ROOT_KIND_NAMES, EdgeKind, RootKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from heapgraph.graph.heap_graph import HeapGraph
    from heapgraph.graph.references import Reference

FINGERPRINT_DIGITS = 16
"""Hex digits of a fingerprint: 64 bits, enough for every leak that anybody will ever file."""

_NAMED_KINDS = frozenset({EdgeKind.ATTRIBUTE, EdgeKind.SLOT, EdgeKind.FIELD, EdgeKind.LOCAL})
_OFFSET = re.compile(r"0x[0-9a-f]+")


def fingerprint(parts: Sequence[str]) -> str:
    """Hash the parts of a trace."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:FINGERPRINT_DIGITS]


def trace_parts(
    graph: HeapGraph, root_row: int, references: Sequence[Reference], leaked_type: str
) -> list[str]:
    """What a path says that will be the same tomorrow.

    Args:
        graph: the snapshot.
        root_row: the root it begins at.
        references: along the path, the root's first.
        leaked_type: qualified name of what gathers at its end.
    """
    parts = [root_part(graph, root_row)]
    in_namespace = True
    for reference in references:
        name = _generic_label(graph, reference, in_namespace=in_namespace)
        parts.append(f"{graph.type_name(reference.source)} {name}")
        in_namespace = is_namespace(reference)
    return [*parts, leaked_type]


def ends_at_an_item(references: Sequence[Reference]) -> bool:
    """Whether a path ends in a container, not in a name: at a key, a position, in a set."""
    return (
        len(references) > 1
        and references[-1].kind not in _NAMED_KINDS
        and not is_namespace(references[-2])
    )


def root_part(graph: HeapGraph, root_row: int) -> str:
    """A root without what changes from run to run: threads by function, fields without address."""
    root = graph.roots.row(root_row)
    kind = ROOT_KIND_NAMES[root.kind]
    if root.kind is RootKind.FRAME and root.frame < len(graph.frames):
        return f"{kind} {graph.frames[root.frame].function} {root.name}"
    return f"{kind} {_OFFSET.sub('', root.name)}".rstrip()


def _generic_label(graph: HeapGraph, reference: Reference, *, in_namespace: bool) -> str:
    """Attributes by name; keys and positions by kind only: they are data, and data changes."""
    is_name = reference.kind in _NAMED_KINDS or (in_namespace and reference.kind is EdgeKind.VALUE)
    name = label_text(graph, reference) if is_name else None
    return name or EDGE_KIND_NAMES[reference.kind]
