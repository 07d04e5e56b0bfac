"""Finding and loading the compiled libraries that lie beside the package."""

from __future__ import annotations

import ctypes
import functools
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from heapgraph.errors import HeapgraphError

if TYPE_CHECKING:
    from collections.abc import Mapping

LIBRARY_FOLDER = Path(__file__).resolve().parent / "lib"
"""Where both the wheel and an editable build put the compiled files."""


class NativeLibraryError(HeapgraphError):
    """A compiled library of heapgraph is missing or cannot be loaded here."""


@dataclass(frozen=True)
class Interface:
    """What Python knows of a library's C header; tests compare the two.

    Attributes:
        library: "graph" or "walker".
        header: from the root of the repository.
        version: of the header, as `version_function` must say it of the library.
        functions: type of the result and types of the arguments, by name.
        structs: the structures by their names in C.
    """

    library: str
    header: str
    version_function: str
    version: int
    functions: Mapping[str, tuple[Any, tuple[Any, ...]]]
    structs: Mapping[str, type[ctypes.Structure]]


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


def load_interface(interface: Interface) -> ctypes.CDLL:
    """Load a library whose functions take what Python passes.

    Args:
        interface: of the library.

    Returns:
        The library, the types of its functions declared.

    Raises:
        NativeLibraryError: it is missing, the loader refuses it, or it is of another version.
    """
    library = load(interface.library)
    found = _version_of(library, interface.version_function)
    if found != interface.version:
        told = "no version" if found is None else f"version {found}"
        raise NativeLibraryError(
            f"the compiled library {library_path(interface.library)} has {told} of its interface, "
            f"not version {interface.version}",
            "it was built from other sources than the Python code beside it",
            "rebuild it: pip install --force-reinstall heapgraph, or --editable . in a checkout",
        )
    for name, (result, arguments) in interface.functions.items():
        function = getattr(library, name)
        function.restype = result
        function.argtypes = arguments
    return library


def _version_of(library: ctypes.CDLL, function_name: str) -> int | None:
    """None for a library older than the function."""
    function = getattr(library, function_name, None)
    return None if function is None else int(function())
