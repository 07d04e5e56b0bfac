"""Reads pprof profiles with code that we did not write: what two profilers' own clients use."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from helpers.interpreters import fetched_folder

_PROGRAM = Path(__file__).with_name("read_profile.js")
_FOLDER = fetched_folder() / "npm"

needs_client_package = pytest.mark.skipif(
    not (shutil.which("node") and (_FOLDER / "node_modules/pprof-format").is_dir())
    and "CI" not in os.environ,
    reason=f"no pprof-format: npm install --prefix {_FOLDER} pprof-format@2",
)


def read_by_client(profile: Path) -> dict[str, Any]:
    """Sample types, and bytes by name, as the package reads them."""
    done = subprocess.run(
        ["node", str(_PROGRAM), str(_FOLDER.resolve()), str(profile)],
        check=True,
        capture_output=True,
    )
    document: dict[str, Any] = json.loads(done.stdout)
    return document
