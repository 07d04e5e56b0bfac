"""Marks for tests that need a kernel which tells what a process has written."""

from __future__ import annotations

import pytest

from heapgraph.capture.precopy import precopy_refusal

needs_soft_dirty = pytest.mark.skipif(
    bool(precopy_refusal()), reason=f"kernel without soft-dirty pages: {precopy_refusal()}"
)
"""Not even in CI: most kernels made for virtual machines lack them; see scripts/guest/run.py."""
