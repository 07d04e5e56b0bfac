"""The running frames of a thread: where each one is, and which objects it refers to.

Two shapes exist. Up to 3.10 a frame is an object of its own, and the locals are references of that
object. Since 3.11 it is a struct on the thread's data stack (or inside a generator), and the locals
are held by nobody but the thread. Suspended generators and coroutines are objects, not frames of a
thread; what is on no thread's chain is not found here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from heapgraph.capture.cpython.code_objects import CodeReader
from heapgraph.capture.cpython.layouts.kinds import StackReference
from heapgraph.capture.process.memory import UnreadableMemory

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from heapgraph.capture.cpython.code_objects import CodeObject
    from heapgraph.capture.cpython.objects import ObjectReader

MAX_DEPTH = 10_000
"""Frames of one thread that are read; the outer rest of a deeper recursion is left out."""

_WORD = 8
_EXECUTING = -1  # stack depth of a frame whose depth is in a register
_OWNED_BY_GENERATOR = 1
_FIRST_SHIM_OWNER = 3  # a frame of the C stack or the interpreter: it has code and nothing else
_MAX_LINKS = 2 * MAX_DEPTH + 2  # at most one shim before each frame

# Stack references (3.14+). Bit 0: not counted in the referent.
_NULL_STACK_REFERENCE = 1
_UNCOUNTED = 1
_TAG = 3


@dataclass(frozen=True, slots=True)
class FrameReference:
    """A reference a frame holds.

    Attributes:
        target: address of the object.
        name: the variable; `stack[2]` for the evaluation stack, with a `?` behind it when the depth
            of the stack is not known and the word may be a left-over; `<function>`, `<frame>`,
            `<code>`, `<locals>` for the frame's own fields.
        counted: the reference is part of the target's reference count, and held by the frame alone,
            not also by an object (frame, generator) that owns the frame's memory.
        unsure: it may be a left-over. It is not `counted`, but explains a reference count that is
            higher than the references found.
    """

    target: int
    name: str
    counted: bool
    unsure: bool = False


@dataclass(frozen=True, slots=True)
class LiveFrame:
    """One frame of a running thread.

    Attributes:
        code: what it runs.
        line: the current line, 0 when the compiler recorded none.
        references: what it holds, variables first.
        address: of the interpreter frame; of the frame object up to 3.10.
    """

    code: CodeObject
    line: int
    references: tuple[FrameReference, ...]
    address: int

    def to_row(self, thread_row: int, depth: int) -> dict[str, int | str]:
        """Return the row of the snapshot's `frames` table; `code` is an address here."""
        return {
            "thread": thread_row,
            "depth": depth,
            "function": self.code.function,
            "file": self.code.file,
            "line": self.line,
            "code": self.code.address,
        }


