"""What is in a picture, before it is laid out: boxes with lines of text, arrows with a label."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Literal

from heapgraph.export.text_room import room
from heapgraph.safe_text import cell_text

if TYPE_CHECKING:
    from collections.abc import Iterable


class Role(Enum):
    """What a line of text is: size in points, whether it is bold, whether it is less important."""

    TITLE = (13.0, True, False)
    PLAIN = (11.0, False, False)
    NAME = (11.0, True, False)
    NOTE = (10.0, False, True)

    @property
    def size(self) -> float:
        """Of the letters, in points."""
        return self.value[0]

    @property
    def is_bold(self) -> bool:
        """Whether it stands out."""
        return self.value[1]

    @property
    def is_quiet(self) -> bool:
        """Whether it stands back."""
        return self.value[2]

    @property
    def height(self) -> float:
        """From line to line, in points: fonts ask for 1.13 (Liberation) to 1.45 (Noto) of it."""
        return self.size * 1.5


class Look(Enum):
    """What a box is; each look differs from the others by more than its colour."""

    ROOT = "root"
    PLAIN = "plain"
    GATHERING = "gathering"
    GOAL = "goal"
    GAP = "gap"


@dataclass(frozen=True)
class Line:
    """One line of text; it steers nothing, and every character of it stays in its place."""

    text: str
    role: Role

    def __post_init__(self) -> None:
        """Write out what would turn, pile up or not be seen."""
        object.__setattr__(self, "text", cell_text(self.text))

    @property
    def width(self) -> float:
        """Points it takes in whatever font."""
        return room(self.text, self.role.size)


_MARGIN_X, _MARGIN_Y = 10.0, 6.0
"""Between a box and its text, in points."""


@dataclass(frozen=True)
class Box:
    """An object, a root, or what stands for objects left out.

    Attributes:
        lines: of text, from the top.
        look: what it is.
        tooltip: the whole name.
    """

    lines: tuple[Line, ...]
    look: Look = Look.PLAIN
    tooltip: str = ""

    @property
    def width(self) -> float:
        """Points."""
        return max(line.width for line in self.lines) + 2 * _MARGIN_X

    @property
    def height(self) -> float:
        """Points."""
        return text_height(self.lines) + 2 * _MARGIN_Y


@dataclass(frozen=True)
class Arrow:
    """A reference, or that one object retains another.

    Attributes:
        source: name of a box.
        target: name of a box.
        label: what is written beside it; may be empty.
        thickness: points.
        is_dashed: whether it leads to what was left out.
    """

    source: str
    target: str
    label: Line
    thickness: float = 1.0
    is_dashed: bool = False


@dataclass
class Drawing:
    """A picture.

    Attributes:
        title: lines above it.
        direction: as Graphviz has it: TB, from the top, or LR, from the left.
        boxes: by name; names are our own, and no text of a target.
        arrows: in the order in which they were added.
    """

    title: tuple[Line, ...]
    direction: Literal["TB", "LR"]
    boxes: dict[str, Box] = field(default_factory=dict)
    arrows: list[Arrow] = field(default_factory=list)

    def roots(self) -> list[str]:
        """Names of the boxes that stand at the top."""
        return [name for name, box in self.boxes.items() if box.look is Look.ROOT]


def text_height(lines: Iterable[Line]) -> float:
    """Points that lines take together."""
    return sum(line.role.height for line in lines)
