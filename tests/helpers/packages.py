"""Packages that some targets need, and some machines lack."""

from __future__ import annotations

import importlib.util
import os
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Sequence

APPLICATION = ("aiohttp", "lxml", "pandas", "pydantic", "sqlalchemy", "uvloop")
"""The extra `application` of pyproject.toml, by import name."""


def needs_packages(names: Sequence[str] = APPLICATION) -> pytest.MarkDecorator:
    """Skip a test, with the reason, where a package is missing; in CI it runs and fails."""
    missing = [name for name in names if importlib.util.find_spec(name) is None]
    return pytest.mark.skipif(
        bool(missing) and not os.environ.get("CI"),
        reason=f"not installed: {', '.join(missing)}; pip install -e '.[application]'",
    )
