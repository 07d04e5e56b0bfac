"""Text of the target made safe to show."""

from __future__ import annotations

import unicodedata


def printable(text: str) -> str:
    """Write control characters out as escapes.

    A name in the target may hold escape sequences that would drive the terminal of whoever looks
    at it, perhaps as root, or characters that XML does not allow.
    """
    return "".join(
        character.encode("unicode_escape").decode("ascii")
        if unicodedata.category(character) in ("Cc", "Cf", "Cs", "Cn")
        else character
        for character in text
    )


def begun(text: str, limit: int) -> str:
    """At most `limit` characters of a text, the beginning kept."""
    return text if len(text) <= limit else f"{text[: limit - 3]}..."


def shortened(text: str, limit: int) -> str:
    """At most `limit` characters, the end kept: of a path it says more than the beginning."""
    return text if len(text) <= limit else f"...{text[-(limit - 3) :]}"
