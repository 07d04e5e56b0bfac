"""What a room gives back, and how it says where it is."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Result:
    """What came of one room.

    Attributes:
        text: Markdown.
        document: the same for a program, and more.
        harmed: rows in which something was harmed.
    """

    text: str
    document: Any = field(default_factory=list)
    harmed: int = 0


def announce(text: str) -> None:
    """Say on standard error what is tried now."""
    print(text, file=sys.stderr, flush=True)
