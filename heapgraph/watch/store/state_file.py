"""The daemon's own memory over a restart: one file, written whole."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from heapgraph.watch.store.private_folder import read_private_file, write_private_file

if TYPE_CHECKING:
    from pathlib import Path

NAME = "state.json"
VERSION = 1
_LONGEST = 64 * 2**20


def load_state(folder: Path) -> tuple[dict[str, Any], str]:
    """Read the state.

    Returns:
        It, empty where there is none; and why an existing one cannot be used, else "". Such a file
        is kept under another name.
    """
    path = folder / NAME
    try:
        content = read_private_file(path, _LONGEST)
    except FileNotFoundError:
        return {}, ""
    except OSError as error:
        return {}, f"{path}: {error.strerror}"
    try:
        state = json.loads(content)
        if not isinstance(state, dict) or state.get("version") != VERSION:
            raise ValueError("it is of another version of heapgraph")  # noqa: TRY301
    except (ValueError, RecursionError) as error:
        with suppress(OSError):
            path.rename(path.with_suffix(".unusable"))
        return {}, f"{path} cannot be used ({error}); kept as {NAME.replace('json', 'unusable')}"
    return state, ""


def save_state(folder: Path, state: dict[str, Any]) -> None:
    """Write the state.

    Raises:
        OSError: the disk is full or read-only; the old state is still there.
    """
    write_private_file(folder / NAME, json.dumps({"version": VERSION, **state}).encode())
