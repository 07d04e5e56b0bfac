"""Finding and loading the compiled libraries that lie beside the package."""

from __future__ import annotations

import ctypes
import functools
from pathlib import Path

from heapgraph.errors import HeapgraphError

LIBRARY_FOLDER = Path(__file__).resolve().parent / "lib"
"""Where both the wheel and an editable build put the compiled files."""


class NativeLibraryError(HeapgraphError):
    """A compiled library of heapgraph is missing or cannot be loaded here."""


def library_path(name: str) -> Path:
    """The file of one compiled library, whether it exists or not.

    Args:
        name: "graph" or "walker".
    """
    return LIBRARY_FOLDER / f"libheapgraph_{name}.so"


@functools.cache
def load(name: str) -> ctypes.CDLL:
    """Load one compiled library, once per process.

    Args:
        name: "graph" or "walker".

    Returns:
        The library; the caller declares the argument types of the functions it uses.

    Raises:
        NativeLibraryError: the file is missing, or the loader refuses it.
    """
    path = library_path(name)
    if not path.is_file():
        raise NativeLibraryError(
            f"the compiled library {path.name} is not in {path.parent}",
            "heapgraph was installed without its compiled part, or the build was cut short",
            "reinstall it: pip install --force-reinstall heapgraph",
        )
    try:
        return ctypes.CDLL(str(path))
    except OSError as error:
        raise NativeLibraryError(
            f"the compiled library {path} cannot be loaded: {error}",
            "it was built for another architecture or an older C library",
            "rebuild it here: pip install --force-reinstall --no-binary heapgraph heapgraph",
        ) from error