class FrameReader:
    """Reads the frames of threads.

    Args:
        reader: reads the target's memory.
    """

    def __init__(self, reader: ObjectReader) -> None:
        """Choose the shape by the version; nothing is read yet."""
        self._reader = reader
        self._fields = reader.fields
        self._code = CodeReader(reader)
        self._has_stack_references = reader.kinds.stack_reference is not StackReference.POINTER

    def frames(self, thread_state: int) -> Iterator[LiveFrame]:
        """Yield the frames of a thread, innermost first, without an end of its own.

        Args:
            thread_state: address of its PyThreadState.

        Raises:
            UnreadableMemory: at the first frame that makes no sense; those before it are good.

        Cost: about five reads a frame; code objects are read once each.
        """
        if "ts.frame" in self._fields:
            return self._frame_objects(self._reader.word(thread_state, "ts.frame"))
        if "ts.cframe" in self._fields:
            cframe = self._reader.word(thread_state, "ts.cframe")
            return self._interpreter_frames(self._reader.word(cframe, "cframe.current_frame"))
        return self._interpreter_frames(self._reader.word(thread_state, "ts.current_frame"))

    def _frame_objects(self, frame: int) -> Iterator[LiveFrame]:
        """3.8 - 3.10: a chain of PyFrameObject."""
        while frame:
            yield self._frame_object(frame)
            frame = self._reader.word(frame, "frame.back")

    def _frame_object(self, frame: int) -> LiveFrame:
        reader, fields = self._reader, self._fields
        code = self._code.read(reader.word(frame, "frame.code"))
        slots = reader.words(
            frame + fields["frame.localsplus"], len(code.variables) + code.stack_size
        )
        # The object owns its locals; the C stack owns the object, unless a generator does.
        variable_count = len(code.variables)
        references = list(self._slots(code.variables, slots[:variable_count], owned=False))
        references += self._unsure_stack(slots[variable_count:])
        is_of_generator = reader.word(frame, "frame.gen") != 0
        references.append(FrameReference(frame, "<frame>", not is_of_generator))
        local_namespace = reader.word(frame, "frame.locals")
        if local_namespace and local_namespace != reader.word(frame, "frame.globals"):
            references.append(FrameReference(local_namespace, "<locals>", counted=False))
        line = self._code.line(code, self._last_instruction(frame))
        return LiveFrame(code, line, tuple(references), frame)

    def _last_instruction(self, frame: int) -> int:
        """Byte offset of the last instruction of a frame object; 3.10 counts pairs of bytes."""
        last = self._reader.number(frame, "frame.lasti")
        return 2 * last if "frame.state" in self._fields else last

    def _interpreter_frames(self, frame: int) -> Iterator[LiveFrame]:
        """3.11+: a chain of _PyInterpreterFrame."""
        for _ in range(_MAX_LINKS):
            if frame == 0:
                return
            if self._reader.number(frame, "if.owner") < _FIRST_SHIM_OWNER:
                yield self._interpreter_frame(frame)
            frame = self._reader.word(frame, "if.previous")
        raise UnreadableMemory(f"more than {_MAX_LINKS} frames are linked")

    def _interpreter_frame(self, frame: int) -> LiveFrame:
        reader, fields = self._reader, self._fields
        code_address, _ = self._decode(reader.word(frame, "if.code"))
        code = self._code.read(code_address)
        variable_count = len(code.variables)
        slots = reader.words(frame + fields["if.localsplus"], variable_count + code.stack_size)
        # A generator's frame lies in the generator, which owns these references as an object.
        owned = reader.number(frame, "if.owner") != _OWNED_BY_GENERATOR
        references = list(self._slots(code.variables, slots[:variable_count], owned))
        depth = self._stack_depth(frame, variable_count)
        if depth == _EXECUTING:
            references += self._unsure_stack(slots[variable_count:])
        else:
            stack = slots[variable_count : variable_count + depth]
            names = [f"stack[{position}]" for position in range(len(stack))]
            references += self._slots(names, stack, owned)
        own = ("if.func", "if.code", "if.frame_obj", "if.locals")
        names = ["<function>", "<code>", "<frame>", "<locals>"]
        references += self._slots(names, [reader.word(frame, field) for field in own], owned)
        line = self._code.line(code, self._instruction(frame, code_address))
        return LiveFrame(code, line, tuple(references), frame)

    def _instruction(self, frame: int, code_address: int) -> int:
        """Byte offset of the instruction an interpreter frame is at, -1 before the first."""
        field = "if.instr_ptr" if "if.instr_ptr" in self._fields else "if.prev_instr"
        start = code_address + self._fields["code.code_adaptive"]
        return max(self._reader.word(frame, field) - start, -1)

    def _stack_depth(self, frame: int, variable_count: int) -> int:
        """Entries of the evaluation stack, `_EXECUTING` when they are not recorded."""
        reader, fields = self._reader, self._fields
        if "if.stackpointer" in fields:
            pointer = reader.word(frame, "if.stackpointer")
            if pointer == 0:
                return _EXECUTING
            top = (pointer - frame - fields["if.localsplus"]) // _WORD
        else:
            top = reader.number(frame, "if.stacktop")
        return max(top - variable_count, _EXECUTING)

    def _slots(
        self, names: Sequence[str], words: Sequence[int], owned: bool
    ) -> Iterator[FrameReference]:
        """References in slots that are known to be in use; empty ones are left out."""
        for name, word in zip(names, words, strict=True):
            target, is_counted = self._decode(word)
            if target:
                yield FrameReference(target, name, owned and is_counted)

    def _unsure_stack(self, words: Sequence[int]) -> Iterator[FrameReference]:
        """What looks like an object in an evaluation stack of unknown depth.

        The left-over of an earlier call looks the same, so they are not counted.
        """
        for position, word in enumerate(words):
            target, _ = self._decode(word)
            if self._reader.is_object(target):
                yield FrameReference(target, f"stack[{position}]?", counted=False, unsure=True)

    def _decode(self, word: int) -> tuple[int, bool]:
        """Address of the referent (0 for none) and whether the reference is counted."""
        if not self._has_stack_references:
            return word, True
        if word == _NULL_STACK_REFERENCE or word & _TAG not in (0, _UNCOUNTED):
            return 0, False  # NULL, a small int in the word itself, or a mark of the interpreter
        return word & ~_TAG, not word & _UNCOUNTED
