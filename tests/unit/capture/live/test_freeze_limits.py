"""How long a freeze takes is predicted from the kernel's own numbers."""

from __future__ import annotations

import pytest

from heapgraph.capture.live.freeze_limits import (
    predict_clone_pause_s,
    predict_copy_pause_s,
    resident_bytes,
)

GIB = 2**30


def test_predictions_grow_with_the_memory() -> None:
    assert predict_clone_pause_s(4 * GIB) == pytest.approx(0.1)
    assert predict_copy_pause_s(GIB) == pytest.approx(0.6)
    assert resident_bytes({"VmRSS": "  2048 kB"}) == 2 * 2**20
    assert resident_bytes({}) == 0
