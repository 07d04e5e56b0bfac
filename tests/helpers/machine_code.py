"""Traverse functions written in machine code of x86_64, and a memory to run them on in a twin.

    image = BuiltImage([VISITS_ITSELF, calls(SYS_EXIT_GROUP, 0)])
    with image.twin() as twin: ...

A function is called with the object in rdi, the visit function in rsi, and in rdx what it takes as
its second argument: the control block of the stub.
"""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING

import numpy as np

from heapgraph.capture.live.twin import Twin
from heapgraph.capture.process.maps import Mapping
from heapgraph.native.file_pieces import FilePiece

if TYPE_CHECKING:
    from collections.abc import Sequence

PAGE = 4096
CODE, DATA, TEXTS = 0x5500_0000_0000, 0x7F10_0000_0000, 0x7F20_0000_0000
"""Where the image has code, objects of 64 bytes that may be written, and constant text."""

_SLOT = 256  # bytes of code per function
_OBJECT = 64
_OBJECT_PAGES = 512

RETURN = b"\x31\xc0\xc3"  # xor eax, eax; ret
VISITS_ITSELF = b"\x48\x89\xf0\x48\x89\xd6\xff\xd0\x31\xc0\xc3"
"""mov rax, rsi; mov rsi, rdx; call rax; return 0 (the stack is aligned for what is called)."""


def load(register: str, value: int) -> bytes:
    """Movabs of a constant."""
    opcodes = {"rax": b"\x48\xb8", "rcx": b"\x48\xb9", "rdx": b"\x48\xba", "rbx": b"\x48\xbb"}
    opcodes |= {"rsi": b"\x48\xbe", "rdi": b"\x48\xbf"}
    return opcodes[register] + struct.pack("<Q", value % 2**64)


def calls(number: int, *arguments: int) -> bytes:
    """Make a system call, then return as if nothing was."""
    registers = zip(("rdi", "rsi", "rdx"), arguments, strict=False)
    loads = b"".join(load(register, value) for register, value in registers)
    return loads + load("rax", number) + b"\x0f\x05" + RETURN


def calls_as_32_bit(number: int, *arguments: int) -> bytes:
    """The same by int 0x80, with the numbers of 32-bit programs."""
    registers = zip(("rbx", "rcx", "rdx"), arguments, strict=False)
    loads = b"".join(load(register, value) for register, value in registers)
    return b"\x53" + loads + load("rax", number) + b"\xcd\x80\x5b" + RETURN


def jumps_to(address: int, rax: int = 0, rdi: int = 0) -> bytes:
    """Call code at an address, a system call number in rax."""
    return load("rcx", address) + load("rdi", rdi) + load("rax", rax) + b"\xff\xd1" + RETURN


class BuiltImage:
    """Memory made of files, as of a core file: functions, objects and a text.

    Args:
        functions: machine code of each.
        text: bytes at TEXTS, ended by a zero.
        code_permissions: of the memory with the functions.

    Attributes:
        pieces, maps: as `Twin` takes them.
    """

    def __init__(
        self, functions: Sequence[bytes], text: bytes = b"", code_permissions: str = "r-xp"
    ) -> None:
        """Write the files."""
        self._files = [os.memfd_create(name) for name in ("code", "data", "texts")]
        code = b"".join(function.ljust(_SLOT, b"\xcc") for function in functions)
        sizes = (-(-len(code) // PAGE) * PAGE, _OBJECT_PAGES * PAGE, PAGE)
        for descriptor, size in zip(self._files, sizes, strict=True):
            os.ftruncate(descriptor, size)
        os.pwrite(self._files[0], code, 0)
        os.pwrite(self._files[2], text, 0)
        places = ((CODE, code_permissions), (DATA, "rw-p"), (TEXTS, "r--p"))
        self.pieces, self.maps = [], []
        for (start, permissions), size, file in zip(places, sizes, self._files, strict=True):
            self.pieces.append(FilePiece(start, size, file, 0, size))
            self.maps.append(Mapping(start, start + size, permissions, 0, ""))

    def job(self, number: int, function: int) -> tuple[int, int]:
        """An object and the function that it is given to."""
        return DATA + _OBJECT * number, CODE + _SLOT * function

    def jobs(self, *functions: int) -> np.ndarray:
        """Objects in order, each with a function."""
        rows = [self.job(number, function) for number, function in enumerate(functions)]
        return np.array(rows, dtype=np.uint64).reshape(-1, 2)

    def content(self) -> list[bytes]:
        """What the files have now."""
        return [os.pread(file, os.fstat(file).st_size, 0) for file in self._files]

    def twin(self, thread_pointer: int = 0) -> Twin:
        """Make a twin of it."""
        return Twin(self.pieces, self.maps, thread_pointer)

    def close(self) -> None:
        """Close the files."""
        for descriptor in self._files:
            os.close(descriptor)
