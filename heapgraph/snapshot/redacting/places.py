"""What stays of the places of code in a redacted snapshot: whose it is, function, line; no path.

The folders go: they name users, customers and machines. The last part of a path stays where a
programmer wrote it, as the names of functions do; of an installed file so does what is below the
folder of the library, which is the same on every machine.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from heapgraph.safe_text import begun
from heapgraph.source_files import path_in_library

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    Hasher = Callable[[str], str]

_NOT_A_PATH = re.compile(r"<(?:string|stdin|frozen [\w.]+)>")
_SOURCE_FILE = re.compile(r"[^\W\d]\w*\.py")
_LIBRARY_FILE = re.compile(r"(?:[\w-]+/)*[\w-]+(?:\.[\w-]+)*\.(?:py|pyc|so)")

_PREVIEW_CHARACTERS = 80


def redacted_file(path: str, hasher: Hasher) -> str:
    """What is shown of the path of a source file.

    Args:
        path: as code, a frame or a module says it; "" for none.
        hasher: makes the stand-in of a text that a programmer need not have written.
    """
    if not path or _NOT_A_PATH.fullmatch(path):
        return path
    below = path_in_library(path)
    if below and _LIBRARY_FILE.fullmatch(below):
        return below
    last = path.rpartition("/")[2]
    return last if _SOURCE_FILE.fullmatch(last) else hasher(path)


def redacted_files(paths: Sequence[str], hasher: Hasher) -> list[str]:
    """`redacted_file` of many paths, of which most are equal. Cost: 0.1 us each."""
    shown = {path: redacted_file(path, hasher) for path in set(paths)}
    return [shown[path] for path in paths]


def code_previews(codes: Mapping[str, Sequence[str] | Sequence[int]]) -> list[str]:
    """The previews of code objects that say no more than their redacted rows do.

    Args:
        codes: columns of the table `codes`, redacted.
    """
    functions, files = (
        [begun(str(text), _PREVIEW_CHARACTERS) for text in codes[name]]
        for name in ("function", "file")
    )
    places = zip(functions, files, codes["line"], strict=True)
    return [f"{function} ({file}:{line})" for function, file, line in places]
