#!/usr/bin/env python3
"""Prints what pyproject.toml requires, one requirement a line, for `pip install --requirement`.

python scripts/list_requirements.py [EXTRA... | --build]

With --build it is what building the package needs.
"""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

BUILD_TOOLS = ["cmake>=3.20", "ninja"]
"""What the build system would fetch besides, where the machine has none."""

PROJECT = Path(__file__).resolve().parents[1] / "pyproject.toml"


def requirements(extras: list[str]) -> list[str]:
    """What the package requires, and what some of its extras add."""
    project = tomllib.loads(PROJECT.read_text())["project"]
    added = [one for extra in extras for one in project["optional-dependencies"][extra]]
    return [*project["dependencies"], *added]


def build_requirements() -> list[str]:
    """What pip puts into the environment of an isolated build."""
    return [*tomllib.loads(PROJECT.read_text())["build-system"]["requires"], *BUILD_TOOLS]


if __name__ == "__main__":
    is_build = sys.argv[1:] == ["--build"]
    print("\n".join(build_requirements() if is_build else requirements(sys.argv[1:])))
