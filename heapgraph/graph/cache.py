"""Derived arrays (dominators, paths, reverse references) kept between runs as memory-mapped files.

    <user cache folder>/heapgraph/<snapshot id>/<name>.v<kernel version>.npy

HEAPGRAPH_CACHE names another folder. Nothing depends on the cache: it may be deleted at any time,
and what is missing, damaged, unreadable or of a wrong length is computed again.
"""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import platformdirs

from heapgraph.native.graph_kernels import kernel_version

if TYPE_CHECKING:
    from collections.abc import Mapping

CACHE_VARIABLE = "HEAPGRAPH_CACHE"
"""Environment variable that names the folder of the cache."""

Array = npt.NDArray[Any]

_SNAPSHOT_ID = re.compile(r"[0-9a-f]{8,64}")


def cache_folder() -> Path:
    """The folder that holds one folder per snapshot; it need not exist."""
    chosen = os.environ.get(CACHE_VARIABLE)
    return Path(chosen) if chosen else platformdirs.user_cache_path("heapgraph")


class ArrayCache:
    """Arrays of one snapshot, by name.

    Args:
        snapshot_id: random hex of the manifest. Anything else (it comes from a file that may be
            damaged or hostile, and becomes a folder name) switches the cache off.
    """

    def __init__(self, snapshot_id: str) -> None:
        """Touch no file until something is asked for."""
        self._folder: Path | None = None
        if _SNAPSHOT_ID.fullmatch(snapshot_id):
            self._folder = cache_folder() / snapshot_id

    def load(self, shapes: Mapping[str, tuple[type[np.generic], int]]) -> dict[str, Array] | None:
        """Arrays that belong together, or None unless every one is there and fits.

        Args:
            shapes: dtype and length by name.

        Returns:
            Read-only memory-mapped arrays by name.
        """
        found: dict[str, Array] = {}
        for name, (dtype, length) in shapes.items():
            array = self._load_one(name)
            if array is None or array.dtype != np.dtype(dtype) or array.shape != (length,):
                return None
            found[name] = array
        return found

    def store(self, arrays: Mapping[str, Array]) -> None:
        """Keep arrays for the next run; silently does nothing where that is not possible."""
        if self._folder is None:
            return
        with contextlib.suppress(OSError):
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            for name, array in arrays.items():
                _write_whole(self._file(self._folder, name), array)

    def _file(self, folder: Path, name: str) -> Path:
        return folder / f"{name}.v{kernel_version()}.npy"

    def _load_one(self, name: str) -> Array | None:
        if self._folder is None:
            return None
        try:
            array: Array = np.load(self._file(self._folder, name), mmap_mode="r")
        except (OSError, ValueError, EOFError, SyntaxError):  # SyntaxError: damaged array header
            return None
        return array


def _write_whole(path: Path, array: Array) -> None:
    """Write under a temporary name and rename, so that no reader meets half a file."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".part")
    try:
        with os.fdopen(handle, "wb") as stream:
            np.save(stream, array, allow_pickle=False)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
