"""Verdicts, of large snapshots kept between runs: what is largest is shown again and again."""

from __future__ import annotations

import json
from dataclasses import astuple
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from heapgraph.analysis.ages.verdict import Growth
from heapgraph.graph.kept_columns import KEPT_ROWS

if TYPE_CHECKING:
    from heapgraph.graph.cache import ArrayCache

_BYTES = 1 << 16
"""Of the first verdicts of a snapshot as text, some 300 of them; others are judged in each run."""


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

    def get(self, object_id: int) -> Growth | None:
        """What was said of a container; None for nothing."""
        return self._all().get(object_id)

    def add(self, object_id: int, growth: Growth) -> None:
        """Remember a verdict."""
        known = self._all()
        known[object_id] = growth
        if self._disk is None:
            return
        text = json.dumps({key: astuple(one) for key, one in known.items()}).encode()
        if len(text) <= _BYTES:
            self._disk.store({_name(): np.frombuffer(text.ljust(_BYTES), np.uint8)})
        else:
            self._disk = None

    def _all(self) -> dict[int, Growth]:
        if self._known is None:
            self._known = {}
            kept = self._disk and self._disk.load({_name(): (np.uint8, _BYTES)})
            if kept:
                texts = json.loads(kept[_name()].tobytes())
                self._known = {int(key): Growth(*parts) for key, parts in texts.items()}
        return self._known


@cache
def _name() -> str:
    """Of the file: other rules say other things, so that it has a part of their digest."""
    digest = sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return f"growth-{digest.hexdigest()[:16]}"
