"""The roots as they are handed on: parallel lists, and the threads and frames they refer to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from heapgraph.model import NO_ROW

if TYPE_CHECKING:
    from heapgraph.model import RootKind


@dataclass(slots=True)
class RootSet:
    """Named roots, as parallel lists, and the rows they refer to.

    Attributes:
        addresses: of the objects.
        kinds: why each is alive.
        names: the module, field or variable; of a sub-interpreter with its number behind it.
        frame_rows: row in `frames`, NO_ROW for none.
        counted: the reference is in the target's reference count, and no object holds it as well.
        unsure: it may be a left-over on an evaluation stack. Never `counted`, but to be tried first
            as the explanation of a reference count that is too high.
        threads: rows of the snapshot's table.
        frames: rows of the snapshot's table, but `code` is the address of the code object.
        modules: rows of the snapshot's table, but `object` is the address of the module.
        running_frames: addresses of the frames that threads run; see `LiveFrame.address`.
        scan_ranges: (address, bytes, name) of the interpreter, runtime and thread structs; they
            do not overlap.
        notes: what could not be read, or was cut short.
    """

    addresses: list[int] = field(default_factory=list)
    kinds: list[RootKind] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    frame_rows: list[int] = field(default_factory=list)
    counted: list[bool] = field(default_factory=list)
    unsure: list[bool] = field(default_factory=list)
    threads: list[dict[str, Any]] = field(default_factory=list)
    frames: list[dict[str, Any]] = field(default_factory=list)
    modules: list[dict[str, Any]] = field(default_factory=list)
    running_frames: list[int] = field(default_factory=list)
    scan_ranges: list[tuple[int, int, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def thread_ids(self) -> list[int]:
        """What `threading.get_ident()` says in each thread."""
        return [int(row["thread_id"]) for row in self.threads]

    def add(
        self,
        address: int,
        kind: RootKind,
        name: str,
        *,
        counted: bool,
        unsure: bool = False,
        frame_row: int = NO_ROW,
    ) -> None:
        """Append one root; NULL is not one."""
        if address:
            self.addresses.append(address)
            self.kinds.append(kind)
            self.names.append(name)
            self.frame_rows.append(frame_row)
            self.counted.append(counted)
            self.unsure.append(unsure)
