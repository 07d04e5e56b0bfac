"""Memory as pieces of files: a process's own file, or a core and the binaries it leaves out."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from heapgraph.errors import CaptureInterrupted
from heapgraph.native.walker_structs import PieceOfFile
from heapgraph.processor import PROCESSOR

if TYPE_CHECKING:
    from collections.abc import Sequence

Array: TypeAlias = npt.NDArray[Any]


@dataclass(frozen=True)
class FilePiece:
    """A range of the target's memory that a file has.

    Attributes:
        start: its first address.
        size: bytes of it in memory.
        descriptor: of the open file.
        offset: of its first byte in the file.
        in_file: bytes of it in the file; zeros are behind them.
    """

    start: int
    size: int
    descriptor: int
    offset: int
    in_file: int

    @property
    def end(self) -> int:
        """First address behind it."""
        return self.start + self.size


ADDRESS_SPACE = PROCESSOR.end_of_user_space
"""User space of x86_64, and of aarch64 with 48-bit addresses (there half of it)."""


class ProcessFile:
    """The memory of a process as one piece of `/proc/PID/mem`.

    Raises:
        CaptureInterrupted: the process has ended, or may not be read any more.
    """

    def __init__(self, pid: int) -> None:
        """Open the file."""
        try:
            self._descriptor = os.open(f"/proc/{pid}/mem", os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise CaptureInterrupted(
                f"the memory of process {pid} cannot be read: {error.strerror}",
                "it ended, or its frozen clone was killed",
                "dump it again, while it runs",
            ) from error

    @property
    def piece(self) -> FilePiece:
        """All of it."""
        return FilePiece(0, ADDRESS_SPACE, self._descriptor, 0, ADDRESS_SPACE)

    def close(self) -> None:
        """Close the file, once."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def piece_rows(pieces: Sequence[FilePiece]) -> Array:
    """The pieces as the compiled walker takes them: `PieceOfFile` each."""
    members = [member[0] for member in PieceOfFile._fields_]
    rows = [tuple(getattr(piece, member) for member in members) for piece in pieces]
    return np.array(rows, dtype=np.dtype(PieceOfFile))
