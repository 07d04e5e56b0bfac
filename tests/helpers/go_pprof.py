"""`go tool pprof`: a reader of profiles that is not ours."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

needs_go = pytest.mark.skipif(
    shutil.which("go") is None and "CI" not in os.environ,
    reason="go tool pprof is not installed: apt-get install golang-go",
)


@dataclass(frozen=True)
class Row:
    """One line of `-top`: bytes of the function itself, with all below it, and its name."""

    flat: int
    cum: int
    name: str


def pprof(*arguments: object, home: Path) -> str:
    """What it prints; it may write below `home` only, and asks no network."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "PPROF_TMPDIR": str(home),
        "GOFLAGS": "-mod=mod",
        "GOPROXY": "off",
        "TZ": "UTC",
    }
    completed = subprocess.run(
        ["go", "tool", "pprof", *map(str, arguments)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert completed.returncode == 0, completed.stderr
    return completed.stdout


def top(*arguments: object, home: Path) -> list[Row]:
    """The rows of `-top`, all of them, in bytes."""
    text = pprof("-top", "-nodecount=100000", "-nodefraction=0", "-unit=B", *arguments, home=home)
    rows = re.findall(r"^ *(-?\d+)B? +\S+ +\S+ +(-?\d+)B? +\S+ +(.*)$", text, re.MULTILINE)
    return [Row(int(flat), int(cum), name) for flat, cum, name in rows]
