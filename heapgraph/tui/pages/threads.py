"""Threads with their stacks and variables, tasks with what they await, suspended functions."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

from heapgraph.analysis.threads import list_threads
from heapgraph.model import NO_ROW
from heapgraph.tui.cells import Column, Indented, Row, count_text, safe
from heapgraph.tui.page import Page
from heapgraph.tui.places import Inspect
from heapgraph.tui.rows.object_rows import RETAINED, mark, retained_text
from heapgraph.tui.rows.outline import OutlineLine, OutlineTable, outline_commands
from heapgraph.tui.tables import RowTable
from heapgraph.units import format_count, format_size

if TYPE_CHECKING:
    from heapgraph.analysis.execution.suspended_code import SuspendedRow
    from heapgraph.analysis.execution.tasks import AwaitStep, TaskRow
    from heapgraph.analysis.registry import Progress
    from heapgraph.analysis.threads import FrameRow, LocalVariable, ThreadRow, Threads
    from heapgraph.tui.places import AnalysisOf
    from heapgraph.tui.state import Session

MAX_ROWS = 1_000
"""Threads, tasks and places that are listed."""

_UNFOLDED_LINES = 12
"""Stacks of more frames begin folded: half of a small terminal."""

_THREAD_COLUMNS = (
    RETAINED,
    Column("thread, stack, variables", weight=2, keep="both"),
    Column("state", 19, rank=2),
)
_TASK_COLUMNS = (
    RETAINED,
    Column("state", 7, rank=3),
    Column("task and what it awaits", weight=2, keep="both"),
)
_SUSPENDED_COLUMNS = (
    RETAINED,
    Column("alive", 7, align="right"),
    Column("ended", 7, align="right", rank=2),
    Column("suspended functions by code", keep="both"),
)


def build_threads(session: Session, place: AnalysisOf, progress: Progress) -> Page:
    """The page of threads."""
    result = list_threads(session.graph, progress=progress, limit=MAX_ROWS)
    page = Page(place, "threads", detail_lines=3)
    page.facts = [("threads", _summary(result))]
    page.left = [_thread_table(session, result)]
    if result.tasks:
        tasks = [_task_line(session, task) for task in result.tasks]
        page.left.append(
            OutlineTable("tasks", _TASK_COLUMNS, tasks, left_out=result.tasks_left_out)
        )
    if result.suspended:
        rows = [_suspended_row(row) for row in result.suspended]
        left_out = result.suspended_left_out
        page.right = [RowTable("suspended", _SUSPENDED_COLUMNS, rows, left_out=left_out)]
    page.commands = outline_commands(page)
    return page


def _summary(result: Threads) -> str:
    threads = count_text(len(result.threads) + result.threads_left_out, "thread")
    tasks = count_text(len(result.tasks) + result.tasks_left_out, "task")
    pending = sum(task.state == "pending" for task in result.tasks)
    return f"{threads}; {tasks}, {format_count(pending)} of them pending"


def _thread_table(session: Session, result: Threads) -> OutlineTable:
    lines = [_thread_line(session, thread) for thread in result.threads]
    if lines:
        lines[0].is_open = len(lines[0].below) <= _UNFOLDED_LINES
    return OutlineTable("threads", _THREAD_COLUMNS, lines, left_out=result.threads_left_out)


def _thread_line(session: Session, thread: ThreadRow) -> OutlineLine:
    name = safe(thread.name or str(thread.native_id or thread.thread_id))
    state = "holds the GIL" if thread.holds_gil else "waits"
    frames = count_text(len(thread.frames), "frame")
    where = f" in {_place(thread.frames[0])}" if thread.frames else ""
    detail = (
        f"thread {name}, {state}{where}: its {frames} alone keep "
        f"{format_size(thread.retained_size)} alive; native id {thread.native_id}, "
        f"thread id {thread.thread_id}"
    )
    cells = (
        format_size(thread.retained_size),
        Indented("", f"{name}{where}"),
        f"{state}, {frames}",
    )
    below = [_frame_line(session, frame) for frame in thread.frames]
    return OutlineLine(Row(cells, style="strong", detail=detail), below)


def _frame_line(session: Session, frame: FrameRow) -> OutlineLine:
    """A frame unfolds to its variables; one without any opens its code."""
    text = _place(frame)
    detail = (
        f"{safe(frame.function)}() at {safe(frame.file)}:{frame.line}; keeps "
        f"{format_size(frame.retained_size)} alive that nothing else does"
    )
    variables = count_text(len(frame.locals), "variable")
    code = None if frame.code == NO_ROW else frame.code
    place = Inspect(code) if code is not None and not frame.locals else None
    cells = (format_size(frame.retained_size), Indented("", text), variables)
    below = [_variable_line(session, variable) for variable in frame.locals]
    return OutlineLine(Row(cells, place, code, detail=detail), below)


def _variable_line(session: Session, variable: LocalVariable) -> OutlineLine:
    held = "by this frame" if variable.kept_alone else "held elsewhere too"
    text = f"{safe(variable.name)} = {safe(variable.value)}"
    cells = (format_size(variable.retained_size), Indented("", text), held)
    detail = f"{text}  {safe(variable.type)}  @{variable.id}; {held}"
    style = mark(session, variable.id) or ("" if variable.kept_alone else "dim")
    return OutlineLine(Row(cells, Inspect(variable.id), variable.id, style=style, detail=detail))


def _place(frame: FrameRow | SuspendedRow) -> str:
    return f"{safe(frame.function)}() {safe(posixpath.basename(frame.file))}:{frame.line}"


def _task_line(session: Session, task: TaskRow) -> OutlineLine:
    """A task; what it awaits in the end stands last, and stays when the middle is cut."""
    name = safe(task.name or f"@{task.id}")
    awaited = [step for step in task.chain if step.function or step is task.chain[-1]]
    chain = " -> ".join(map(_short_step, awaited)) or "nothing"
    text = f"{name}: {chain}"
    detail = f"{task.state} task {text}; {safe(task.expression)}  @{task.id}"
    cells = (format_size(task.retained_size), task.state, Indented("", text))
    row = Row(cells, Inspect(task.id), task.id, style=mark(session, task.id), detail=detail)
    return OutlineLine(row, [_step_line(session, step) for step in task.chain])


def _step_line(session: Session, step: AwaitStep) -> OutlineLine:
    text = _step_text(step)
    where = f" at {safe(step.file)}:{step.line}" if step.file else ""
    detail = f"awaits {_short_step(step)}{where}  @{step.id}"
    cells = (retained_text(session, step.id), "", Indented("", text))
    style = mark(session, step.id)
    return OutlineLine(Row(cells, Inspect(step.id), step.id, style=style, detail=detail))


def _short_step(step: AwaitStep) -> str:
    return f"{safe(step.function)}()" if step.function else safe(step.type.rpartition(".")[2])


def _step_text(step: AwaitStep) -> str:
    place = f" {safe(posixpath.basename(step.file))}:{step.line}" if step.function else ""
    return _short_step(step) + place


def _suspended_row(row: SuspendedRow) -> Row:
    cells = (
        format_size(row.retained_size),
        format_count(row.count),
        format_count(row.ended),
        f"{_place(row)}, {row.type}",
    )
    detail = f"the largest of them: {safe(row.expression)}; code at {safe(row.file)}:{row.line}"
    return Row(cells, Inspect(row.largest), row.largest, detail=detail)
