"""Frames laid out word by word: what of them is a reference, and what is counted."""

from __future__ import annotations

from itertools import islice

import pytest

from heapgraph.capture.cpython.frames import FrameReader, LiveFrame
from heapgraph.capture.cpython.layouts import layout_for
from heapgraph.capture.cpython.objects import ObjectReader
from heapgraph.capture.process.memory import UnreadableMemory
from helpers.built_memory import BuiltMemory

STRUCT_VERSIONS = [(3, minor) for minor in range(11, 16)]
OBJECT_VERSIONS = [(3, minor) for minor in range(8, 11)]
TAGGED_VERSIONS = [(3, 14), (3, 15)]
NULL_STACK_REFERENCE = 1
STACK_SIZE = 3

THREAD_OWNED, GENERATOR_OWNED, SHIM = 0, 1, 3


class Scene:
    """A thread with one function `work(first, second)`, at its first instruction on line 7."""

    def __init__(self, version: tuple[int, int]) -> None:
        layout = layout_for(version)
        self.fields = layout.fields
        self.memory = BuiltMemory(layout)
        self.thread = self.memory.block()
        self.first, self.second, self.temporary, self.function = (
            self.memory.new("object") for _ in range(4)
        )
        self.code = self._build_code()
        self.reader = ObjectReader(self.memory, layout)

    def _build_code(self) -> int:
        memory = self.memory
        code, names = memory.new("code"), [memory.text("first"), memory.text("second")]
        memory.put(code, "code.filename", memory.text("work.py"))
        memory.put(code, "code.stacksize", STACK_SIZE, 4)
        memory.put(code, "code.firstlineno", 7, 4)
        memory.put(code, "code.name", memory.text("work"))
        if "code.qualname" in self.fields:
            memory.put(code, "code.qualname", memory.text("Class.work"))
            memory.put(code, "code.localsplusnames", memory.tuple_of(names))
        else:
            for field, variables in (("varnames", names), ("cellvars", []), ("freevars", [])):
                memory.put(code, f"code.{field}", memory.tuple_of(variables))
        table = "code.linetable" if "code.linetable" in self.fields else "code.lnotab"
        memory.put(code, table, memory.bytes_of(b""))
        return code

    def add_struct(self, *, slots: list[int], depth: int, owner: int, previous: int = 0) -> int:
        """Put an interpreter frame in front of the thread's chain; depth -1 is not recorded."""
        memory, frame = self.memory, self.memory.block()
        memory.put(frame, "if.owner", owner, 1)
        memory.put(frame, "if.previous", previous)
        memory.put(frame, "if.code", self.code)
        memory.put(frame, "if.func", self.function)
        start = frame + self.fields["if.localsplus"]
        for position, word in enumerate(slots):
            memory.put_at(start + 8 * position, word)
        if "if.stackpointer" in self.fields:
            memory.put(frame, "if.stackpointer", start + 8 * (2 + depth) if depth >= 0 else 0)
        else:
            memory.put(frame, "if.stacktop", 2 + depth if depth >= 0 else -1, 4)
        instruction = "if.instr_ptr" if "if.instr_ptr" in self.fields else "if.prev_instr"
        memory.put(frame, instruction, self.code)
        if "ts.cframe" in self.fields:
            cframe = memory.block()
            memory.put(self.thread, "ts.cframe", cframe)
            memory.put(cframe, "cframe.current_frame", frame)
        else:
            memory.put(self.thread, "ts.current_frame", frame)
        return frame

    def add_object(self, *, slots: list[int], back: int = 0) -> int:
        """Put a frame object in front of the thread's chain."""
        memory, frame = self.memory, self.memory.new("frame")
        memory.put(frame, "frame.code", self.code)
        memory.put(frame, "frame.back", back)
        for position, word in enumerate(slots):
            memory.put_at(frame + self.fields["frame.localsplus"] + 8 * position, word)
        state = "frame.state" if "frame.state" in self.fields else "frame.executing"
        memory.put_at(frame + self.fields[state] - 12, -1, 4)
        memory.put(self.thread, "ts.frame", frame)
        return frame

    def frames(self, limit: int = 100) -> list[LiveFrame]:
        return list(islice(FrameReader(self.reader).frames(self.thread), limit))

    def held(self) -> dict[str, tuple[int, bool]]:
        (frame,) = self.frames()
        return {held.name: (held.target, held.counted) for held in frame.references}


