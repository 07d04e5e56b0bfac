"""Verdicts, of large snapshots kept between runs: what is largest is shown again and again."""

from __future__ import annotations

import json
from dataclasses import astuple
from functools import cache
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from heapgraph.analysis.ages.verdict import Growth
from heapgraph.graph.kept_columns import KEPT_ROWS

if TYPE_CHECKING:
    from heapgraph.graph.cache import ArrayCache

_MOST = 200
_BYTES = 1 << 17
"""Of so many verdicts as text; those that were asked for first are the largest containers."""


class KeptVerdicts:
    """What was said of the containers of one snapshot.

    Args:
        disk: where they are kept of a large one.
        objects: how large it is.
    """

    def __init__(self, disk: ArrayCache, objects: int) -> None:
        """Read nothing yet."""
        self._disk = disk if objects >= KEPT_ROWS else None
        self._known: dict[int, Growth] | None = None
        self._has_new = False

    def get(self, object_id: int) -> Growth | None:
        """What was said of a container; None for nothing."""
        return self._all().get(object_id)

    def add(self, object_id: int, growth: Growth) -> None:
        """Remember a verdict."""
        self._all()[object_id] = growth
        self._has_new = True

    def write(self) -> None:
        """Put on disk what is new, as far as there is room; for the end of a run."""
        if self._disk is None or not self._has_new:
            return
        first = islice(self._all().items(), _MOST)
        text = json.dumps({key: astuple(growth) for key, growth in first}).encode()
        if len(text) <= _BYTES:
            self._disk.store({_name(): np.frombuffer(text.ljust(_BYTES), np.uint8)})

    def _all(self) -> dict[int, Growth]:
        if self._known is None:
            self._known = {}
            kept = self._disk and self._disk.load({_name(): (np.uint8, _BYTES)})
            if kept:
                texts = json.loads(kept[_name()].tobytes())
                self._known = {int(key): Growth(*parts) for key, parts in texts.items()}
        return self._known


def _name() -> str:
    return f"growth-{rules_digest()}"


@cache
def rules_digest() -> str:
    """A part of the name of what is kept: other rules say other things."""
    digest = sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
