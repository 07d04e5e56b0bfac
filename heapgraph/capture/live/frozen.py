"""The memory of a target at one moment: a clone of it, or a copy of what it can write to."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from functools import cached_property
from typing import TYPE_CHECKING, Literal, TypeAlias

from heapgraph.capture.live.freeze_helper import HelperEnded
from heapgraph.capture.live.twin import thread_pointer_of, twin_of_process
from heapgraph.capture.process.budget import budget_of_copy, budget_of_process
from heapgraph.capture.process.maps import is_anonymous, read_maps, with_sizes
from heapgraph.capture.process.memory import ProcessMemory
from heapgraph.capture.process.pieces import CoreMemory
from heapgraph.capture.process.residency import anonymous_residency

if TYPE_CHECKING:
    from collections.abc import Sequence

    from heapgraph.capture.cpython.root_set import RootSet
    from heapgraph.capture.live.freeze_helper import FreezeHelper
    from heapgraph.capture.live.memory_copy import MemoryCopy
    from heapgraph.capture.live.twin import Twin
    from heapgraph.capture.process.maps import Mapping
    from heapgraph.capture.process.memory import PagedMemory
    from heapgraph.capture.process.residency import Residency
    from heapgraph.native.file_pieces import FilePiece
    from heapgraph.native.walk_budget import WalkBudget

FreezeMethod: TypeAlias = Literal["idle", "precopy", "clone", "pause"]


class Frozen(ABC):
    """What is read of a target; it stands still until `release`, while the target runs on.

    Attributes:
        method: how it was made.
        pause_s: seconds for which the target, or one thread of it, stood.
        notes: sentences for the user.
        passed_over: the gentler methods that were not taken, and why; in the order of trying.
        helper: the helper that holds the target or its clone.
    """

    def __init__(self, method: FreezeMethod, helper: FreezeHelper, pause_s: float) -> None:
        """Take over what the helper holds; use `freeze.freeze` instead."""
        self.method = method
        self.pause_s = pause_s
        self.notes: list[str] = []
        self.passed_over: dict[str, str] = {}
        self.helper = helper

    @property
    @abstractmethod
    def maps(self) -> list[Mapping]:
        """Its mappings, with sizes, in address order."""

    @property
    @abstractmethod
    def residency(self) -> Residency:
        """Which of its private anonymous pages were in memory."""

    @property
    @abstractmethod
    def source(self) -> int | Sequence[FilePiece]:
        """Where the walker reads: a process, or pieces of files."""

    @property
    @abstractmethod
    def budget(self) -> WalkBudget:
        """What a walk of it may cost."""

    @abstractmethod
    def open_memory(self) -> PagedMemory:
        """Small reads of it; to be closed by the caller."""

    @abstractmethod
    def release(self) -> None:
        """Give it back; again has no effect. Nothing can be read any more."""


class FrozenClone(Frozen):
    """A clone of the target that never runs.

    Args:
        helper: holds the clone.
        target: pid of the target.
        pid: of the clone.
        pause_s: seconds for which a thread of the target stood.
        before: mappings of the target from just before, with sizes.
    """

    def __init__(
        self,
        helper: FreezeHelper,
        target: int,
        pid: int,
        pause_s: float,
        before: Sequence[Mapping],
    ) -> None:
        """Take over the clone that the helper holds."""
        super().__init__("clone", helper, pause_s)
        self._target = target
        self._pid = pid
        self._before = before
        self._is_held = True

    @cached_property
    def _own_maps(self) -> list[Mapping]:
        return read_maps(self._pid)

    @cached_property
    def maps(self) -> list[Mapping]:
        """Its mappings; the sizes of those of files are the target's.

        A clone has no pages of files before it touches them.
        """
        return with_sizes(self._own_maps, self._before, is_anonymous)

    @cached_property
    def residency(self) -> Residency:
        """Which of its private anonymous pages are in memory."""
        return anonymous_residency(self._pid, self._own_maps)

    @property
    def source(self) -> int:
        """The clone."""
        return self._pid

    @property
    def budget(self) -> WalkBudget:
        """What a walk of it may cost, by the pages that the clone has."""
        return budget_of_process(self._pid, self.maps)

    @property
    def code_pid(self) -> int:
        """The clone: the process that traverse functions can run in."""
        return self._pid

    def open_memory(self) -> ProcessMemory:
        """Small reads of the clone."""
        return ProcessMemory(self._pid, clone_of=self._target)

    def release(self) -> None:
        """End the clone. One thread of the target may stand once more, for less than 1 ms."""
        if not self._is_held:
            return
        self._is_held = False
        try:
            _, state = self.helper.release()
        except HelperEnded:
            self.notes.append("the freeze helper was killed; the clone ended with it")
            return
        if state == "zombie":
            self.notes.append("an ended clone stays in the process table until the target ends")


class FrozenCopy(Frozen):
    """A copy of what the target can write to.

    The rest is read from the target when it is needed: it cannot have been changed.

    Args:
        method: how it was made sure that the copy is of one moment.
        pid: the target.
        helper: for a process that traverse functions can run in.
        pause_s: seconds for which the target stood.
        copy: the memory; closed by `release`.
        memory: descriptor of `/proc/PID/mem` of the target; closed by `release`.
        maps: of the target at that moment, with sizes.
        residency: of the target at that moment.
    """

    def __init__(
        self,
        method: FreezeMethod,
        helper: FreezeHelper,
        pause_s: float,
        *,
        pid: int,
        copy: MemoryCopy,
        memory: int,
        maps: list[Mapping],
        residency: Residency,
    ) -> None:
        """Take over the copy."""
        super().__init__(method, helper, pause_s)
        self._pid = pid
        self._copy = copy
        self._memory = memory
        self._maps = maps
        self._residency = residency
        copy.stop_copying()
        self._pieces = copy.pieces(memory)

    @property
    def maps(self) -> list[Mapping]:
        """The mappings of the target."""
        return self._maps

    @property
    def residency(self) -> Residency:
        """Which private anonymous pages of the target were in memory."""
        return self._residency

    @property
    def source(self) -> list[FilePiece]:
        """The copy, and the target for the rest."""
        return self._pieces

    @property
    def budget(self) -> WalkBudget:
        """What a walk of it may cost, by what was copied."""
        copied = [(piece.start, piece.end) for piece in self._copy.pieces()]
        return budget_of_copy(copied, self._maps)

    def make_twin(self, named: RootSet) -> Twin:
        """A process of our own with the same memory, in which traverse functions can run.

        Args:
            named: the roots, of whose threads one lends its thread-local data.

        Raises:
            HelperFailure: there can be none, see `Twin`.
        """
        pointer = thread_pointer_of(named)
        return twin_of_process(self._pid, self._copy.pieces(), self._maps, pointer)

    def open_memory(self) -> CoreMemory:
        """Small reads of the copy."""
        return CoreMemory(self._pieces)

    def release(self) -> None:
        """Give the memory back."""
        self._copy.close()
        if self._memory >= 0:
            os.close(self._memory)
            self._memory = -1
