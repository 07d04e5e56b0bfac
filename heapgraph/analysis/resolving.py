"""OBJECT as people type it (`@123`, `0x7f...`, an expression, `type:NAME`) to object ids."""

from __future__ import annotations

import ast
import difflib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from heapgraph.analysis.literals import literal_value, text_of
from heapgraph.analysis.matching import equal_to
from heapgraph.analysis.openings import Opening, root_names
from heapgraph.analysis.segments import (
    FLAT_TYPE,
    direct_attribute_targets,
    edges_of,
    label_text,
    namespace_of,
)
from heapgraph.errors import ObjectNotFound
from heapgraph.model import EdgeKind

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from heapgraph.graph.heap_graph import HeapGraph

_ID = re.compile(r"@(\d+)")
_ADDRESS = re.compile(r"0[xX][0-9a-fA-F]+")
_SYNTAX_HINT = "@ID, 0xADDRESS, or an expression such as app.CACHE['user:42'].history[0]"
_MAX_CANDIDATES = 5


@dataclass(frozen=True)
class Attribute:
    """`.name`."""

    name: str


@dataclass(frozen=True)
class Item:
    """`[key]`; the key is a Python value."""

    key: object


@dataclass(frozen=True)
class TypeCall:
    """`type(...)` around everything before it."""


Operation = Attribute | Item | TypeCall


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
        return _by_id(graph, text, int(match[1]))
    if _ADDRESS.fullmatch(text):
        return graph.find_address(int(text, 16))
    if text.startswith("<"):
        return _one(graph, text, _resolve_prefixed(graph, text))
    name, operations = _parse(text)
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


def _by_id(graph: HeapGraph, text: str, object_id: int) -> int:
    if object_id < graph.object_count:
        return object_id
    raise ObjectNotFound(
        f"no object {text}",
        "ids are valid in one snapshot only",
        f"this one has @0 to @{graph.object_count - 1}",
    )


def _parse(text: str) -> tuple[str, list[Operation]]:
    """The first name of an expression and what is done to it, innermost first."""
    try:
        node = ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        raise _not_understood(text) from None
    operations: list[Operation] = []
    while not isinstance(node, ast.Name):
        match node:
            case ast.Attribute(value=inner, attr=name):
                operations.append(Attribute(name))
            case ast.Subscript(value=inner, slice=key):
                operations.append(Item(_key_value(text, key)))
            case ast.Call(func=ast.Name(id="type"), args=[inner], keywords=[]):
                operations.append(TypeCall())
            case _:
                raise _not_understood(text)
        node = inner
    return node.id, operations[::-1]


def _key_value(text: str, key: ast.expr) -> object:
    try:
        return literal_value(ast.unparse(key))
    except (ValueError, RecursionError):
        raise _not_understood(text) from None


def _not_understood(text: str) -> ObjectNotFound:
    shown = text if len(text) <= 80 else text[:77] + "..."  # noqa: PLR2004 - one line
    cause = "a part in <...> is for reading only" if "<" in text else "it is no such path"
    return ObjectNotFound(f"cannot read {shown!r} as an object", cause, _SYNTAX_HINT)


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
            return _apply(graph, modules[str(key.key)], operations[2:])
    for length in range(len(names), 0, -1):
        starts = modules.get(".".join(names[:length]), [])
        found = _apply(graph, starts, operations[length - 1 :])
        if found:
            return found
    if name in modules:
        raise _missing_part(graph, text, modules[name], operations)
    owners = [start for targets in modules.values() for start in targets]
    return _apply(graph, owners, [Attribute(name), *operations])


def _resolve_prefixed(graph: HeapGraph, text: str) -> set[int]:
    """An expression that begins with `<...>`: every root whose opening it begins with."""
    names = root_names(graph)
    found: set[int] = set()
    for row, target in enumerate(graph.roots.targets.tolist()):
        rest = _after_opening(text, names.opening(row))
        if rest is not None:
            _, operations = _parse(f"_{rest}")
            found |= _apply(graph, [_variable_value(graph, target)], operations)
    return found


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
    if not rest.startswith(opening.head):
        return None
    rest = rest[len(opening.head) :]
    return rest if rest[:1] in ("", ".", "[") else None


