"""The tables of offsets, against the words of live objects of every version."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from heapgraph.capture.live.target import inspect_target
from heapgraph.capture.process.memory import ProcessMemory
from helpers.interpreters import each_interpreter
from helpers.running_target import start_target

if TYPE_CHECKING:
    from collections.abc import Iterator

    from heapgraph.capture.cpython.target import Target

_TAG_BITS = 7  # a reference in a frame of 3.14+ can carry a tag


class Scene(NamedTuple):
    """A waiting target, and what it says of its own objects."""

    said: dict[str, Any]
    target: Target
    memory: ProcessMemory

    def add_up(self, step: list[str | int]) -> int:
        fields = self.target.layout.fields
        return sum(part if isinstance(part, int) else fields[part] for part in step)

    def value(self, path: list[Any], kind: str) -> int | str:
        address, *steps = path
        for step in steps[:-1]:
            address = self.memory.u64(address + self.add_up(step))
        address += self.add_up(steps[-1])
        if kind == "half":
            return self.memory.i32(address)
        if kind == "text":
            return self.memory.cstring(self.memory.u64(address))
        word = self.memory.u64(address)
        if kind == "signed":
            return word - (word >> 63 << 64)
        return word & ~_TAG_BITS if kind == "reference" else word


@pytest.fixture(scope="module", params=each_interpreter())
def scene(request: pytest.FixtureRequest) -> Iterator[Scene]:
    with start_target("layout_facts.py", python=request.param.path) as process:
        target = inspect_target(process.pid)
        with ProcessMemory(process.pid) as memory:
            yield Scene(json.loads(process.ready), target, memory)


def test_every_word_leads_where_the_object_says(scene: Scene) -> None:
    wrong = [
        (path[1:], kind, value, found)
        for path, kind, value in scene.said["facts"]
        if (found := scene.value(path, kind)) != value
    ]
    assert wrong == []


def test_fields_of_most_structs_are_looked_at(scene: Scene) -> None:
    named = {
        part
        for path, _, _ in scene.said["facts"]
        for step in path[1:]
        for part in step
        if isinstance(part, str)
    }
    structs = Counter(name.partition(".")[0] for name in named)
    assert len(named) >= 130
    assert len(structs) >= 50


def test_static_types_keep_their_dict_in_the_interpreter(scene: Scene) -> None:
    fields, memory = scene.target.layout.fields, scene.memory
    if scene.target.version < (3, 12):
        assert memory.u64(scene.said["int"] + fields["tp.dict"]) == scene.said["int_dict"]
        return
    interpreter = memory.u64(scene.target.runtime_address + fields["rt.interp_main"])
    count = memory.u64(interpreter + fields["is.static_builtins_num"])
    assert 0 < count <= fields["is.static_builtins_max"]
    start = interpreter + fields["is.static_builtins"]
    dicts = {
        memory.u64(entry + fields["static_type.type"]): memory.u64(
            entry + fields["static_type.dict"]
        )
        for entry in range(
            start, start + count * fields["static_type.size"], fields["static_type.size"]
        )
    }
    assert dicts[scene.said["int"]] == scene.said["int_dict"]
