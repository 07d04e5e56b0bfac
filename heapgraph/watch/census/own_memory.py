"""How the child of a census keeps its own memory small while it takes one."""

from __future__ import annotations

import ctypes
import gc
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_TUNABLES = "GLIBC_TUNABLES"
_LARGE_PAGES = "glibc.malloc.hugetlb=1"

_MAPPED_FROM = 1 << 20
_KEPT = 4 << 20
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # malloc.h of glibc


def with_large_pages(environment: Mapping[str, str]) -> dict[str, str]:
    """An environment in which malloc asks the system for large pages, for who takes a census.

    A census needs new memory of 200 MB, most of it in long arrays: in pages of 4 KiB to get them
    takes a tenth of its processor time. malloc reads this when a program starts. Where the C
    library (glibc before 2.35, musl) or the system has no such thing, nothing happens.

    Args:
        environment: of the daemon; what it says of other settings stays.
    """
    said = [part for part in environment.get(_TUNABLES, "").split(":") if part]
    if not any(part.startswith("glibc.malloc.hugetlb=") for part in said):
        said.append(_LARGE_PAGES)
    return {**environment, _TUNABLES: ":".join(said)}


def keep_small() -> None:
    """Have large blocks go back to the system when they are freed; call it before anything is made.

    malloc keeps freed blocks of up to 32 MiB for the next ones, once it has seen such: a third of
    the memory of a census. A few it may keep: to get each back from the system, page by page, would
    take a tenth of the time. And nothing here lives long enough for the collector of cycles.

    Where the C library has no such setting (musl), the memory is larger.
    """
    gc.disable()
    if (set_option := getattr(ctypes.CDLL(None), "mallopt", None)) is not None:
        set_option(_M_MMAP_THRESHOLD, _MAPPED_FROM)
        set_option(_M_TRIM_THRESHOLD, _KEPT)


def give_back() -> None:
    """Give small freed blocks back to the system: those of the walk lie between others."""
    if (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)) is not None:
        trim(ctypes.c_size_t(0))
