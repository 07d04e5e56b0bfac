"""The values of a metric over a window of time, in constant memory: mean and line of best fit.

A window is 24 parts; of each part only sums are kept, from which mean, slope and residuals follow
as from the values themselves. So a window of a day costs no more than one of a minute, and what is
rounded is only its beginning: it reaches back between 23 and 24 parts.
"""

from __future__ import annotations

import base64
import binascii
import math
from array import array
from dataclasses import dataclass

PARTS = 24
"""Of a window; 7 doubles each, so that a window has 1,344 bytes, and 1.5 kB with its objects."""

_COUNT, _FIRST, _AT, _VALUE, _AT2, _PRODUCT, _VALUE2 = range(7)
_COLUMNS = 7
_DOUBLES = PARTS * _COLUMNS

FILLED_SHARE = 0.7
"""The oldest value must be so much of the window old. Of a window of four looks it is 3/4."""

LEAST_VALUES = 3
_MOST_VALUES = 2**40


@dataclass(frozen=True, slots=True)
class Fit:
    """What a window says.

    Attributes:
        count: values in it.
        first_at: moment of the oldest.
        mean_at, mean: of moments and values.
        at_squares, products, value_squares: sums of squares and products of what differs from the
            means.
    """

    count: int
    first_at: float
    mean_at: float
    mean: float
    at_squares: float
    products: float
    value_squares: float

    @property
    def slope(self) -> float:
        """Per second, by least squares; 0 where all values are of one moment."""
        return self.products / self.at_squares if self.at_squares > 0 else 0.0

    @property
    def determination(self) -> float:
        """Share of the values' variance that the line explains, 0..1; 0 where they do not vary."""
        if self.at_squares <= 0 or self.value_squares <= 0:
            return 0.0
        return min(1.0, self.products * self.products / (self.at_squares * self.value_squares))

    def value_at(self, moment: float) -> float:
        """What the line says of a moment."""
        return self.mean + self.slope * (moment - self.mean_at)

    def is_filled(self, at: float, window_s: float, look_s: float) -> bool:
        """Whether there is enough of the window to judge by.

        The oldest value has to be 70 % of the window old, and half of the looks need a value.

        Args:
            at: now.
            window_s: length of the window.
            look_s: time between two looks.
        """
        needed = max(LEAST_VALUES, 0.5 * window_s / look_s)
        return self.count >= needed and at - self.first_at >= FILLED_SHARE * window_s


class Window:
    """The values of the last so many seconds.

    Args:
        window_s: length in seconds.

    Cost: 1.5 kB whatever its length; `add` 1 us, `fit` 10 us.
    """

    __slots__ = ("_newest", "_sums", "window_s")

    def __init__(self, window_s: float) -> None:
        """Begin empty."""
        self.window_s = window_s
        self._newest: int | None = None
        self._sums = array("d", [0.0]) * _DOUBLES

    def add(self, at: float, value: float) -> None:
        """Take a value in. One that is older than the window is left out."""
        part = self._part_of(at)
        if self._newest is None:
            self._newest = part
        elif part > self._newest:
            for passed in range(max(self._newest + 1, part - PARTS + 1), part + 1):
                self._clear(passed)
            self._newest = part
        elif part <= self._newest - PARTS:
            return
        sums, base = self._sums, (part % PARTS) * _COLUMNS
        count = sums[base + _COUNT] + 1
        if count == 1:
            sums[base + _FIRST] = at
        late, above = at - sums[base + _AT], value - sums[base + _VALUE]
        share = (count - 1) / count
        sums[base + _COUNT] = count
        sums[base + _FIRST] = min(sums[base + _FIRST], at)
        sums[base + _AT] += late / count
        sums[base + _VALUE] += above / count
        sums[base + _AT2] += late * late * share
        sums[base + _PRODUCT] += late * above * share
        sums[base + _VALUE2] += above * above * share

    def fit(self, at: float) -> Fit | None:
        """What the values say at a moment; None when there are none."""
        if self._newest is None:
            return None
        oldest = max(self._part_of(at) - PARTS, self._newest - PARTS) + 1
        count = at_squares = products = value_squares = 0.0
        first_at, mean_at, mean = math.inf, 0.0, 0.0
        sums = self._sums
        for part in range(oldest, self._newest + 1):
            base = (part % PARTS) * _COLUMNS
            more = sums[base + _COUNT]
            if not more:
                continue
            late, above = sums[base + _AT] - mean_at, sums[base + _VALUE] - mean
            total = count + more
            weight = count * more / total
            at_squares += sums[base + _AT2] + late * late * weight
            products += sums[base + _PRODUCT] + late * above * weight
            value_squares += sums[base + _VALUE2] + above * above * weight
            mean_at += late * more / total
            mean += above * more / total
            first_at = min(first_at, sums[base + _FIRST])
            count = total
        if not count:
            return None
        return Fit(int(count), first_at, mean_at, mean, at_squares, products, value_squares)

    def saved(self) -> str:
        """Text from which `restored` makes the same window."""
        newest = "" if self._newest is None else str(self._newest)
        return f"{newest}:{base64.b64encode(self._sums.tobytes()).decode('ascii')}"

    @classmethod
    def restored(cls, window_s: float, text: str, now: float) -> Window:
        """The window of `saved`.

        Args:
            window_s: its length, which must be the same.
            text: of `saved`.
            now: nothing in it is later.

        Raises:
            ValueError: the text is no window, or of a later moment.
        """
        window = cls(window_s)
        newest, _, encoded = text.partition(":")
        try:
            content = base64.b64decode(encoded, validate=True)
        except binascii.Error as error:
            raise ValueError("no base64") from error
        if len(content) != 8 * _DOUBLES:
            raise ValueError("another length")
        window._sums[:] = array("d", content)
        if not all(map(math.isfinite, window._sums)):
            raise ValueError("a number that is none")
        if not all(0 <= count <= _MOST_VALUES for count in window._sums[::_COLUMNS]):
            raise ValueError("a count that cannot be")
        window._newest = int(newest) if newest else None
        if window._newest is not None and window._newest > window._part_of(now):
            raise ValueError("values of a later moment")
        return window

    def _part_of(self, at: float) -> int:
        return math.floor(at * PARTS / self.window_s)

    def _clear(self, part: int) -> None:
        base = (part % PARTS) * _COLUMNS
        for column in range(base, base + _COLUMNS):
            self._sums[column] = 0.0
