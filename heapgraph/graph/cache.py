"""Derived arrays (dominators, paths, reverse references) kept between runs as memory-mapped files.

    <user cache folder>/heapgraph/<identity of the file>/<name>.v<kernel version>.npy

A file is an ordinary .npy file with a checksum behind it: a disk that ran full or lost power leaves
files of the right length that are wrong inside.

HEAPGRAPH_CACHE names another folder; without it and without a home folder nothing is kept. Nothing
depends on the cache: it may be deleted at any time, and what is missing, damaged, unreadable or of
a wrong length is computed again. It is trusted, though: so nothing is read or written where
another user could have a hand in it.
"""

from __future__ import annotations

import contextlib
import fcntl
import io
import mmap
import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import platformdirs

from heapgraph.graph.cache_folder import IDENTITY, PART, remove_left_parts, tidy_root
from heapgraph.native.graph_kernels import kernel_version
from heapgraph.private_folder import FolderRefused, is_own_file, open_private, open_within

if TYPE_CHECKING:
    from collections.abc import Mapping

CACHE_VARIABLE = "HEAPGRAPH_CACHE"
"""Environment variable that names the folder of the cache."""

Array = npt.NDArray[Any]

_CHECKSUM_BYTES = 8

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_WRITE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def cache_folder() -> Path | None:
    """The folder that holds one folder per snapshot file; it need not exist.

    None for a user whose home folder does not exist (of a service, or in a container): it is not
    for us to make one.
    """
    if chosen := os.environ.get(CACHE_VARIABLE):
        return Path(chosen)
    if not os.environ.get("XDG_CACHE_HOME", "").strip() and not Path("~").expanduser().is_dir():
        return None
    return platformdirs.user_cache_path("heapgraph")


class ArrayCache:
    """Arrays of one snapshot file, by name.

    Args:
        identity: of the snapshot file, hexadecimal digits. Anything else switches the cache off.

    Attributes:
        refusal: why nothing is kept, once that was found out; "" where nothing was refused.
    """

    def __init__(self, identity: str) -> None:
        """Touch no file until something is asked for."""
        self.refusal = ""
        self._root = cache_folder() if IDENTITY.fullmatch(identity) else None
        self._name = identity

    @property
    def is_off(self) -> bool:
        """Whether nothing is ever kept."""
        return self._root is None

    def load(self, shapes: Mapping[str, tuple[type[np.generic], int]]) -> dict[str, Array] | None:
        """Arrays that belong together, or None unless every one is there and fits.

        Args:
            shapes: dtype and length by name.

        Returns:
            Read-only memory-mapped arrays by name.
        """
        folder = self._open(create=False)
        if folder is None:
            return None
        found: dict[str, Array] = {}
        try:
            for name, (dtype, length) in shapes.items():
                array = _map_whole(folder, _file(name), np.dtype(dtype), length)
                if array is None:
                    return None
                found[name] = array
        finally:
            os.close(folder)
        return found

    def store(self, arrays: Mapping[str, Array]) -> None:
        """Keep arrays for the next run; does nothing where that is not possible."""
        folder = self._open(create=True)
        if folder is None:
            return
        try:
            with contextlib.suppress(OSError):
                remove_left_parts(folder)
                for name, array in arrays.items():
                    _write_whole(folder, _file(name), array)
        finally:
            os.close(folder)

    def _open(self, *, create: bool) -> int | None:
        """The descriptor of the snapshot's folder; None where there is none or it is refused."""
        if self._root is None or self.refusal:
            return None
        try:
            root = open_private(self._root, create=create)
            try:
                folder = open_within(root, self._name, create=create)
                if create:
                    tidy_root(root, str(self._root))
                return folder
            finally:
                os.close(root)
        except FolderRefused as refused:
            self.refusal = str(refused)
        except OSError:
            pass
        return None


def _file(name: str) -> str:
    return f"{name}.v{kernel_version()}.npy"


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


def _map_whole(folder: int, name: str, dtype: np.dtype[Any], length: int) -> Array | None:
    """Map a file into memory, or None unless it is exactly what `_write_whole` wrote."""
    header = _header(dtype, length)
    end = len(header) + dtype.itemsize * length
    try:
        with os.fdopen(os.open(name, _READ, dir_fd=folder), "rb") as stream:
            size = os.fstat(stream.fileno()).st_size
            if not is_own_file(stream.fileno()) or size != end + _CHECKSUM_BYTES:
                return None
            if stream.read(len(header)) != header:
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


def _write_whole(folder: int, name: str, array: Array) -> None:
    """Write under a temporary name and rename, so that no reader meets half a file."""
    temporary = f"{name}{secrets.token_hex(8)}{PART}"
    descriptor = os.open(temporary, _WRITE, 0o600, dir_fd=folder)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            with contextlib.suppress(OSError):  # a file system without locks
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            stream.write(_header(array.dtype, len(array)))
            stream.write(np.ascontiguousarray(array).data)
            stream.write(_checksum(array))
            stream.flush()
            os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary, dir_fd=folder)
        raise
