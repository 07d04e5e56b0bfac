"""Derived arrays (dominators, paths, reverse references) kept between runs as memory-mapped files.

    <user cache folder>/heapgraph/<snapshot id>/<name>.v<kernel version>.npy

A file is an ordinary .npy file with a checksum behind it: a disk that ran full or lost power leaves
files of the right length that are wrong inside.

HEAPGRAPH_CACHE names another folder; without it and without a home folder nothing is kept. Nothing
depends on the cache: it may be deleted at any time,
and what is missing, damaged, unreadable or of a wrong length is computed again.
"""

from __future__ import annotations

import contextlib
import fcntl
import io
import mmap
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

_CHECKSUM_BYTES = 8
_PART = ".part"
_SNAPSHOT_ID = re.compile(r"[0-9a-f]{8,64}")


def cache_folder() -> Path | None:
    """The folder that holds one folder per snapshot; it need not exist.

    None for a user whose home folder does not exist (of a service, or in a container): it is not
    for us to make one.
    """
    if chosen := os.environ.get(CACHE_VARIABLE):
        return Path(chosen)
    if not os.environ.get("XDG_CACHE_HOME", "").strip() and not Path("~").expanduser().is_dir():
        return None
    return platformdirs.user_cache_path("heapgraph")


class ArrayCache:
    """Arrays of one snapshot, by name.

    Args:
        snapshot_id: random hex of the manifest. Anything else (it comes from a file that may be
            damaged or hostile, and becomes a folder name) switches the cache off.
    """

    def __init__(self, snapshot_id: str) -> None:
        """Touch no file until something is asked for."""
        self._folder: Path | None = None
        root = cache_folder()
        if root is not None and _SNAPSHOT_ID.fullmatch(snapshot_id):
            self._folder = root / snapshot_id

    def load(self, shapes: Mapping[str, tuple[type[np.generic], int]]) -> dict[str, Array] | None:
        """Arrays that belong together, or None unless every one is there and fits.

        Args:
            shapes: dtype and length by name.

        Returns:
            Read-only memory-mapped arrays by name.
        """
        if self._folder is None:
            return None
        found: dict[str, Array] = {}
        for name, (dtype, length) in shapes.items():
            array = _map_whole(self._file(self._folder, name), np.dtype(dtype), length)
            if array is None:
                return None
            found[name] = array
        return found

    def store(self, arrays: Mapping[str, Array]) -> None:
        """Keep arrays for the next run; silently does nothing where that is not possible."""
        if self._folder is None:
            return
        with contextlib.suppress(OSError):
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            _remove_left_parts(self._folder.parent)
            for name, array in arrays.items():
                _write_whole(self._file(self._folder, name), array)

    def _file(self, folder: Path, name: str) -> Path:
        return folder / f"{name}.v{kernel_version()}.npy"


def _header(dtype: np.dtype[Any], length: int) -> bytes:
    """The bytes with which numpy begins the file of a flat array."""
    stream = io.BytesIO()
    fields = {"descr": dtype.str, "fortran_order": False, "shape": (length,)}
    np.lib.format.write_array_header_1_0(stream, fields)
    return stream.getvalue()


def _checksum(array: Array) -> bytes:
    """The complement of the sum of all entries.

    Cheap enough for every load, since it runs at the speed of memory. The complement, because lost
    pages read as zeros, and zeros must not add up to a right checksum.
    """
    total = int(np.add.reduce(array, dtype=np.uint64)) ^ (2**64 - 1)
    return total.to_bytes(_CHECKSUM_BYTES, "little")


def _map_whole(path: Path, dtype: np.dtype[Any], length: int) -> Array | None:
    """Map a file into memory, or None unless it is exactly what `_write_whole` wrote."""
    header = _header(dtype, length)
    end = len(header) + dtype.itemsize * length
    try:
        with path.open("rb") as stream:
            whole = os.fstat(stream.fileno()).st_size == end + _CHECKSUM_BYTES
            if not whole or stream.read(len(header)) != header:
                return None
            stream.seek(end)
            checksum = stream.read(_CHECKSUM_BYTES)
            if length == 0:  # nothing to map
                return np.empty(0, dtype)
            array = np.memmap(stream, dtype, "r", offset=len(header), shape=(length,))
    except (OSError, ValueError):
        return None
    is_whole = _checksum(array) == checksum
    _forget_pages(array)
    return array if is_whole else None


def _forget_pages(array: np.memmap[Any, Any]) -> None:
    """Have only those pages count as resident that are looked at again; most never are."""
    mapping = array._mmap  # type: ignore[attr-defined]  # noqa: SLF001 - numpy has no name for it
    if isinstance(mapping, mmap.mmap):
        mapping.madvise(mmap.MADV_DONTNEED)


def _remove_left_parts(root: Path) -> None:
    """Remove what writers that were ended by a signal have left, of any snapshot.

    A writer that still runs has its file locked.
    """
    for path in root.glob(f"*/*{_PART}"):
        if not _SNAPSHOT_ID.fullmatch(path.parent.name):
            continue
        with contextlib.suppress(OSError):
            handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink()
            finally:
                os.close(handle)


def _write_whole(path: Path, array: Array) -> None:
    """Write under a temporary name and rename, so that no reader meets half a file."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=_PART)
    try:
        with os.fdopen(handle, "wb") as stream:
            with contextlib.suppress(OSError):  # a file system without locks
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            stream.write(_header(array.dtype, len(array)))
            stream.write(np.ascontiguousarray(array).data)
            stream.write(_checksum(array))
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
