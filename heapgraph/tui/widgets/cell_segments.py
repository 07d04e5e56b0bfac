"""A cell of a list in the parts that a picture of the screen gives a place to, each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.segment import Segment

from heapgraph.tui.cells import SIGN_CELLS

if TYPE_CHECKING:
    from rich.style import Style


def segments_apart(text: str, style: Style) -> list[Segment]:
    """A cell as the blanks before its text, the sign of a tree, and the text.

    A picture of the screen gives a place to each of them. Where its viewer has another font, all of
    one is as wide as that font makes it, and librsvg leaves the blanks before it out.
    """
    body = text.lstrip(" ")
    sign = body[:SIGN_CELLS] if body.startswith(("▸ ", "▾ ")) else ""
    parts = (text[: len(text) - len(body)], sign, body[len(sign) :])
    return [Segment(part, style) for part in parts if part]
