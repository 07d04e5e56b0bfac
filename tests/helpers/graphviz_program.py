"""Whether Graphviz can lay a drawing out here."""

from __future__ import annotations

import os
import shutil

import pytest

needs_dot = pytest.mark.skipif(
    shutil.which("dot") is None and "CI" not in os.environ, reason="Graphviz is not installed"
)
