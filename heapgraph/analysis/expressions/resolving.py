"""OBJECT as people type it (`@123`, `0x7f...`, an expression, `type:NAME`) to object ids."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING

import numpy as np

from heapgraph.analysis.expressions.carriers import loop_opening, loops_of
from heapgraph.analysis.expressions.following import follow_all
from heapgraph.analysis.expressions.literals import UNKNOWN, text_of
from heapgraph.analysis.expressions.openings import Opening, root_names
from heapgraph.analysis.expressions.operations import (
    SYNTAX_HINT,
    Attribute,
    Item,
    Operation,
    describe_operation,
    parse_expression,
)
from heapgraph.analysis.expressions.segments import (
    direct_attribute_targets,
    edges_of,
    is_attribute_name,
    label_text,
    namespace_of,
)
from heapgraph.analysis.expressions.suspended_functions import (
    SUSPENDED_PREFIXES,
    suspended_objects,
    suspended_openings,
    suspended_place,
)
from heapgraph.analysis.expressions.writing import expression
from heapgraph.errors import ObjectNotFound
from heapgraph.model import EdgeKind

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from heapgraph.graph.heap_graph import HeapGraph

_ID = re.compile(r"@([0-9]+)")
_ADDRESS = re.compile(r"0[xX][0-9a-fA-F]+")
_MAX_CANDIDATES = 5
_MAX_ID_DIGITS = 10  # ids are below 2^32
_SHOWN_CHARACTERS = 40
_UNREACHABLE = re.compile(r"<unreachable .* @([0-9]+)>")
_SUSPENDED_ID = re.compile(r"<[a-z]+ (?:[^<>]|<[^<>]*>)* @([0-9]{1,10})> ")
_WRAPPERS = re.compile(r"(?:(?:type|list|inspect\.getclosurevars)\()*")
_NOTHING = "_"
"""Stands for the root in front of operations, which alone are no expression."""


def resolve(graph: HeapGraph, text: str) -> int:
    """The object that a text names.

    Args:
        graph: the snapshot.
        text: `@ID`, `0xADDRESS`, or an expression as heapgraph prints it. A global may be written
            without its module when only one module has it.

    Returns:
        The object id.

    Raises:
        ObjectNotFound: it names nothing, or more than one object; the hint lists candidates.

    Cost: reads the references of the objects on the way; a dict with a million keys takes about
    50 ms.
    """
    text = text.strip()
    if match := _ID.fullmatch(text):
        return _by_id(graph, text, match[1])
    if match := _UNREACHABLE.fullmatch(text):
        return _by_id(graph, text, match[1])
    if _ADDRESS.fullmatch(text):
        return graph.find_address(int(text, 16))
    if text.startswith("<"):
        return _one(graph, text, _resolve_prefixed(graph, text))
    name, operations = parse_expression(text)
    return _one(graph, text, _resolve_dotted(graph, text, name, operations))


def resolve_set(graph: HeapGraph, text: str) -> NDArray[np.uint32]:
    """The objects that a text names: `type:NAME` (`*` matches anything), or one OBJECT.

    Returns:
        uint32[k], rising.

    Raises:
        ObjectNotFound: nothing matches.
    """
    if not text.startswith("type:"):
        return np.array([resolve(graph, text)], dtype=np.uint32)
    pattern = text.removeprefix("type:").strip()
    found = np.asarray(graph.objects_of_type(pattern), dtype=np.uint32)
    if len(found):
        return found
    close = difflib.get_close_matches(pattern, [str(name) for name in graph.type_names])
    raise ObjectNotFound(
        f"no object of type {pattern!r}",
        "type names are exact and qualified, such as collections.OrderedDict; * matches anything",
        f"close: {', '.join(close)}" if close else f"type:*{pattern}*",
    )


def _by_id(graph: HeapGraph, text: str, digits: str) -> int:
    # The length first: Python refuses to read thousands of digits as a number.
    significant = digits.lstrip("0") or "0"
    if len(significant) <= _MAX_ID_DIGITS and int(significant) < graph.object_count:
        return int(significant)
    raise ObjectNotFound(
        f"no object {text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + '...'}",
        "ids are valid in one snapshot only",
        f"this one has @0 to @{graph.object_count - 1}",
    )


def _resolve_dotted(
    graph: HeapGraph, text: str, name: str, operations: list[Operation]
) -> Iterable[int]:
    """Try the longest module name first, then a global of any module."""
    modules = root_names(graph).modules
    names = [name]
    for operation in operations:
        if not isinstance(operation, Attribute):
            break
        names.append(operation.name)
    if name == "sys" and [*operations[:1]] == [Attribute("modules")] and len(operations) > 1:
        key = operations[1]
        if isinstance(key, Item) and key.key in modules:
            return follow_all(graph, modules[str(key.key)], operations[2:])
    for length in range(len(names), 0, -1):
        starts = modules.get(".".join(names[:length]), [])
        found = follow_all(graph, starts, operations[length - 1 :])
        if found:
            return found
    if name in modules:
        raise _missing_part(graph, text, modules[name], operations)
    owners = [start for targets in modules.values() for start in targets]
    return follow_all(graph, owners, [Attribute(name), *operations])


def _resolve_prefixed(graph: HeapGraph, text: str) -> set[int]:
    """An expression that begins with `<...>`: every root whose opening it begins with."""
    if text.startswith("<event loop "):
        openings = ((loop, Opening(loop_opening(graph, loop), "")) for loop in loops_of(graph))
        return {t for loop, each in openings for t in _follow_opening(graph, text, each, loop)}
    names = root_names(graph)
    found: set[int] = set()
    for row in names.rows_begun(text):
        found |= _follow_opening(graph, text, names.opening(row), int(graph.roots.targets[row]))
    return found or _resolve_suspended(graph, text)


def _resolve_suspended(graph: HeapGraph, text: str) -> set[int]:
    """An expression that begins at a variable of a generator, a coroutine or a task."""
    if not text.startswith(SUSPENDED_PREFIXES):
        return set()
    match = _SUSPENDED_ID.match(text)
    if match is not None and int(match[1]) < graph.object_count:
        return _follow_variables(graph, text, match[0].rstrip(), int(match[1]))
    found: dict[int, set[int]] = {}
    for object_id in suspended_objects(graph):
        if f"{suspended_place(graph, object_id)}>" not in text:
            continue
        for opening, depth in suspended_openings(graph, object_id).items():
            if text.startswith(opening):
                targets = _follow_variables(graph, text, opening, object_id)
                found.setdefault(depth, set()).update(targets)
    return next((found[depth] for depth in sorted(found) if found[depth]), set())


def _follow_variables(graph: HeapGraph, text: str, opening: str, object_id: int) -> set[int]:
    """What a text names that begins with an opening, at one of the variables of an object."""
    found: set[int] = set()
    for edge in edges_of(graph, object_id, EdgeKind.LOCAL):
        variable = graph.reference(int(edge))
        name = label_text(graph, variable) or UNKNOWN
        head = name if is_attribute_name(name) else f"<{name}>"
        found |= _follow_opening(graph, text, Opening(opening, head), variable.target)
    return found


def _follow_opening(graph: HeapGraph, text: str, opening: Opening, target: int) -> set[int]:
    """What a text names if it begins with an opening, whose first object is given."""
    rest = _after_opening(text, opening)
    if rest is None:
        return set()
    name, operations = parse_expression(rest)
    if name != _NOTHING:
        operations.insert(0, Item(name))
    return set(follow_all(graph, [_variable_value(graph, target)], operations))


def _variable_value(graph: HeapGraph, target: int) -> int:
    """The value of a variable that inner functions share: it lives in a cell."""
    if graph.type_name(target) != "cell":
        return target
    contents = direct_attribute_targets(graph, target, "cell_contents")
    return contents.pop() if len(contents) == 1 else target


def _after_opening(text: str, opening: Opening) -> str | None:
    """What follows a root's opening in a text, None if the text begins otherwise."""
    if not opening.prefix or not text.startswith(opening.prefix):
        return None
    rest = text[len(opening.prefix) :].lstrip()
    match = _WRAPPERS.match(rest)
    wrappers = "" if match is None else match[0]
    rest = rest[len(wrappers) :]
    if not rest.startswith(opening.head):
        return None
    rest = rest[len(opening.head) :]
    if opening.is_namespace and not opening.head and is_attribute_name(rest[:1]):
        return wrappers + rest
    return f"{wrappers}{_NOTHING}{rest}" if rest[:1] in ("", ".", "[", ")", "<") else None


