"""Packages that some targets need, and some machines lack."""

from __future__ import annotations

import importlib.util
import os
from typing import TYPE_CHECKING

import pytest

from helpers.interpreters import Interpreter, fetched_folder, find_python, is_exhaustive

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from _pytest.mark.structures import ParameterSet

APPLICATION = ("aiohttp", "lxml", "pandas", "pydantic", "sqlalchemy", "uvloop")
"""The extra `application` of pyproject.toml, by import name."""


PACKAGE_MINORS = (9, 11, 12, 13, 14)
"""The CPythons, 3.x, for which `scripts/fetch_packages.py` brings extension packages."""


def fetched_packages(minor: int) -> Path:
    """The folder of the packages fetched for CPython 3.`minor`, for its PYTHONPATH."""
    return fetched_folder() / "packages" / f"3.{minor}"


def with_packages(folder: Path) -> dict[str, str]:
    """Variables of a target that has the packages in a folder, whose byte code it may keep there.

    To compile them takes seconds, and is done once even where tests are told to write none.
    """
    return {"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": ""}


EACH_SHAPE = (9, 12, 14)
"""Of these one for each shape of attributes: dicts, values beside the instance and inside of it."""


def wanted_minors() -> tuple[int, ...]:
    """Those that tests use: one for each shape of attributes, or all in the long form."""
    return PACKAGE_MINORS if is_exhaustive() else EACH_SHAPE


def each_with_packages(minors: Sequence[int] = EACH_SHAPE) -> list[ParameterSet]:
    """Parameters of a test: (Interpreter, folder of its packages).

    Without them it skips, except in CI. With HEAPGRAPH_EXHAUSTIVE=1 `minors` is all of them.
    """
    parameters = []
    for minor in PACKAGE_MINORS if is_exhaustive() else minors:
        interpreter = Interpreter(f"py3.{minor}", (3, minor), find_python(minor))
        folder = fetched_packages(minor)
        missing = interpreter.is_missing or not folder.exists()
        reason = f"no {folder.name} with packages: scripts/fetch_packages.py fetches them"
        marks = [pytest.mark.skip(reason=reason)] if missing and not os.environ.get("CI") else []
        parameters.append(pytest.param(interpreter, folder, id=interpreter.name, marks=marks))
    return parameters


def needs_packages(names: Sequence[str] = APPLICATION) -> pytest.MarkDecorator:
    """Skip a test, with the reason, where a package is missing; in CI it runs and fails."""
    missing = [name for name in names if importlib.util.find_spec(name) is None]
    return pytest.mark.skipif(
        bool(missing) and not os.environ.get("CI"),
        reason=f"not installed: {', '.join(missing)}; pip install -e '.[application]'",
    )
