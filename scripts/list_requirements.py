#!/usr/bin/env python3
"""Prints what pyproject.toml requires, one requirement a line, for `pip install --requirement`.

python scripts/list_requirements.py [EXTRA...]
"""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1] / "pyproject.toml"


def requirements(extras: list[str]) -> list[str]:
    """What the package requires, and what some of its extras add."""
    project = tomllib.loads(PROJECT.read_text())["project"]
    added = [one for extra in extras for one in project["optional-dependencies"][extra]]
    return [*project["dependencies"], *added]


if __name__ == "__main__":
    print("\n".join(requirements(sys.argv[1:])))
