"""Numbers on the command line: plain digits, within what the program can count to."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from click import Context, Parameter

MOST = 2**31 - 1
"""Of rows, paths and process ids; no list that is longer is of use to anybody."""

MOST_BYTES = 2**63 - 1

# Python also takes the digits of other scripts, underscores and spaces for a number.
_WHOLE = re.compile(r"[+-]?[0-9]{1,20}", re.ASCII)
_SHOWN_CHARACTERS = 40


class WholeNumber(click.IntRange):
    """A whole number in ASCII digits."""

    def __init__(self, least: int, most: int = MOST) -> None:
        """Keep the range."""
        super().__init__(least, most)

    def convert(self, value: Any, param: Parameter | None, ctx: Context | None) -> Any:  # noqa: ANN401 - as in click
        """Refuse what is no plain number."""
        if isinstance(value, str) and not _WHOLE.fullmatch(value):
            self.fail(f"{_shown(value)} is not a valid integer.", param, ctx)
        return super().convert(value, param, ctx)


class Milliseconds(click.FloatRange):
    """A time above zero, and not without end."""

    unit = "milliseconds"

    def __init__(self) -> None:
        """Keep the range."""
        super().__init__(min=0, min_open=True)

    def convert(self, value: Any, param: Parameter | None, ctx: Context | None) -> Any:  # noqa: ANN401 - as in click
        """Refuse NaN, which is in every range, and infinity, which is no limit."""
        if isinstance(value, str) and not value.isascii():
            self.fail(f"{_shown(value)} is not a valid number.", param, ctx)
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{_shown(str(value))} is no number of {self.unit}.", param, ctx)
        return number


class Seconds(Milliseconds):
    """The same, in seconds."""

    unit = "seconds"


def _shown(value: str) -> str:
    return repr(value if len(value) <= _SHOWN_CHARACTERS else f"{value[:_SHOWN_CHARACTERS]}...")
