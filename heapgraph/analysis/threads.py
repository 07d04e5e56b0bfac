"""Threads with their stacks, asyncio tasks with their awaits, suspended functions by place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from heapgraph.analysis.execution.frame_retention import FrameRetention
from heapgraph.analysis.execution.suspended_code import SuspendedRow, suspended_rows
from heapgraph.analysis.execution.tasks import TaskRow, find_tasks, task_row
from heapgraph.analysis.expressions.literals import describe_value
from heapgraph.analysis.results import TableResult, not_serialized, serialize
from heapgraph.model import NO_ROW
from heapgraph.units import Bytes, Number, ObjectId, TypeName

if TYPE_CHECKING:
    from heapgraph.analysis.registry import Progress
    from heapgraph.graph.heap_graph import HeapGraph
    from heapgraph.graph.table_rows import Frame, Thread


@dataclass(frozen=True)
class LocalVariable:
    """One variable of a frame.

    Attributes:
        name: of the variable.
        id: the object it refers to.
        type: qualified type name.
        value: its value for people, as far as it was kept.
        retained_size: bytes that go with the object.
        kept_alone: whether nothing but this frame keeps it alive.
    """

    name: str
    id: ObjectId
    type: TypeName
    value: str
    retained_size: Bytes
    kept_alone: bool


@dataclass(frozen=True)
class FrameRow:
    """One running frame.

    Attributes:
        depth: 0 is the innermost.
        function, file, line: where it stands.
        retained_size: bytes that this frame alone keeps alive, as a minimum.
        locals: its variables, the largest first.
        code: object id of its code, or NO_ROW.
    """

    depth: Number
    function: str
    file: str
    line: Number
    retained_size: Bytes
    locals: tuple[LocalVariable, ...]
    code: int = not_serialized(NO_ROW)


@dataclass(frozen=True)
class ThreadRow:
    """One thread.

    Attributes:
        thread_id: as `threading.get_ident` says.
        native_id: the kernel's number.
        name: None where it is not known.
        holds_gil: whether it ran Python code.
        retained_size: bytes that its frames together keep alive, as a minimum. More than the sum
            over the frames where two frames share an object, as caller and callee do.
        frames: innermost first.
    """

    thread_id: Number
    native_id: Number
    name: str | None
    holds_gil: bool
    retained_size: Bytes
    frames: tuple[FrameRow, ...]


@dataclass(frozen=True)
class Threads(TableResult):
    """All threads and tasks, those that keep most alive first.

    Attributes:
        threads: running threads.
        tasks: asyncio tasks.
        suspended: generators, coroutines and greenlets by the place of their code; only in the
            JSON document when it was asked for.
        threads_left_out, tasks_left_out, suspended_left_out: how many more there are.
    """

    rows_field: ClassVar[str] = "threads"

    threads: tuple[ThreadRow, ...]
    tasks: tuple[TaskRow, ...]
    suspended: tuple[SuspendedRow, ...] = not_serialized(())  # type: ignore[arg-type]
    threads_left_out: int = not_serialized()
    tasks_left_out: int = not_serialized()
    suspended_left_out: int = not_serialized()
    with_suspended: bool = not_serialized(default=False)

    def to_dict(self) -> dict[str, Any]:
        """The JSON document."""
        document = super().to_dict()
        return (
            document | {"suspended": serialize(self.suspended)} if self.with_suspended else document
        )


def list_threads(
    graph: HeapGraph,
    *,
    progress: Progress | None = None,
    limit: int | None = None,
    suspended: bool = False,
) -> Threads:
    """Threads, tasks and suspended functions with what they keep alive.

    Args:
        graph: the snapshot.
        progress: told when the dominator tree is computed, and of each thread.
        limit: how many threads, tasks and places; None: all.
        suspended: put suspended functions into the JSON document too.

    Cost: the dominator tree and the reverse references, then the objects in the frames.
    """
    if progress is not None:
        progress("dominator tree", 0, 0)
    retention = FrameRetention(graph)
    frames: dict[int, list[Frame]] = {thread.row: [] for thread in graph.threads}
    for frame in graph.frames:
        frames[frame.thread].append(frame)
    rows = []
    for done, thread in enumerate(graph.threads):
        if progress is not None:
            progress("threads", done, len(graph.threads))
        rows.append(_thread_row(graph, retention, thread, frames[thread.row]))
    rows.sort(key=lambda row: -row.retained_size)
    found = find_tasks(graph).tolist()
    found.sort(key=lambda task: (-graph.folded.retained_size(task), task))
    places = suspended_rows(graph)
    return Threads(
        tuple(rows[:limit]),
        tuple(task_row(graph, task) for task in found[:limit]),
        tuple(places[:limit]),
        len(rows) - len(rows[:limit]),
        len(found) - len(found[:limit]),
        len(places) - len(places[:limit]),
        suspended,
    )


def _thread_row(
    graph: HeapGraph, retention: FrameRetention, thread: Thread, frames: list[Frame]
) -> ThreadRow:
    frames = sorted(frames, key=lambda frame: frame.depth)
    return ThreadRow(
        thread.thread_id,
        thread.native_id,
        thread.name,
        thread.holds_gil,
        retention.retained_size([frame.row for frame in frames]),
        tuple(_frame_row(graph, retention, frame) for frame in frames),
    )


def _frame_row(graph: HeapGraph, retention: FrameRetention, frame: Frame) -> FrameRow:
    kept = retention.kept_alone([frame.row])
    retained = graph.dominators.minimum_retained_size(kept) if kept else 0
    variables = [
        _variable(graph, graph.roots.names[row], int(graph.roots.targets[row]), frozenset(kept))
        for row in retention.rows_of_frame.get(frame.row, ())
        if is_variable(graph.roots.names[row])
    ]
    variables.sort(key=lambda variable: -variable.retained_size)
    return FrameRow(
        frame.depth,
        frame.function,
        frame.file,
        frame.line,
        retained,
        tuple(variables),
        frame.code,
    )


def is_variable(name: str) -> bool:
    """Whether a frame's root is a variable, not its evaluation stack or a field of its own."""
    return not name.startswith(("<", "stack["))


def _variable(graph: HeapGraph, name: str, target: int, kept: frozenset[int]) -> LocalVariable:
    return LocalVariable(
        name,
        target,
        graph.type_name(target),
        describe_value(graph, target),
        graph.folded.retained_size(target),
        target in kept,
    )
