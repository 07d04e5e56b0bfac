"""What a C header of heapgraph's own declares, for comparison with what Python thinks of it.

Only the C that these headers are written in: no unions, no bit fields, one declaration a statement.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_INCLUDE = re.compile(r'^#include "(.+)"$', re.MULTILINE)
_DEFINE = re.compile(r"^#define (HG_\w+) (.+)$", re.MULTILINE)
_STRUCT = re.compile(r"typedef struct (\w+) \{(.*?)\} \1;", re.DOTALL)
_ENUM = re.compile(r"enum (\w+) \{(.*?)\};", re.DOTALL)
_FUNCTION = re.compile(r"HG_API ([^;]+?)\(([^;]*)\);")
_DECLARATION = re.compile(r"(?P<type>.*?[\s*])(?P<name>\w+)", re.DOTALL)
_NUMBER = re.compile(r"(?:U?INT\d+_C\()?(-?(?:0x)?[0-9a-f]+)\)?", re.IGNORECASE)


@dataclass(frozen=True)
class Function:
    """A function: types as they are written, without names and `const`."""

    result: str
    arguments: tuple[str, ...]


@dataclass(frozen=True)
class Header:
    """What a header declares, each in its order.

    Attributes:
        numbers: what macros stand for that are one.
        enums: the enumerators of each, by their names.
        structs: (member, type) of each.
        functions: by name.
    """

    numbers: dict[str, int]
    enums: dict[str, dict[str, int]]
    structs: dict[str, list[tuple[str, str]]]
    functions: dict[str, Function]


def read_header(path: Path) -> Header:
    """Parse a header, with those that it includes from its own folder."""
    text = _COMMENT.sub(" ", _INCLUDE.sub(lambda found: _beside(path, found[1]), _text(path)))
    macros = [(name, _NUMBER.fullmatch(value.strip())) for name, value in _DEFINE.findall(text)]
    return Header(
        numbers={name: int(number[1], 0) for name, number in macros if number},
        enums={name: _enumerators(body) for name, body in _ENUM.findall(text)},
        structs={name: _members(body) for name, body in _STRUCT.findall(text)},
        functions=dict(_function(*parts) for parts in _FUNCTION.findall(text)),
    )


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def _beside(path: Path, included: str) -> str:
    return _text(path.with_name(included.rsplit("/", 1)[-1]))


def _enumerators(body: str) -> dict[str, int]:
    pairs = [item.split("=") for item in body.split(",") if item.strip()]
    return {name.strip(): int(value, 0) for name, value in pairs}


def _members(body: str) -> list[tuple[str, str]]:
    return [_declaration(item) for item in body.split(";") if item.strip()]


def _function(front: str, arguments: str) -> tuple[str, Function]:
    name, result = _declaration(front)
    listed = [] if arguments.strip() == "void" else arguments.split(",")
    return name, Function(result, tuple(_declaration(item)[1] for item in listed))


def _declaration(text: str) -> tuple[str, str]:
    """Name and type of `const uint8_t *name`: ("name", "uint8_t *")."""
    match = _DECLARATION.fullmatch(text.strip())
    assert match is not None, text
    words = [
        word for word in re.findall(r"\w+|\*", match["type"]) if word not in ("const", "struct")
    ]
    return match["name"], " ".join(words)
