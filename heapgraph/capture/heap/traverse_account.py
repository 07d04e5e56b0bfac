"""When traverse functions run in the clone or a twin, and what the quality record says of it."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from heapgraph.capture.heap.traverse import CloneTraversal, TraverseLog
from heapgraph.capture.live.freeze_helper import HelperFailure
from heapgraph.capture.process.memory import UnreadableMemory

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from heapgraph.capture.heap.columns import HeapColumns
    from heapgraph.capture.heap.traverse import CodePlace
    from heapgraph.capture.heap.walk import HeapWalk
    from heapgraph.capture.live.frozen import FrozenClone
    from heapgraph.capture.live.twin import Twin


@dataclass
class TraverseAccount:
    """What was asked of the types' own traverse functions.

    Attributes:
        taken: the run that completed what tables do not say.
        compared: the run over every object; None when it was not wanted, or could not be made.
        note: why there was none, for the user; "" when there was.
    """

    taken: TraverseLog
    compared: TraverseLog | None = None
    note: str = ""

    def record(self, columns: HeapColumns) -> dict[str, Any]:
        """The keys of the quality record: see docs/file-format.md."""
        result: dict[str, Any] = {
            "traversed_objects": self.taken.objects,
            "traverse_faults": _by_type(columns, self.taken.faulted),
            "traverse": {},
        }
        if self.compared is not None:
            disagreements: Counter[str] = Counter()
            for walked in columns.types:
                if walked.disagreements:
                    disagreements[walked.tp_name] += walked.disagreements
            result["traverse"] = {
                "objects": self.compared.objects,
                "identical": self.compared.objects - disagreements.total(),
                "disagreements": dict(disagreements.most_common()),
                "faults": len(self.compared.faulted),
                "skipped": self.compared.skipped,
            }
        return result


def traverse_clone(frozen: FrozenClone, walk: HeapWalk, *, verify: bool) -> TraverseAccount:
    """Run the traverse functions that the walk needs, and all of them to verify it.

    Call between `HeapWalk.discover` and `HeapWalk.emit`.

    Raises:
        UnreadableMemory: the clone has ended.
    """
    account = TraverseAccount(TraverseLog())
    try:
        _run(account, frozen, walk, verify=verify)
    except HelperFailure as failure:
        account.note = f"their own code could not run in the clone: {_reason(failure)}"
    return account


def traverse_twin(make: Callable[[], Twin], walk: HeapWalk, *, verify: bool) -> TraverseAccount:
    """The same in a twin, for memory without a process that may be used.

    Whatever happens to the twin, the memory can be read to the end.

    Args:
        make: makes the twin.
        walk: between its steps `discover` and `emit`.
        verify: compare all objects.
    """
    account = TraverseAccount(TraverseLog())
    try:
        with make() as twin:
            _run(account, twin, walk, verify=verify)
    except HelperFailure as failure:
        account.note = f"their own code could not run in a copy of the process: {_reason(failure)}"
    except UnreadableMemory:
        account.note = "the copy of the process in which their own code ran was ended"
    return account


def _run(account: TraverseAccount, place: CodePlace, walk: HeapWalk, *, verify: bool) -> None:
    with CloneTraversal(place, walk.most_visits) as traversal:
        account.taken = traversal.log
        walk.traverse(traversal)
    if verify:
        with CloneTraversal(place, walk.most_visits) as traversal:
            account.compared = traversal.log
            walk.verify(traversal)


def _reason(failure: HelperFailure) -> str:
    if not failure.error_number:
        return failure.text
    return f"{failure.text} ({os.strerror(failure.error_number)})"


def explain(account: TraverseAccount, *, verify: bool) -> list[str]:
    """Sentences for the user: what could not be done."""
    if not account.note:
        return []
    notes = [f"types without a table of their fields were scanned: {account.note}"]
    if verify:
        notes.append(f"nothing was verified: {account.note}")
    return notes


def _by_type(columns: HeapColumns, addresses: Sequence[int]) -> dict[str, int]:
    """Number of these objects by the name of their type."""
    rows = columns.arrays["type"]
    ids = columns.ids_of(addresses).tolist()
    names = Counter(columns.types[rows[row]].tp_name for row in ids if row >= 0)
    return dict(names.most_common())
