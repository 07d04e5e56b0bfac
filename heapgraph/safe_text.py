"""Text that others chose, made safe to show, to store, and to hand on as JSON.

Names, values, paths and messages come from a target, from a snapshot file or from a folder, and
whoever looks at them may be root at a terminal. There, bytes of control move the cursor, change
the title, fill the clipboard or answer questions; other characters turn the direction of reading,
break lines or cannot be seen. This module decides which characters those are; nothing else does.
"""

from __future__ import annotations

import json
import os
import unicodedata
from typing import Any

_UNSHOWABLE = frozenset({"Cc", "Cf", "Cs", "Cn", "Zl", "Zp"})
"""Categories of Unicode: control (C0, C1, DEL), format (bidi controls, joiners, tags, invisible
ones), surrogates, unassigned (XML does not allow some of them), separators of lines, paragraphs."""

_STACKING = frozenset({"Mn", "Me"})
_RIGHT_TO_LEFT = frozenset({"R", "AL", "AN"})


class _Replacements(dict[int, int | str]):
    """What `str.translate` puts in the place of a character; found out once for each."""

    def __missing__(self, code: int) -> int | str:
        self[code] = result = self.replacement(chr(code))
        return result

    def replacement(self, character: str) -> int | str:
        """The character itself, or its escape as Python writes it."""
        return _escape(character) if _is_unshowable(character) else ord(character)


class _CellReplacements(_Replacements):
    def replacement(self, character: str) -> int | str:
        """The same where characters stand in columns: nothing may pile up or turn either."""
        turns = unicodedata.bidirectional(character) in _RIGHT_TO_LEFT
        if turns or unicodedata.category(character) in _STACKING:
            return _escape(character)
        return super().replacement(character)


class _JsonReplacements(_Replacements):
    def replacement(self, character: str) -> int | str:
        r"""The character itself, or its escapes in JSON; line feeds stand between the values."""
        if character == "\n" or not _is_unshowable(character):
            return ord(character)
        return json.dumps(character)[1:-1]


_PRINTABLE, _IN_CELLS, _IN_JSON = _Replacements(), _CellReplacements(), _JsonReplacements()


def printable(text: str) -> str:
    r"""Text as one line that steers nothing: what would do so is written out, as `\x1b`, `\u202e`.

    What is printable already is not changed, so that it does no harm to call this twice.

    Cost: nothing for text of printable characters, else 50 ns each.
    """
    return text if text.isprintable() else text.translate(_PRINTABLE)


def cell_text(text: str) -> str:
    """`printable`, with marks and right-to-left letters written out too.

    For places where each character has to stay in its column, as in the browser.
    """
    if text.isascii() and text.isprintable():
        return text
    return text.translate(_IN_CELLS)


def storable(text: str) -> str:
    """Text of a path or of an argument, without the surrogates that stand for foreign bytes."""
    return os.fsencode(text).decode(errors="replace")


def json_text(document: Any, *, ascii_only: bool = False) -> str:  # noqa: ANN401 - whatever JSON has
    r"""A document as JSON that is safe to look at, and loses nothing.

    Args:
        document: of dicts, lists, texts, numbers.
        ascii_only: write out everything beyond ASCII.

    Raises:
        ValueError: a number that JSON does not have.
    """
    text = json.dumps(document, indent=2, ensure_ascii=ascii_only, allow_nan=False)
    return text if text.isascii() and "\x7f" not in text else text.translate(_IN_JSON)


def begun(text: str, limit: int) -> str:
    """At most `limit` characters of a text, the beginning kept."""
    return text if len(text) <= limit else f"{text[: limit - 3]}..."


def shortened(text: str, limit: int) -> str:
    """At most `limit` characters, the end kept: of a path it says more than the beginning."""
    return text if len(text) <= limit else f"...{text[-(limit - 3) :]}"


def _is_unshowable(character: str) -> bool:
    return unicodedata.category(character) in _UNSHOWABLE


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
