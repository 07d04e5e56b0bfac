"""Colours of pictures, light and dark.

They are of the palette of Okabe and Ito, which is told apart with every kind of colour vision, in
print and in grey. Nothing is told by a colour alone: borders and corners differ as well.
"""

from __future__ import annotations

from dataclasses import dataclass

from heapgraph.export.drawing import Look


@dataclass(frozen=True)
class BoxColours:
    """Of one look.

    Attributes:
        fill: inside.
        border: around, and its thickness and dashes below.
        text: on the inside.
        thickness: of the border, in points.
        radius: of the corners, in points.
        dashes: as SVG has them; empty for a line.
    """

    fill: str
    border: str
    text: str
    thickness: float = 1.0
    radius: float = 8.0
    dashes: str = ""


@dataclass(frozen=True)
class Palette:
    """All colours of a picture.

    Attributes:
        ground: behind everything.
        text: of the title and of arrows.
        quiet: of what is less important, on every fill but a root's.
        line: of arrows.
        boxes: by look.
    """

    ground: str
    text: str
    quiet: str
    line: str
    boxes: dict[Look, BoxColours]


def _palette(
    ground: str, text: str, quiet: str, line: str, fills: dict[Look, tuple[str, str, str]]
) -> Palette:
    """A palette from fill, border and text of each look; what is not colour is the same in all."""
    boxes = {
        Look.ROOT: BoxColours(*fills[Look.ROOT], radius=0.0),
        Look.PLAIN: BoxColours(*fills[Look.PLAIN]),
        Look.GATHERING: BoxColours(*fills[Look.GATHERING], thickness=2.5, dashes="8 3"),
        Look.GOAL: BoxColours(*fills[Look.GOAL], thickness=3.0),
        Look.GAP: BoxColours(*fills[Look.GAP], dashes="3 3"),
    }
    return Palette(ground, text, quiet, line, boxes)


LIGHT = _palette(
    "#ffffff",
    "#1f2328",
    "#4b535c",
    "#57606a",
    {
        Look.ROOT: ("#0072b2", "#0072b2", "#ffffff"),
        Look.PLAIN: ("#f6f8fa", "#57606a", "#1f2328"),
        Look.GATHERING: ("#d9f2ea", "#007a59", "#1f2328"),
        Look.GOAL: ("#f9d9a0", "#a85a00", "#1f2328"),
        Look.GAP: ("#ffffff", "#57606a", "#4b535c"),
    },
)
DARK = _palette(
    "#0d1117",
    "#e6edf3",
    "#b1bac4",
    "#9aa4af",
    {
        Look.ROOT: ("#56b4e9", "#56b4e9", "#0d1117"),
        Look.PLAIN: ("#1b222b", "#9aa4af", "#e6edf3"),
        Look.GATHERING: ("#0d3a2e", "#2fc79b", "#e6edf3"),
        Look.GOAL: ("#4a3305", "#e69f00", "#e6edf3"),
        Look.GAP: ("#0d1117", "#9aa4af", "#b1bac4"),
    },
)


def dark_style() -> str:
    """The style sheet of a picture: its dark colours, where the viewer's screen is dark.

    The light ones are attributes of what is drawn, so that they hold wherever no style sheet is
    understood, and on paper. All names begin alike: a notebook puts pictures into its own page.
    """
    rules = [
        f".heapgraph-ground{{fill:{DARK.ground}}}",
        f".heapgraph-text{{fill:{DARK.text}}}",
        f".heapgraph-line{{stroke:{DARK.line}}}",
        f".heapgraph-head{{fill:{DARK.line};stroke:{DARK.line}}}",
    ]
    for look, box in DARK.boxes.items():
        rules += [
            f".heapgraph-{look.value}-box{{fill:{box.fill};stroke:{box.border}}}",
            f".heapgraph-{look.value}-text{{fill:{box.text}}}",
        ]
    # Behind the texts of boxes: what is quiet is so in every one.
    rules.append(f".heapgraph-quiet{{fill:{DARK.quiet}}}")
    return f"@media screen and (prefers-color-scheme:dark){{{''.join(rules)}}}"
