"""What can be typed next: names of tables and columns, and names of files."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path

Completer = Callable[[str], list[str]]
"""Takes a line up to the cursor; returns whole lines that go on from there, in a fixed order."""

SNAPSHOT_SUFFIX = ".heapgraph"
_LAST_WORD = re.compile(r"\w+$")
_LAST_ARGUMENT = re.compile(r"(?:[^\s\\]|\\.)*$")
_ESCAPED = re.compile(r"\\(.)")
_TO_ESCAPE = re.compile(r"([\s'\"\\])")
_MAX_FILES = 1_000


def word_completer(words: Iterable[str]) -> Completer:
    """Completes the last word of a line, in whichever case it was begun."""
    known = sorted(set(words))

    def complete(line: str) -> list[str]:
        match = _LAST_WORD.search(line)
        if match is None:
            return []
        begun = match[0].lower()
        found = [word for word in known if word.lower().startswith(begun) and word != match[0]]
        return [line[: match.start()] + word for word in found]

    return complete


def file_completer(suffix: str = SNAPSHOT_SUFFIX) -> Completer:
    """Completes the last file name of a line: folders and files with this suffix.

    Spaces and quotes in names are escaped as in a shell.
    """

    def complete(line: str) -> list[str]:
        match = _LAST_ARGUMENT.search(line)
        start = match.start() if match else len(line)
        begun = _ESCAPED.sub(r"\1", line[start:])
        folder, name = os.path.split(begun)
        found = []
        for entry in _entries(Path(folder).expanduser() if folder else Path()):
            if not entry.startswith(name) or (entry.startswith(".") and not name):
                continue
            if entry.endswith(("/", suffix)):
                found.append(line[:start] + _TO_ESCAPE.sub(r"\\\1", os.path.join(folder, entry)))  # noqa: PTH118 - a Path would drop the slash at the end
        return sorted(found)

    return complete


def _entries(folder: Path) -> list[str]:
    """Names in a folder, those of folders with a slash; none where it cannot be read."""
    names = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                names.append(f"{entry.name}/" if entry.is_dir() else entry.name)
                if len(names) >= _MAX_FILES:
                    break
    except OSError:
        return []
    return names


def common_beginning(lines: list[str]) -> str:
    """What all of these lines begin with."""
    first, last = min(lines), max(lines)  # what these two share, all between them share
    same = next(
        (at for at, pair in enumerate(zip(first, last, strict=False)) if len(set(pair)) > 1), None
    )
    return first if same is None else first[:same]
