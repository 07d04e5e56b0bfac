"""How much room a text needs in whatever font it is shown: nobody asks the fonts of this machine.

A picture is looked at where other fonts are. It asks for a monospaced one, in which every text is
as long as its `cells` say, and tells the viewer to make it so. What cannot do that, as librsvg, and
has no such font either, takes another one: boxes have room for the widest that is usual.
"""

from __future__ import annotations

CELL_EM = 0.602
"""Width of a character in DejaVu Sans Mono and Menlo; Courier and Liberation Mono have 0.600."""

FONTS = "DejaVu Sans Mono,Menlo,Consolas,Liberation Mono,Courier New,monospace"
"""What pictures ask for; the first that is there is taken."""

_FIRST_UNSURE = 0x530
"""Up to here are Latin, Greek and Cyrillic letters, which monospaced fonts have. What lies beyond
is often drawn in another font, as wide as two (Chinese, emoji): it is counted so."""

_SANS_MILLI_EM = (
    *(348, 456, 521, 838, 696, 1002, 872, 306, 457, 457, 523, 838, 380, 415, 380, 365),
    *(696, 696, 696, 696, 696, 696, 696, 696, 696, 696, 400, 400, 838, 838, 838, 580),
    *(1000, 774, 762, 734, 830, 683, 683, 821, 837, 372, 372, 775, 637, 995, 837, 850),
    *(733, 850, 770, 720, 682, 812, 774, 1103, 771, 724, 725, 457, 365, 457, 838, 500),
    *(500, 675, 716, 593, 716, 678, 435, 716, 712, 343, 343, 665, 343, 1042, 712, 687),
    *(716, 716, 493, 595, 478, 712, 652, 924, 645, 652, 582, 712, 365, 712, 838),
)
"""U+0020 to U+007E in DejaVu Sans Bold 2.37, the widest of the usual fonts (as wide as Verdana)."""

_OTHER_SANS_EM, _WIDE_EM = 0.9, 1.3
"""Room for one of the other letters, which take 0.65 em there on average and seldom 1.13; and for
a wide one: an emoji of Noto takes 1.245 em."""

_CUT = "..."


def cells(text: str) -> int:
    """How many places of a monospaced font a text takes."""
    return len(text) if text.isascii() else sum(map(_cells, text))


def mono_width(text: str, size: float) -> float:
    """How long a text is in a monospaced font of this size, in the unit of the size."""
    return cells(text) * CELL_EM * size


def room(text: str, size: float) -> float:
    """How long it is at most in a usual font, in the unit of the size."""
    return max(mono_width(text, size), size * sum(map(_sans_em, text)))


def cut_end(text: str, limit: int) -> str:
    """At most `limit` cells, the beginning kept, and three points where there was more."""
    if cells(text) <= limit:
        return text
    return _fitting(text, limit - len(_CUT)) + _CUT


def cut_start(text: str, limit: int) -> str:
    """The same, the end kept: of a name with a path it says more than the beginning."""
    if cells(text) <= limit:
        return text
    return _CUT + _fitting(text[::-1], limit - len(_CUT))[::-1]


def cut_middle(text: str, limit: int) -> str:
    """The same, both ends kept: of keys, which often begin alike."""
    if cells(text) <= limit:
        return text
    head = _fitting(text, (limit - len(_CUT)) // 2)
    return head + cut_start(text[len(head) :], limit - cells(head))


def wrapped(text: str, limit: int, most_lines: int) -> list[str]:
    """A text in lines of at most `limit` cells; the last one is cut at its start.

    Lines end at a space, or else before a `.` or `[`, if their second half has one.
    """
    rest, lines = text, list[str]()
    while cells(rest) > limit and len(lines) < most_lines - 1:
        line = _fitting(rest, limit)
        ends = (line.rfind(" ") + 1, max(line.rfind("."), line.rfind("[")))
        line = line[: next((end for end in ends if end > len(line) // 2), len(line))]
        lines.append(line.rstrip())
        rest = rest[len(line) :]
    return [*lines, cut_start(rest, limit)]


def _cells(character: str) -> int:
    return 1 if ord(character) < _FIRST_UNSURE else 2


def _sans_em(character: str) -> float:
    code = ord(character)
    if code < 0x7F:  # noqa: PLR2004 - what the table has
        return _SANS_MILLI_EM[code - 0x20] / 1000
    return _OTHER_SANS_EM if code < _FIRST_UNSURE else _WIDE_EM


def _fitting(text: str, limit: int) -> str:
    """As much of a text, from its beginning, as fits."""
    for count, character in enumerate(text):
        limit -= _cells(character)
        if limit < 0:
            return text[:count]
    return text
