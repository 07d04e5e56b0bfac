"""Tests that give files away, mount, or become another user."""

from __future__ import annotations

import os

import pytest

needs_root = pytest.mark.skipif(
    os.geteuid() != 0 and not os.environ.get("CI"), reason="only root can become another user"
)
"""Skips for other users; in CI the test runs, and fails when it cannot do what it has to."""
