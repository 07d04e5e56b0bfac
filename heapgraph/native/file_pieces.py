"""Memory that lies in files: a core file, and the binaries of what the core leaves out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

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


def piece_rows(pieces: Sequence[FilePiece]) -> Array:
    """The pieces as the compiled walker takes them: uint64[pieces, 5]."""
    rows = [
        (piece.start, piece.size, piece.descriptor, piece.offset, piece.in_file) for piece in pieces
    ]
    return np.array(rows, dtype=np.uint64).reshape(len(rows), 5)
