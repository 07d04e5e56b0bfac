"""A process of our own with the memory of the target, for code that must run where no clone is.

A core file has no process, and a target that was read without being cloned must not run anything.
The twin maps what files have of the memory, privately and at the same addresses; it has nothing
else, and its system calls are barred twice (native/freeze/twin/twin.h). It is not the target in one
respect only: it has one thread, with the thread-local data of a thread that is chosen.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Self

import numpy as np

from heapgraph.capture.live.clean_pages import CleanPages
from heapgraph.capture.live.freeze_helper import FreezeHelper, HelperEnded, HelperFailure
from heapgraph.capture.live.twin_memory import PageCopies, twin_ranges
from heapgraph.capture.process.memory import UnreadableMemory
from heapgraph.errors import HeapgraphError
from heapgraph.processor import PROCESSOR

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from types import TracebackType

    from heapgraph.capture.cpython.root_set import RootSet
    from heapgraph.capture.live.twin_memory import TwinRange
    from heapgraph.capture.process.maps import Mapping
    from heapgraph.native.file_pieces import FilePiece


class Twin:
    """The process; a context manager, and what `CloneTraversal` needs of a frozen one.

    Args:
        pieces: what files have of the memory, sorted by address and disjoint; they may be closed
            when this has returned.
        maps: the mappings of the target.
        thread_pointer: see `thread_pointer_of`.

    Attributes:
        helper: its parent, which runs code in it.
        code_pid: its own pid.

    Raises:
        HelperFailure: it cannot be made here: the code "twin" and why.

    Cost: 5 ms and some 20 us per mapping; memory only for pages that code then writes to, and for
        the copies that `twin_ranges` makes.
    """

    def __init__(
        self, pieces: Iterable[FilePiece], maps: Sequence[Mapping], thread_pointer: int
    ) -> None:
        """Make it; nothing runs in it yet."""
        copies = PageCopies()
        try:
            ranges = twin_ranges(pieces, maps, copies)
            self.helper, self.code_pid = _make(ranges, thread_pointer)
        except OSError as error:
            text = "its memory cannot be prepared"
            raise HelperFailure("twin", error.errno or 0, text) from error
        except HelperEnded as error:
            raise HelperFailure("twin", 0, "the helper ended") from error
        except HeapgraphError as error:
            raise HelperFailure("twin", 0, error.what) from error
        finally:
            copies.close()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End it; when this returns, its memory is given back."""
        self.helper.__exit__(kind, error, trace)


def twin_of_process(
    pid: int, copied: Sequence[FilePiece], maps: Sequence[Mapping], thread_pointer: int
) -> Twin:
    """Make a twin of a process that runs, from a copy of what it can write to.

    Args:
        pid: the process; nothing is done to it.
        copied: its writable memory at one moment, sorted by address and disjoint.
        maps: its mappings at that moment.
        thread_pointer: see `thread_pointer_of`.

    Raises:
        HelperFailure: there can be none, see `Twin` and `CleanPages`, or the process has ended.

    Cost: as `CleanPages` and `Twin`.
    """
    try:
        with CleanPages(pid, maps, [(piece.start, piece.end) for piece in copied]) as clean:
            pieces = sorted([*copied, *clean.pieces], key=lambda piece: piece.start)
            return Twin(pieces, maps, thread_pointer)
    except OSError as error:
        text = f"the code of process {pid} cannot be read"
        raise HelperFailure("twin", error.errno or 0, text) from error
    except UnreadableMemory as error:
        raise HelperFailure("twin", 0, str(error)) from error


def thread_pointer_of(named: RootSet, otherwise: int = 0) -> int:
    """Choose the thread whose thread-local data the twin has.

    The one that holds the interpreter's lock, since up to 3.12 some traverse functions ask for the
    running thread; else `otherwise`; else the first one.

    Args:
        named: the roots; a thread's id is its thread pointer (pthread_self of glibc and musl).
        otherwise: what the registers of the thread say that ran last, 0 when it is unknown.
    """
    holders = [row["thread_id"] for row in named.threads if row["holds_gil"]]
    all_ids = [row["thread_id"] for row in named.threads]
    for candidate in (*holders[:1], otherwise, *all_ids[:1]):
        if 0 < candidate < PROCESSOR.end_of_user_space:
            return int(candidate)
    return 0


def _make(ranges: Sequence[TwinRange], thread_pointer: int) -> tuple[FreezeHelper, int]:
    table = os.memfd_create("heapgraph-table", os.MFD_CLOEXEC)
    try:
        rows = np.array([part.row() for part in ranges], dtype=np.uint64)
        with os.fdopen(table, "wb", closefd=False) as stream:
            stream.write(rows.tobytes())
        files = {part.descriptor for part in ranges if part.in_file}
        helper = FreezeHelper(descriptors=sorted({*files, table}))
    finally:
        os.close(table)
    try:
        return helper, helper.make_twin(table, thread_pointer)
    except BaseException:
        helper.__exit__(None, None, None)
        raise
