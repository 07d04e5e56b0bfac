"""What depends on the processor, as far as Python reads it: one row for each that is supported.

The other half, registers and machine code of the freeze helper, is in native/freeze/arch; sizes
that the walker uses are in native/walker/image/processor.hpp.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Processor:
    """One architecture, as Linux runs programs on it.

    Attributes:
        name: as `uname -m` says it.
        elf_machine: the same in the header of an ELF file.
        page: bytes of the smallest page that it can have.
        end_of_user_space: the first address that no program has.
        status_size: bytes of `struct elf_prstatus` (linux/elfcore.h), the note of a thread in a
            core file.
        status_thread: place of the thread's id in it, u32.
        status_stack: place of its stack pointer, u64.
        status_thread_pointer: place of its thread pointer, u64.
    """

    name: str
    elf_machine: str
    page: int
    end_of_user_space: int
    status_size: int
    status_thread: int
    status_stack: int
    status_thread_pointer: int


_X86_64_REGISTERS = 112  # struct user_regs_struct in it: 27 words, the 20th rsp, the 22nd fs_base

X86_64 = Processor(
    name="x86_64",
    elf_machine="EM_X86_64",
    page=4096,
    end_of_user_space=1 << 47,
    status_size=336,
    status_thread=32,
    status_stack=_X86_64_REGISTERS + 19 * 8,
    status_thread_pointer=_X86_64_REGISTERS + 21 * 8,
)

PROCESSOR = X86_64
"""The one whose processes can be captured; core files come from such a machine too."""