def _one(graph: HeapGraph, text: str, found: Iterable[int]) -> int:
    """The only object of several that a text may mean."""
    distinct = sorted(set(found))
    if len(distinct) == 1:
        return distinct[0]
    if not distinct:
        raise ObjectNotFound(
            f"no object {text!r} in this snapshot",
            "nothing in this snapshot begins so, or what follows is not there"
            if text.startswith("<")
            else "the first name is neither a module nor a global of one, or has no such attribute",
            SYNTAX_HINT,
        )
    shown = [f"@{found} ({expression(graph, found)})" for found in distinct[:_MAX_CANDIDATES]]
    if len(distinct) > _MAX_CANDIDATES:
        shown.append(f"... {len(distinct) - _MAX_CANDIDATES} more")
    raise ObjectNotFound(
        f"{text!r} names {len(distinct)} objects",
        "several modules, interpreters or suspended functions have it",
        "one of: " + ", ".join(shown),
    )


def _missing_part(
    graph: HeapGraph, text: str, starts: Iterable[int], operations: list[Operation]
) -> ObjectNotFound:
    """The error for an expression that leads part of the way: where it ends, and what is there."""
    reached = set(starts)
    for operation in operations:
        following = follow_all(graph, reached, [operation])
        if not following:
            wanted = describe_operation(operation)
            names = _names_at(graph, min(reached))
            close = difflib.get_close_matches(wanted.strip("'"), names, _MAX_CANDIDATES)
            return ObjectNotFound(
                f"no object {text!r} in this snapshot",
                f"the {graph.type_name(min(reached))} before it has no {wanted}",
                f"close: {', '.join(close)}" if close else f"heapgraph show FILE @{min(reached)}",
            )
        reached = following
    return ObjectNotFound(f"no object {text!r} in this snapshot", "", SYNTAX_HINT)


def _names_at(graph: HeapGraph, source: int, limit: int = 2000) -> list[str]:
    """Names and text keys an object has, for the suggestion of a misspelled one."""
    kinds = (EdgeKind.VALUE, EdgeKind.ATTRIBUTE, EdgeKind.SLOT, EdgeKind.FIELD)
    owners = [source, namespace] if (namespace := namespace_of(graph, source)) else [source]
    names: list[str] = []
    for owner in owners:
        for edge in edges_of(graph, owner, *kinds)[:limit]:
            reference = graph.reference(int(edge))
            if reference.kind in (EdgeKind.SLOT, EdgeKind.FIELD):
                names.append(label_text(graph, reference) or "")
            else:
                names.append(text_of(graph, reference.label) or "")
    return names
