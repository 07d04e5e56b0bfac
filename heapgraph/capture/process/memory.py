"""Reads the memory of another process, page by page, without touching the process."""

from __future__ import annotations

import errno
import os
import struct
from abc import ABC, abstractmethod
from collections import OrderedDict
from typing import TYPE_CHECKING, Protocol, Self

from heapgraph.capture.process.permissions import explain_refusal
from heapgraph.errors import CaptureInterrupted
from heapgraph.processor import PROCESSOR

if TYPE_CHECKING:
    from types import TracebackType

_PAGE = PROCESSOR.page
_CACHED_PAGES = 16_384  # 64 MiB
_LARGE_READ = 64 * _PAGE
_LONGEST_TRANSFER = 1 << 30  # the kernel moves at most 2 GiB - 4 KiB in one call
_END_OF_USER_SPACE = 1 << 63  # pread takes a signed offset


class UnreadableMemory(LookupError):
    """An address that is not mapped, cannot be read, or holds what cannot be true there."""


class Memory(Protocol):
    """A source of bytes by address: a process, or a core file."""

    def read(self, address: int, size: int) -> bytes:
        """Return exactly `size` bytes.

        Raises:
            UnreadableMemory: a part of the range cannot be read.
        """
        ...

    def u64(self, address: int) -> int:
        """Return the unsigned 8-byte number at an address."""
        ...

    def u32(self, address: int) -> int:
        """Return the unsigned 4-byte number at an address."""
        ...

    def i32(self, address: int) -> int:
        """Return the signed 4-byte number at an address."""
        ...

    def u8(self, address: int) -> int:
        """Return the byte at an address."""
        ...

    def cstring(self, address: int, limit: int = 256) -> str:
        """Return the text up to the first NUL, at most `limit` bytes."""
        ...


class PagedMemory(ABC):
    """Memory whose pages are remembered, at most 64 MiB of them; reads of 256 KiB go past them."""

    def __init__(self) -> None:
        """Remember nothing yet."""
        self._pages: OrderedDict[int, bytes] = OrderedDict()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close it."""
        self.close()

    @abstractmethod
    def close(self) -> None:
        """Give the files and the remembered pages back; again has no effect."""

    @abstractmethod
    def _pread(self, address: int, size: int) -> bytes:
        """Read exactly `size` bytes, more than none, or raise UnreadableMemory."""

    def forget(self) -> None:
        """Drop the remembered pages: what is read next is fresh."""
        self._pages.clear()

    def read(self, address: int, size: int) -> bytes:
        """Return exactly `size` bytes; see Memory."""
        if size < 0 or address < 0 or address + size > _END_OF_USER_SPACE:
            raise UnreadableMemory(f"{size} bytes at {address:#x} are not an address range")
        if size == 0:
            return b""
        start = address % _PAGE
        page = self._page(address - start)
        if start + size <= _PAGE:
            return page[start : start + size]
        if size >= _LARGE_READ:
            return self._pread(address, size)
        parts = [page[start:]]
        following = address - start + _PAGE
        end = address + size
        while following < end:
            parts.append(self._page(following)[: end - following])
            following += _PAGE
        return b"".join(parts)

    def u64(self, address: int) -> int:
        """Return the unsigned 8-byte number at an address."""
        number: int = struct.unpack("<Q", self.read(address, 8))[0]
        return number

    def u32(self, address: int) -> int:
        """Return the unsigned 4-byte number at an address."""
        number: int = struct.unpack("<I", self.read(address, 4))[0]
        return number

    def i32(self, address: int) -> int:
        """Return the signed 4-byte number at an address."""
        number: int = struct.unpack("<i", self.read(address, 4))[0]
        return number

    def u8(self, address: int) -> int:
        """Return the byte at an address."""
        return self.read(address, 1)[0]

    def cstring(self, address: int, limit: int = 256) -> str:
        """Return the text up to the first NUL, at most `limit` bytes.

        Bytes that are no UTF-8 are replaced. Pages behind the NUL need not be readable.
        """
        text = bytearray()
        while len(text) < limit:
            position = address + len(text)
            size = min(_PAGE - position % _PAGE, limit - len(text))
            head, nul, _ = self.read(position, size).partition(b"\0")
            text += head
            if nul:
                break
        return text.decode(errors="replace")

    def _page(self, address: int) -> bytes:
        page = self._pages.get(address)
        if page is None:
            page = self._pread(address, _PAGE)
            if len(self._pages) >= _CACHED_PAGES:
                self._pages.popitem(last=False)
            self._pages[address] = page
        return page


class ProcessMemory(PagedMemory):
    """The memory of one process, whose pages are remembered: for a process that stands still.

    Of a process that runs, use a new one (or `forget`) whenever a fresh value matters.

    Args:
        pid: the process to read.
        clone_of: the target, where the process is a clone of it: a user knows no other pid.

    Raises:
        TargetNotFound: there is no such process.
        TargetPermissionDenied: its memory may not be read.

    Cost:
        One system call per page of 4 KiB that is not remembered; at most 64 MiB are remembered.
        Reads of 256 KiB and more go past the cache.
    """

    def __init__(self, pid: int, *, clone_of: int | None = None) -> None:
        """Open the memory of the process; nothing is read yet."""
        super().__init__()
        self.pid = pid
        is_clone = clone_of not in (None, pid)
        self._name = f"the clone of process {clone_of}" if is_clone else f"process {pid}"
        try:
            self._file = os.open(f"/proc/{pid}/mem", os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            if is_clone and isinstance(error, FileNotFoundError | ProcessLookupError):
                raise CaptureInterrupted(
                    f"{self._name} has ended",
                    "the kernel or somebody else killed it, perhaps because memory ran out",
                    "repeat it with more memory free, or with --method pause",
                ) from error
            raise explain_refusal(clone_of or pid, error.errno or errno.EPERM) from error

    def __del__(self) -> None:
        """Close the file when the last reference goes."""
        self.close()

    def close(self) -> None:
        """Give the file and the remembered pages back; again has no effect."""
        descriptor, self._file = getattr(self, "_file", -1), -1
        self.forget()
        if descriptor >= 0:
            os.close(descriptor)

    def _pread(self, address: int, size: int) -> bytes:
        parts: list[bytes] = []
        position, end = address, address + size
        while position < end:
            part = self._pread_once(position, min(end - position, _LONGEST_TRANSFER))
            parts.append(part)
            position += len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _pread_once(self, address: int, size: int) -> bytes:
        if self._file < 0:
            raise UnreadableMemory(f"the memory of {self._name} is closed")
        try:
            part = os.pread(self._file, size, address)
        except OSError as error:
            if error.errno not in (errno.EIO, errno.EFAULT, errno.EINVAL, errno.EOVERFLOW):
                raise
            raise UnreadableMemory(f"{address:#x} of {self._name} is not mapped") from error
        if not part:  # how the kernel reports that the process has ended
            raise UnreadableMemory(f"{self._name} has ended")
        return part