@pytest.mark.parametrize("version", STRUCT_VERSIONS)
def test_struct_frame_holds_its_variables_stack_function_and_code(version: tuple[int, int]) -> None:
    scene = Scene(version)
    slots = [scene.first, 0, scene.temporary, scene.second]
    scene.add_struct(slots=slots, depth=1, owner=THREAD_OWNED)
    assert scene.held() == {
        "first": (scene.first, True),
        "stack[0]": (scene.temporary, True),  # the word above is a left-over
        "<function>": (scene.function, True),
        "<code>": (scene.code, True),
    }
    (frame,) = scene.frames()
    assert frame.to_row(4, 2) == {
        "thread": 4,
        "depth": 2,
        "function": "Class.work",
        "file": "work.py",
        "line": 7,
        "code": scene.code,
    }


@pytest.mark.parametrize("version", STRUCT_VERSIONS)
def test_stack_of_unknown_depth_gives_what_looks_like_objects(version: tuple[int, int]) -> None:
    scene = Scene(version)
    freed = scene.memory.new("object")
    scene.memory.put(freed, "obj.refcnt", 0)
    slots = [scene.first, scene.second, 0x1234, scene.temporary, freed]
    scene.add_struct(slots=slots, depth=-1, owner=THREAD_OWNED)
    held = scene.held()
    stack = {name: value for name, value in held.items() if name.startswith("stack")}
    assert stack == {"stack[1]?": (scene.temporary, False)}


@pytest.mark.parametrize("version", STRUCT_VERSIONS)
def test_frame_inside_a_generator_counts_nothing(version: tuple[int, int]) -> None:
    scene = Scene(version)
    slots = [scene.first, scene.second, scene.temporary]
    scene.add_struct(slots=slots, depth=1, owner=GENERATOR_OWNED)
    held = scene.held()
    assert held["second"] == (scene.second, False)
    assert not any(counted for _, counted in held.values())


@pytest.mark.parametrize("version", TAGGED_VERSIONS)
def test_tags_of_stack_references_are_taken_off(version: tuple[int, int]) -> None:
    scene = Scene(version)
    small_int = 5 << 2 | 3
    slots = [scene.first | 1, NULL_STACK_REFERENCE, small_int, scene.temporary | 1]
    scene.add_struct(slots=slots, depth=2, owner=THREAD_OWNED)
    held = scene.held()
    assert held["first"] == (scene.first, False)
    assert held["stack[1]"] == (scene.temporary, False)
    assert "second" not in held
    assert "stack[0]" not in held


@pytest.mark.parametrize("version", [version for version in STRUCT_VERSIONS if version > (3, 11)])
def test_shim_between_frames_is_no_frame(version: tuple[int, int]) -> None:
    scene = Scene(version)
    outer = scene.add_struct(slots=[scene.first], depth=0, owner=THREAD_OWNED)
    shim = scene.add_struct(slots=[], depth=0, owner=SHIM, previous=outer)
    scene.add_struct(slots=[scene.second], depth=0, owner=THREAD_OWNED, previous=shim)
    assert [frame.references[0].target for frame in scene.frames()] == [scene.second, scene.first]


@pytest.mark.parametrize("version", OBJECT_VERSIONS)
def test_frame_object_owns_its_variables_and_is_held_itself(version: tuple[int, int]) -> None:
    scene = Scene(version)
    frame = scene.add_object(slots=[scene.first, 0, scene.temporary])
    assert scene.held() == {
        "first": (scene.first, False),
        "stack[0]?": (scene.temporary, False),
        "<frame>": (frame, True),
    }


@pytest.mark.parametrize("version", OBJECT_VERSIONS)
def test_frame_object_of_a_generator_is_held_by_the_generator(version: tuple[int, int]) -> None:
    scene = Scene(version)
    frame = scene.add_object(slots=[scene.first])
    scene.memory.put(frame, "frame.gen", scene.second)
    assert scene.held()["<frame>"] == (frame, False)


@pytest.mark.parametrize("version", OBJECT_VERSIONS)
def test_namespace_of_a_class_body_is_held_and_that_of_a_module_is_not(
    version: tuple[int, int],
) -> None:
    scene = Scene(version)
    frame = scene.add_object(slots=[])
    scene.memory.put(frame, "frame.locals", scene.first)
    assert scene.held()["<locals>"] == (scene.first, False)
    scene.memory.put(frame, "frame.globals", scene.first)
    assert "<locals>" not in scene.held()


@pytest.mark.parametrize("version", STRUCT_VERSIONS)
def test_shims_in_a_circle_end(version: tuple[int, int]) -> None:
    scene = Scene(version)
    frame = scene.add_struct(slots=[], depth=0, owner=SHIM)
    scene.memory.put(frame, "if.previous", frame)
    with pytest.raises(UnreadableMemory):
        scene.frames()


@pytest.mark.parametrize("version", STRUCT_VERSIONS)
def test_thread_without_frames_has_none(version: tuple[int, int]) -> None:
    scene = Scene(version)
    scene.add_struct(slots=[], depth=0, owner=SHIM)
    assert scene.frames() == []
