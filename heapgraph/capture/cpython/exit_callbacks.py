"""What atexit is to call at the end: C arrays of references up to 3.13, a list since."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from heapgraph.capture.process.memory import UnreadableMemory

if TYPE_CHECKING:
    from collections.abc import Iterator

    from heapgraph.capture.cpython.objects import ObjectReader

NAME = "atexit callbacks"
"""How the roots are called."""

_MAX_CALLBACKS = 1_000_000
_WORD = 8


class Held(NamedTuple):
    """An object that is kept for the end, and whether nothing else counts the reference."""

    address: int
    is_counted: bool


def exit_callbacks(reader: ObjectReader, interpreter: int) -> Iterator[Held]:
    """Yield what atexit keeps: functions, their arguments and keywords; since 3.14 its list.

    Up to 3.9 they are the state of the module `atexit`, whose references it visits itself.

    Args:
        reader: reads the target's memory.
        interpreter: address of the interpreter's struct.

    Raises:
        UnreadableMemory: the table, or one of its rows.

    Cost: two reads, and one of each callback.
    """
    fields = reader.fields
    if "is.atexit_module" in fields:
        module = reader.word(interpreter, "is.atexit_module")
        state = reader.word(module, "module.state") if module else 0
        if state:
            table = reader.word(state, "atexit.callbacks")
            yield from _rows(reader, table, reader.number(state, "atexit.count"), counted=False)
    elif "is.atexit_count" in fields:
        table = reader.word(interpreter, "is.atexit_callbacks")
        count = reader.number(interpreter, "is.atexit_count")
        yield from _rows(reader, table, count, counted=True)
    else:
        yield Held(reader.word(interpreter, "is.atexit_callbacks"), is_counted=True)


def _rows(reader: ObjectReader, table: int, count: int, *, counted: bool) -> Iterator[Held]:
    if not 0 <= count <= _MAX_CALLBACKS:
        raise UnreadableMemory(f"atexit claims {count} callbacks")
    if table == 0 or count == 0:
        return
    words = reader.fields["atexit.callback_size"] // _WORD
    for row in filter(None, reader.words(table, count)):  # one that was unregistered leaves a hole
        for address in filter(None, reader.words(row, words)):
            yield Held(address, counted)
