"""Numbers on the command line: plain digits, within what the program can count to."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import click

from heapgraph.analysis.declarations.parameters import MOST, is_whole_number, shown_value

if TYPE_CHECKING:
    from click import Context, Parameter


class WholeNumber(click.IntRange):
    """A whole number in ASCII digits."""

    def __init__(self, least: int, most: int = MOST) -> None:
        """Keep the range."""
        super().__init__(least, most)

    def convert(self, value: Any, param: Parameter | None, ctx: Context | None) -> Any:  # noqa: ANN401 - as in click
        """Refuse what is no plain number."""
        if isinstance(value, str) and not is_whole_number(value):
            self.fail(f"{shown_value(value)} is not a valid integer.", param, ctx)
        return super().convert(value, param, ctx)


class _FiniteRange(click.FloatRange):
    """A number of a range that has an end."""

    what = "finite number"

    def convert(self, value: Any, param: Parameter | None, ctx: Context | None) -> Any:  # noqa: ANN401 - as in click
        """Refuse NaN, which is in every range, and infinity, which is no limit."""
        if isinstance(value, str) and not value.isascii():
            self.fail(f"{shown_value(value)} is not a valid number.", param, ctx)
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{shown_value(str(value))} is no {self.what}.", param, ctx)
        return number


class Milliseconds(_FiniteRange):
    """A time above zero, and not without end."""

    what = "number of milliseconds"

    def __init__(self) -> None:
        """Keep the range."""
        super().__init__(min=0, min_open=True)


class Seconds(_FiniteRange):
    """A time of a range.

    Args:
        least, most: of the range.
    """

    what = "number of seconds"

    def __init__(self, least: float, most: float) -> None:
        """Keep the range."""
        super().__init__(least, most)
