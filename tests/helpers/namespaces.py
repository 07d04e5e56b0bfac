"""Targets with a mount and a host name namespace of their own, as a container gives them."""

from __future__ import annotations

import functools
import shlex
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

_LIMIT_S = 20


@functools.cache
def _can_unshare() -> bool:
    """Tell whether this user may make such namespaces here."""
    if shutil.which("unshare") is None or shutil.which("nsenter") is None:
        return False
    command = ["unshare", "-m", "-u", "true"]
    return (
        subprocess.run(command, capture_output=True, timeout=_LIMIT_S, check=False).returncode == 0
    )


def needs_namespaces() -> pytest.MarkDecorator:
    """Skip a test where no namespaces can be made."""
    return pytest.mark.skipif(
        not _can_unshare(), reason="mount namespaces need root, unshare and nsenter"
    )


def python_in_namespace(folder: Path, *commands: str) -> Path:
    """A program that runs Python in new namespaces, after shell commands; keeps its process id.

    Args:
        folder: where to put it.
        commands: for the shell, in the new namespaces, one after another.
    """
    inner = " && ".join([*commands, f'exec {shlex.quote(sys.executable)} "$@"'])
    program = folder / "python-in-namespace"
    outer = f"exec unshare -m -u --propagation private sh -c {shlex.quote(inner)} sh"
    program.write_text(f'#!/bin/sh\n{outer} "$@"\n')
    program.chmod(0o700)
    return program


def run_inside(pid: int, *command: object) -> None:
    """Run a program in the mount namespace of a target."""
    words = ["nsenter", "-t", str(pid), "-m", *map(str, command)]
    subprocess.run(words, check=True, capture_output=True, timeout=_LIMIT_S)
