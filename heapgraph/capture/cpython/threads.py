"""The interpreters of a runtime, their thread states, and what a user calls each thread."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from heapgraph.capture.process.memory import UnreadableMemory

if TYPE_CHECKING:
    from collections.abc import Iterator

    from heapgraph.capture.cpython.objects import ObjectReader

_MAX_INTERPRETERS = 10_000
_MAX_THREADS = 100_000
_END_OF_IDS = 1 << 64


@dataclass(frozen=True, slots=True)
class InterpreterState:
    """One interpreter of the runtime.

    Attributes:
        address: of its PyInterpreterState.
        number: 0 for the main interpreter.
    """

    address: int
    number: int

    @property
    def suffix(self) -> str:
        """What tells the names of a sub-interpreter's roots from those of the main one."""
        return f" (interpreter {self.number})" if self.number else ""


@dataclass(frozen=True, slots=True)
class ThreadState:
    """One thread as an interpreter knows it.

    Attributes:
        address: of its PyThreadState.
        thread_id: as threading.get_ident() says.
        native_id: as threading.get_native_id() says; 0 when unknown.
        name: of its threading.Thread, None when it has none.
        interpreter: the interpreter it runs in.
        holds_gil: it was the one that may run Python code.
    """

    address: int
    thread_id: int
    native_id: int
    name: str | None
    interpreter: InterpreterState
    holds_gil: bool

    def to_row(self) -> dict[str, int | str | bool | None]:
        """Return the row of the snapshot's `threads` table."""
        return {
            "thread_id": self.thread_id,
            "native_id": self.native_id,
            "name": self.name,
            "interpreter": self.interpreter.number,
            "holds_gil": self.holds_gil,
        }


def read_interpreters(reader: ObjectReader, runtime_address: int) -> list[InterpreterState]:
    """Return every interpreter of a runtime, the main one first.

    Args:
        reader: reads the target's memory.
        runtime_address: of its _PyRuntime.

    Raises:
        UnreadableMemory: the list leads nowhere or does not end.
    """
    head = reader.word(runtime_address, "rt.interp_head")
    addresses = list(_linked(reader, head, "is.next", _MAX_INTERPRETERS))
    interpreters = [
        InterpreterState(address, reader.word(address, "is.id")) for address in addresses
    ]
    return sorted(interpreters, key=lambda interpreter: interpreter.number)


def read_threads(
    reader: ObjectReader, runtime_address: int, interpreter: InterpreterState
) -> list[ThreadState]:
    """Return the threads of one interpreter, the one that was started first in front.

    Args:
        reader: reads the target's memory.
        runtime_address: of its _PyRuntime.
        interpreter: whose threads.

    Raises:
        UnreadableMemory: the list leads nowhere or does not end. A `threading` module that cannot
            be read only leaves the threads without names.
    """
    gil_holder = _gil_holder(reader, runtime_address, interpreter)
    described = _described_threads(reader, interpreter)
    head = reader.word(interpreter.address, "is.threads_head")
    threads = []
    for address in _linked(reader, head, "ts.next", _MAX_THREADS):
        thread_id = reader.word(address, "ts.thread_id")
        name, native_id = described.get(thread_id, (None, 0))
        if "ts.native_thread_id" in reader.fields:
            native_id = reader.word(address, "ts.native_thread_id")
        threads.append(
            ThreadState(address, thread_id, native_id, name, interpreter, address == gil_holder)
        )
    threads.reverse()  # a new thread state is put in front of the list
    return threads


def _linked(reader: ObjectReader, address: int, next_field: str, limit: int) -> Iterator[int]:
    for _ in range(limit):
        if address == 0:
            return
        yield address
        address = reader.word(address, next_field)
    raise UnreadableMemory(f"more than {limit} structs are linked by {next_field}")


def _gil_holder(reader: ObjectReader, runtime_address: int, interpreter: InterpreterState) -> int:
    """Address of the thread state that holds the lock, 0 for none."""
    struct, prefix = runtime_address, "rt.gil_"
    if "is.ceval_gil_ptr" in reader.fields:  # an interpreter can have a lock of its own
        struct, prefix = reader.word(interpreter.address, "is.ceval_gil_ptr"), "gil."
    if struct == 0 or reader.number(struct, prefix + "locked") != 1:
        return 0
    return reader.word(struct, prefix + "last_holder")


def _described_threads(
    reader: ObjectReader, interpreter: InterpreterState
) -> dict[int, tuple[str | None, int]]:
    """Name and native id by thread id, from `threading._active`; empty when it is not there."""
    described: dict[int, tuple[str | None, int]] = {}
    try:
        modules = reader.word(interpreter.address, "is.modules")
        threading = reader.dict_get(modules, "threading")
        if not threading:
            return described
        active = reader.dict_get(reader.word(threading, "module.dict"), "_active")
        if not active:
            return described
        for key, thread in reader.iter_dict(active, _MAX_THREADS):
            described[reader.read_int(key)] = _description(reader, thread)
    except UnreadableMemory:
        return described  # names are a service to the reader: what was found so far will do
    return described


def _description(reader: ObjectReader, thread: int) -> tuple[str | None, int]:
    name = reader.get_attribute(thread, "_name")
    number = reader.get_attribute(thread, "_native_id")
    native_id = reader.read_int(number) if number else 0
    return (
        reader.read_str(name) if name else None,
        native_id if 0 <= native_id < _END_OF_IDS else 0,  # damaged memory can hold any number
    )