def _apply(graph: HeapGraph, starts: Iterable[int], operations: list[Operation]) -> set[int]:
    """Follow operations from all starts; every start that has them all contributes."""
    found = set(starts)
    for operation in operations:
        found = {target for source in found for target in _follow(graph, source, operation)}
    return found


def _follow(graph: HeapGraph, source: int, operation: Operation) -> set[int]:
    """What one operation leads to from one object; nothing if the object does not have it."""
    if isinstance(operation, TypeCall) or operation == Attribute("__class__"):
        return {int(graph.targets[edge]) for edge in edges_of(graph, source, EdgeKind.TYPE)}
    if isinstance(operation, Item):
        return _item_targets(graph, source, operation.key)
    if operation == Attribute("flat") and graph.type_name(source) == FLAT_TYPE:
        return {source}
    namespace = namespace_of(graph, source)
    if namespace is None and source in root_names(graph).namespaces:
        namespace = source
    if operation.name == "__dict__" and namespace is not None:
        return {namespace}
    if direct := direct_attribute_targets(graph, source, operation.name):
        return direct
    return set() if namespace is None else _item_targets(graph, namespace, operation.name)


def _item_targets(graph: HeapGraph, source: int, key: object) -> set[int]:
    """What `[key]` of one object leads to: a position or an entry with an equal key."""
    found: set[int] = set()
    if isinstance(key, int) and not isinstance(key, bool):
        edges = edges_of(graph, source, EdgeKind.INDEX)
        found.update(int(t) for t in graph.targets[edges[graph.labels[edges] == key]])
    edges = edges_of(graph, source, EdgeKind.VALUE)
    if len(edges):
        equal = equal_to(graph, graph.labels[edges], key)
        found.update(int(target) for target in graph.targets[edges[equal]])
    return found


def _one(graph: HeapGraph, text: str, found: Iterable[int]) -> int:
    """The only object of several that a text may mean."""
    distinct = sorted(set(found))
    if len(distinct) == 1:
        return distinct[0]
    if not distinct:
        raise ObjectNotFound(
            f"no object {text!r} in this snapshot",
            "the first name is neither a module nor a global of one",
            _SYNTAX_HINT,
        )
    shown = [f"@{found} ({graph.type_name(found)})" for found in distinct[:_MAX_CANDIDATES]]
    if len(distinct) > _MAX_CANDIDATES:
        shown.append(f"... {len(distinct) - _MAX_CANDIDATES} more")
    raise ObjectNotFound(
        f"{text!r} names {len(distinct)} objects",
        "several modules or interpreters have it",
        "one of: " + ", ".join(shown),
    )


def _missing_part(
    graph: HeapGraph, text: str, starts: Iterable[int], operations: list[Operation]
) -> ObjectNotFound:
    """The error for an expression that leads part of the way: where it ends, and what is there."""
    reached = set(starts)
    for operation in operations:
        following = _apply(graph, reached, [operation])
        if not following:
            wanted = repr(operation.key) if isinstance(operation, Item) else _name_of(operation)
            names = _names_at(graph, min(reached))
            close = difflib.get_close_matches(wanted.strip("'"), names, _MAX_CANDIDATES)
            return ObjectNotFound(
                f"no object {text!r} in this snapshot",
                f"the {graph.type_name(min(reached))} before it has no {wanted}",
                f"close: {', '.join(close)}" if close else f"heapgraph show FILE @{min(reached)}",
            )
        reached = following
    return ObjectNotFound(f"no object {text!r} in this snapshot", "", _SYNTAX_HINT)


def _name_of(operation: Operation) -> str:
    return operation.name if isinstance(operation, Attribute) else "type"


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
