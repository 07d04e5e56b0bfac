"""What is said of a container's growth, and how it is written: all front ends take it from here."""

from __future__ import annotations

from dataclasses import dataclass, field

from heapgraph.analysis.ages.rules import Trend
from heapgraph.units import Count, Word


@dataclass(frozen=True)
class Growth:
    """What a container does, as far as the ages of its members tell.

    Attributes:
        trend: `growing`, `turning over`, `loaded once` or `unknown`.
        evidence: why, in words.
        members: how many were looked at.
        dated: of these, how many have an age.
        newest: of these, how many are among the newest tenth of all objects with an age.
    """

    trend: Word = field(metadata={"key": "class"})
    evidence: str
    members: Count = 0
    dated: Count = 0
    newest: Count = 0

    def __str__(self) -> str:
        """The verdict in a word or two, for a cell of a table."""
        return self.trend

    @property
    def sentence(self) -> str:
        """The verdict with its evidence, for a line of its own."""
        return f"{self.trend}: {self.evidence}"

    @property
    def is_known(self) -> bool:
        """Whether the ages tell anything."""
        return self.trend != Trend.UNKNOWN.value

    @property
    def is_growing(self) -> bool:
        """Up to now."""
        return self.trend == Trend.GROWING.value

    @property
    def is_steady(self) -> bool:
        """Loaded once, or in balance."""
        return self.trend in (Trend.LOADED_ONCE.value, Trend.TURNING_OVER.value)


NOT_JUDGED = Growth(Trend.UNKNOWN.value, "not judged: only the largest containers of a list are")
NO_CONTAINER = Growth(Trend.UNKNOWN.value, "no single container holds them")
