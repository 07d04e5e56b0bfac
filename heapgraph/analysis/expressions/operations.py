"""The operations of an expression (`.name`, `[key]`, `type(...)`): as data, and parsed."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, replace

from heapgraph.analysis.expressions.hidden import hidden_number, without_hidden
from heapgraph.analysis.expressions.literals import literal_value
from heapgraph.errors import ObjectNotFound

SYNTAX_HINT = "@ID, 0xADDRESS, or an expression such as app.CACHE['user:42'].history[0]"

_THREAD_SUFFIX = re.compile(r"(?P<text>.+) \(thread (?P<thread>'.*'|\".*\"|@?[0-9]+)\)")
_SHOWN_CHARACTERS = 80


@dataclass(frozen=True)
class Attribute:
    """`.name`; of a threading.local, in one thread if it is said which."""

    name: str
    thread: str = ""


@dataclass(frozen=True)
class Item:
    """`[key]`; the key is a Python value."""

    key: object


@dataclass(frozen=True)
class NamespaceItem:
    """`.__dict__['name']`: also an attribute that is stored without a dict."""

    key: str


@dataclass(frozen=True)
class TypeCall:
    """`type(...)` around everything before it."""


@dataclass(frozen=True)
class ListedItem:
    """`list(...)[position]` of a set, or of the keys of a dict."""

    position: int


@dataclass(frozen=True)
class CapturedVariable:
    """`inspect.getclosurevars(...).nonlocals['name']`."""

    name: str


@dataclass(frozen=True)
class LocalVariable:
    """`.f_locals['name']`, of a frame or of what is suspended in one."""

    name: str


@dataclass(frozen=True)
class Hidden:
    """`<...>`: a step that Python cannot make."""

    text: str


Operation = (
    Attribute
    | Item
    | NamespaceItem
    | TypeCall
    | ListedItem
    | CapturedVariable
    | LocalVariable
    | Hidden
)


def parse_expression(text: str) -> tuple[str, list[Operation]]:
    """The first name of an expression and what is done to it, innermost first."""
    match = _THREAD_SUFFIX.fullmatch(text)
    plain, hidden = without_hidden(text if match is None else match["text"])
    try:
        node = ast.parse(plain, mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        raise _not_understood(text) from None
    operations: list[Operation] = []
    while not isinstance(node, ast.Name):
        match node:
            case ast.Attribute(value=inner, attr=name):
                operations.append(_attribute(text, name, hidden))
            case ast.Subscript(
                value=ast.Call(func=ast.Name(id="list"), args=[inner], keywords=[]),
                slice=ast.Constant(value=int(position)),
            ):
                operations.append(ListedItem(position))
            case ast.Subscript(
                value=ast.Attribute(
                    value=ast.Call(
                        func=ast.Attribute(value=ast.Name(id="inspect"), attr="getclosurevars"),
                        args=[inner],
                        keywords=[],
                    ),
                    attr="nonlocals",
                ),
                slice=ast.Constant(value=str(name)),
            ):
                operations.append(CapturedVariable(name))
            case ast.Subscript(value=inner, slice=key):
                operations.append(_item(text, key, hidden))
            case ast.Call(func=ast.Name(id="type"), args=[inner], keywords=[]):
                operations.append(TypeCall())
            case _:
                raise _not_understood(text)
        node = inner
    if match is not None:
        operations = [_in_thread(each, match["thread"]) for each in operations]
    return node.id, _with_namespace_items(operations[::-1])


def _in_thread(operation: Operation, thread: str) -> Operation:
    """An attribute as it is in one thread, where it is a threading.local's."""
    return replace(operation, thread=thread) if isinstance(operation, Attribute) else operation


def _attribute(text: str, name: str, hidden: list[str]) -> Operation:
    """An attribute, or the hidden step that its name stands for."""
    number = hidden_number(name)
    if number is None:
        return Attribute(name)
    if number >= len(hidden):
        raise _not_understood(text)
    return Hidden(hidden[number])


def _with_namespace_items(operations: list[Operation]) -> list[Operation]:
    """Make one operation of each `.__dict__` and the text key behind it."""
    merged: list[Operation] = []
    for operation in operations:
        match operation:
            case Item(str(key)) if merged and _is_attribute(merged[-1], "__dict__"):
                merged[-1] = NamespaceItem(key)
            case Item(str(key)) if merged and _is_attribute(merged[-1], "f_locals"):
                merged[-1] = LocalVariable(key)
            case _:
                merged.append(operation)
    return merged


def _item(text: str, key: ast.expr, hidden: list[str]) -> Operation:
    """An item by its key, or the hidden step that stands in the place of one."""
    if isinstance(key, ast.Name) and hidden_number(key.id) is not None:
        return _attribute(text, key.id, hidden)
    return Item(_key_value(text, key))


def _is_attribute(operation: Operation, name: str) -> bool:
    return isinstance(operation, Attribute) and operation.name == name


def _key_value(text: str, key: ast.expr) -> object:
    try:
        return literal_value(ast.unparse(key))
    except (ValueError, RecursionError):
        raise _not_understood(text) from None


def _not_understood(text: str) -> ObjectNotFound:
    shown = text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}..."
    return ObjectNotFound(f"cannot read {shown!r} as an object", "it is no such path", SYNTAX_HINT)


def describe_operation(operation: Operation) -> str:
    """What the operation asks for: a name, or a key as Python source."""
    match operation:
        case Attribute(name):
            return name
        case Item(key) | NamespaceItem(key):
            return repr(key)
        case ListedItem(position):
            return str(position)
        case CapturedVariable(name) | LocalVariable(name):
            return f"variable {name!r}"
        case Hidden(text):
            return text
        case TypeCall():
            return "type"
