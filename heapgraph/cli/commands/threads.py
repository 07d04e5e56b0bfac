"""How `heapgraph threads` prints."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

from heapgraph.cli.output import count_left_out, note, print_table, say
from heapgraph.cli.questions import Layout
from heapgraph.units import format_count, format_size

if TYPE_CHECKING:
    from collections.abc import Iterator

    from heapgraph.analysis.execution.suspended_code import SuspendedRow
    from heapgraph.analysis.execution.tasks import AwaitStep, TaskRow
    from heapgraph.analysis.threads import FrameRow, ThreadRow, Threads
    from heapgraph.cli.questions import Asked

_VALUE_CHARACTERS = 60


def print_threads(result: Threads, asked: Asked) -> None:
    """Stacks with their variables, then tasks, then suspended functions."""
    del asked
    for position, thread in enumerate(result.threads):
        if position:
            say()
        _print_thread(thread)
    count_left_out(result.threads_left_out, "threads")
    _print_tasks(result.tasks)
    count_left_out(result.tasks_left_out, "tasks")
    _print_suspended(result.suspended)
    count_left_out(result.suspended_left_out, "places")
    note("the retained size of a frame is what nothing else keeps alive, as a minimum")


def _print_thread(thread: ThreadRow) -> None:
    name = thread.name or f"{thread.native_id or thread.thread_id}"
    running = ", holds the GIL" if thread.holds_gil else ""
    title = f"thread {name} ({thread.native_id}){running}: {format_size(thread.retained_size)}"
    print_table(
        (("retained", "right"), ("where", "left")),
        (cells for frame in thread.frames for cells in _frame_cells(frame)),
        title=title,
    )


def _frame_cells(frame: FrameRow) -> Iterator[tuple[str, str]]:
    place = f"{posixpath.basename(frame.file)}:{frame.line}"
    yield format_size(frame.retained_size), f"{frame.function}() at {place}"
    for variable in frame.locals:
        value = variable.value[:_VALUE_CHARACTERS]
        held = "" if variable.kept_alone else ", held elsewhere too"
        size = format_size(variable.retained_size)
        yield "", f"    {variable.name} = {value}  @{variable.id} ({size}{held})"


def _print_tasks(tasks: tuple[TaskRow, ...]) -> None:
    if not tasks:
        return
    say()
    print_table(
        (("retained", "right"), ("state", "left"), ("task", "left"), ("awaits", "left")),
        (
            (
                format_size(task.retained_size),
                task.state,
                task.name or f"@{task.id}",
                " -> ".join(_step_text(step) for step in task.chain) or "-",
            )
            for task in tasks
        ),
        title="asyncio tasks",
    )


def _step_text(step: AwaitStep) -> str:
    if not step.function:
        return f"{step.type} @{step.id}"
    return f"{step.function}() at {posixpath.basename(step.file)}:{step.line}"


def _print_suspended(rows: tuple[SuspendedRow, ...]) -> None:
    if not rows:
        return
    say()
    print_table(
        (("retained", "right"), ("alive", "right"), ("ended", "right"), ("code", "left")),
        (
            (
                format_size(row.retained_size),
                format_count(row.count),
                format_count(row.ended),
                f"{row.type} {row.function}() at {posixpath.basename(row.file)}:{row.line}",
            )
            for row in rows
        ),
        title="generators, coroutines and greenlets",
    )


LAYOUT = Layout(print_threads)
