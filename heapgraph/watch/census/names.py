"""Names that may leave the process: what occurs in code, and no key, number or text of its data."""

from __future__ import annotations

import re

from heapgraph.safe_text import begun, printable

MAX_NAME = 300
"""Characters of a name in messages, metrics and profiles."""

_ANY = "*"
_QUOTED = re.compile(r"'(?:[^'\\]|\\.)*'?|\"(?:[^\"\\]|\\.)*\"?")
_NUMBERS = re.compile(r"\b\d+\b|0x[0-9a-f]+")
_PLACE = re.compile(r"(?<=:)\d+")
_LINE = "\0"
"""Stands for the line of a place in code while other numbers are taken out; no name has it."""


def general_name(text: str) -> str:
    """An expression with `[*]` for keys and positions, and `*` for texts and numbers.

    So it is the same in every census, and tells nothing of what the program works on: of
    `app.CACHE['user:42'].history[3]` is left `app.CACHE[*].history[*]`.

    Args:
        text: as heapgraph writes it.
    """
    without_texts = _QUOTED.sub(_ANY, text)
    outside, depth = [], 0
    for character in without_texts:
        if character == "[":
            depth += 1
            if depth == 1:
                outside.append("[*]")
        elif character == "]":
            depth = max(0, depth - 1)
        elif depth == 0:
            outside.append(character)
    name = "".join(outside).replace(_LINE, "")
    return begun(printable(_without_numbers(name)), MAX_NAME)


def _without_numbers(name: str) -> str:
    """Numbers that stand alone are counts and ids, but for lines of code, as in `app.py:17`."""
    places = _PLACE.findall(name)
    rest = _NUMBERS.sub(_ANY, _PLACE.sub(_LINE, name))
    for line in places:
        rest = rest.replace(_LINE, line, 1)
    return rest
