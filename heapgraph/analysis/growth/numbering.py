"""Numbers in place of what many rows have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray


def number_texts(texts: Iterable[str], known: dict[str, int]) -> NDArray[np.int64]:
    """The number of each text.

    Args:
        texts: k of them.
        known: numbers by text; those of new ones are added.

    Returns:
        int64[k].
    """
    return np.array([known.setdefault(text, len(known)) for text in texts], np.int64)
