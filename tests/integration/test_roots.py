"""The roots found in live targets against what the targets say of themselves."""

from __future__ import annotations

import itertools
import json
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from heapgraph.capture.cpython.objects import ObjectReader
from heapgraph.capture.cpython.roots import RootSet, find_roots, gc_list_heads, is_collecting
from heapgraph.capture.live.target import inspect_target
from heapgraph.capture.process.memory import ProcessMemory
from heapgraph.model import NO_ROW, RootKind
from helpers.counting_memory import CountingMemory
from helpers.interpreters import each_interpreter
from helpers.processes import is_reading, wait_until
from helpers.running_target import start_target

if TYPE_CHECKING:
    from collections.abc import Iterator

    from heapgraph.capture.cpython.target import Target
    from helpers.interpreters import Interpreter

RECURSION = 500
POLL_LIMIT_S = 20


class Scene(NamedTuple):
    """A waiting target: what it said, what was found, and a reader of its memory."""

    said: Any
    roots: RootSet
    reader: ObjectReader
    target: Target

    def thread_row(self, scenario: str) -> int:
        thread_id = self.said["scenarios"][scenario]
        rows = [row["thread_id"] for row in self.roots.threads]
        return rows.index(thread_id)

    def frame_rows(self, thread_row: int) -> list[int]:
        return [n for n, row in enumerate(self.roots.frames) if row["thread"] == thread_row]

    def held_by_frame(self, frame_row: int) -> dict[str, int]:
        """Address by name of everything a frame holds."""
        return {
            name: address
            for name, address, row in zip(
                self.roots.names, self.roots.addresses, self.roots.frame_rows, strict=True
            )
            if row == frame_row
        }

    def frame_row_of(self, function: str) -> int:
        names = [row["function"].rpartition(".")[2] for row in self.roots.frames]
        return names.index(function)

    def named(self, kind: RootKind, name: str) -> list[int]:
        return [
            address
            for address, a_kind, a_name in zip(
                self.roots.addresses, self.roots.kinds, self.roots.names, strict=True
            )
            if (a_kind, a_name) == (kind, name)
        ]

    def is_counted(self, address: int, name: str) -> bool:
        roots = self.roots
        places = zip(roots.addresses, roots.names, roots.counted, strict=True)
        return next(counted for a, n, counted in places if (a, n) == (address, name))


@pytest.fixture(scope="module", params=each_interpreter())
def interpreter(request: pytest.FixtureRequest) -> Interpreter:
    return request.param


@pytest.fixture(scope="module")
def scene(interpreter: Interpreter) -> Iterator[Scene]:
    with watch(interpreter, "roots_threads.py") as found:
        yield found


@contextmanager
def watch(interpreter: Interpreter, program: str) -> Iterator[Scene]:
    with start_target(program, python=interpreter.path) as process:
        # It has said its line, and still makes objects on its way to where it waits.
        wait_until(lambda: is_reading(process.pid), "the target waits")
        target = inspect_target(process.pid)
        memory = ProcessMemory(process.pid)
        roots = find_roots(memory, target.layout, target.runtime_address)
        reader = ObjectReader(memory, target.layout)
        yield Scene(json.loads(process.ready), roots, reader, target)


def test_nothing_is_left_out_on_a_waiting_target(scene: Scene) -> None:
    assert scene.roots.notes == []


def test_every_module_is_a_root_by_its_name(scene: Scene) -> None:
    modules = [
        (name, address, counted)
        for name, address, kind, counted in zip(
            scene.roots.names,
            scene.roots.addresses,
            scene.roots.kinds,
            scene.roots.counted,
            strict=True,
        )
        if kind == RootKind.MODULE
    ]
    assert {name: address for name, address, _ in modules} == scene.said["modules"]
    assert not any(counted for _, _, counted in modules)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (RootKind.INTERPRETER, "modules"),
        (RootKind.INTERPRETER, "sysdict"),
        (RootKind.INTERPRETER, "importlib"),
        (RootKind.INTERPRETER, "import_func"),
        (RootKind.INTERPRETER, "garbage"),
        (RootKind.INTERPRETER, "callbacks"),
        (RootKind.BUILTINS, "builtins"),
    ],
)
def test_interpreter_field_is_the_object_the_target_names(
    scene: Scene, kind: RootKind, name: str
) -> None:
    assert scene.named(kind, name) == [scene.said["others"][name]]
    assert scene.is_counted(scene.said["others"][name], name)


@pytest.mark.parametrize(
    ("field", "registered"),
    [
        ("codec_search_path", "codec search"),
        ("before_forkers", "before fork"),
        ("after_forkers_parent", "after fork in parent"),
        ("after_forkers_child", "after fork in child"),
    ],
)
def test_what_was_registered_is_in_the_interpreters_lists(
    scene: Scene, field: str, registered: str
) -> None:
    (address,) = scene.named(RootKind.INTERPRETER, field)
    assert scene.said["others"][registered] in list(scene.reader.iter_list(address))


def test_the_interned_strings_are_found(scene: Scene) -> None:
    (address,) = scene.named(RootKind.INTERNED, "interned")
    found = scene.reader.dict_get(address, "fixtures_interned_by_roots")
    assert found == scene.said["others"]["interned"]


def test_threads_have_the_names_and_numbers_they_give_themselves(scene: Scene) -> None:
    found = {row["thread_id"]: row for row in scene.roots.threads}
    for thread in scene.said["threads"]:
        row = found[thread["thread_id"]]
        assert {key: row[key] for key in thread} == thread
        assert row["interpreter"] == 0
    nameless = found[scene.said["scenarios"]["nameless"]]
    assert nameless["name"] is None
    assert len(found) == len(scene.roots.threads) == len(scene.said["scenarios"]) + 1


def test_nobody_holds_the_lock_while_all_wait(scene: Scene) -> None:
    assert not any(row["holds_gil"] for row in scene.roots.threads)


def test_frames_are_where_the_target_says_they_are(scene: Scene) -> None:
    found: dict[str, list[list[object]]] = {}
    for row in scene.roots.frames:
        frames = found.setdefault(str(scene.roots.threads[row["thread"]]["thread_id"]), [])
        assert row["depth"] == len(frames)
        frames.append([row["function"], row["file"], row["line"]])
    assert found == scene.said["frames"]


def test_code_of_a_frame_is_a_code_object(scene: Scene) -> None:
    reader = scene.reader
    for row in scene.roots.frames:
        assert reader.type_name(reader.type_address(row["code"])) == "code"


@pytest.mark.parametrize(
    "function",
    [
        "outer",
        "middle",
        "inner",
        "generate",
        "drive_generator",
        "work",
        "drive_coroutine",
        "handle",
    ],
)
def test_variables_of_a_frame_are_the_ones_the_target_names(scene: Scene, function: str) -> None:
    held = scene.held_by_frame(scene.frame_row_of(function))
    variables = {name: address for name, address in held.items() if name.isidentifier()}
    assert variables == scene.said["locals"][function]


def test_references_in_a_generators_frame_are_left_to_the_generator(scene: Scene) -> None:
    row = scene.frame_row_of("generate")
    counted = [
        c for c, r in zip(scene.roots.counted, scene.roots.frame_rows, strict=True) if r == row
    ]
    assert counted
    assert not any(counted)


def test_variables_of_a_function_are_counted_when_the_frame_is_no_object(scene: Scene) -> None:
    address = scene.said["locals"]["inner"]["own"]
    assert scene.is_counted(address, "own") == (scene.target.version >= (3, 11))


@pytest.mark.parametrize("variable", ["rest", "flag", "own"])
def test_roots_and_the_frame_object_explain_the_reference_count(
    scene: Scene, variable: str
) -> None:
    said = scene.said["locals"]
    address = (said["inner"] if variable == "own" else said["middle"])[variable]
    roots = scene.roots
    places = zip(roots.addresses, roots.counted, roots.unsure, strict=True)
    held = [(counted, unsure) for place, counted, unsure in places if place == address]
    sure = sum(counted for counted, _ in held)
    sure += scene.target.version < (3, 11)  # the frame object's own reference
    bits = scene.reader.fields["obj.refcnt_bits"]
    refcount = scene.reader.word(address, "obj.refcnt") & ((1 << bits) - 1)
    assert sure <= refcount <= sure + sum(unsure for _, unsure in held)


def test_temporary_on_the_evaluation_stack_is_held(scene: Scene) -> None:
    held = scene.held_by_frame(scene.frame_row_of("outer"))
    address = scene.said["others"]["on the stack"]
    (name,) = [name for name, target in held.items() if target == address]
    is_known = scene.target.version >= (3, 11)  # before, the depth of the stack is in a register
    assert name.startswith("stack[")
    assert name.endswith("]" if is_known else "]?")
    assert scene.is_counted(address, name) == is_known


def test_suspended_generator_is_an_object_and_no_frame(scene: Scene) -> None:
    assert "suspended_generator" not in [row["function"] for row in scene.roots.frames]
    assert scene.said["others"]["local of a suspended generator"] not in scene.roots.addresses


def test_handled_exceptions_are_roots_of_their_thread(scene: Scene) -> None:
    handled = scene.named(RootKind.THREAD, "exc_info.exc_value")
    assert scene.said["others"]["inner exception"] in handled


def test_namespace_of_a_class_body_is_held_by_its_frame(scene: Scene) -> None:
    held = scene.held_by_frame(scene.frame_row_of("Body"))
    assert held["<locals>"] == scene.said["others"]["namespace of the class body"]


@pytest.mark.parametrize(
    ("field", "name"),
    [
        ("c_profileobj", "profiler"),
        ("context", "context"),
        ("async_gen_firstiter", "firstiter"),
        ("async_gen_finalizer", "finalizer"),
    ],
)
def test_thread_field_is_the_object_the_target_names(scene: Scene, field: str, name: str) -> None:
    assert scene.said["others"][name] in scene.named(RootKind.THREAD, field)


def test_deep_recursion_is_read_to_its_end(scene: Scene) -> None:
    rows = scene.frame_rows(scene.thread_row("deep"))
    levels = [row for row in rows if scene.roots.frames[row]["function"] == "descend"]
    assert len(levels) == RECURSION + 1
    markers = {
        str(RECURSION - depth): scene.held_by_frame(row)["marker"]
        for depth, row in list(enumerate(levels))[::50]
    }
    assert markers.items() <= scene.said["locals"]["descend"].items()


def test_deeper_frames_than_the_limit_are_left_out_and_noted(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("heapgraph.capture.cpython.roots.MAX_DEPTH", 100)
    target = scene.target
    roots = find_roots(scene.reader.memory, target.layout, target.runtime_address)
    assert max(row["depth"] for row in roots.frames) == 99
    assert len(roots.notes) == 1
    assert "innermost 100" in roots.notes[0]


def test_only_frames_have_frame_rows(scene: Scene) -> None:
    roots = scene.roots
    for kind, row in zip(roots.kinds, roots.frame_rows, strict=True):
        assert (row == NO_ROW) == (kind not in (RootKind.FRAME, RootKind.THREAD))


def test_every_root_is_an_object(scene: Scene) -> None:
    wrong = [
        name
        for name, address in zip(scene.roots.names, scene.roots.addresses, strict=True)
        if not scene.reader.is_object(address)
    ]
    assert wrong == []


def test_structs_to_scan_do_not_overlap(scene: Scene) -> None:
    ranges = scene.roots.scan_ranges
    for (start, size, _), (following, _, _) in itertools.pairwise(ranges):
        assert start + size <= following
    fields = scene.reader.fields
    covered = {name: sum(s for _, s, n in ranges if n == name) for _, _, name in ranges}
    assert covered["interpreter 0"] == fields["is.size"]
    is_inside = scene.target.version >= (3, 11)  # the main interpreter is a part of the runtime
    assert covered["runtime"] == fields["rt.size"] - (fields["is.size"] if is_inside else 0)


def test_roots_of_a_subinterpreter_carry_its_number(interpreter: Interpreter) -> None:
    with watch(interpreter, "roots_subinterpreter.py") as scene:
        if scene.said is None:
            pytest.xfail("this build has no sub-interpreters")
        number, inner = scene.said["number"], scene.said["inner"]
        suffix = f" (interpreter {number})"
        for name, address in scene.said["modules"].items():
            assert scene.named(RootKind.MODULE, name) == [address]
        for name, address in inner["modules"].items():
            assert scene.named(RootKind.MODULE, name + suffix) == [address]
        assert scene.named(RootKind.INTERPRETER, "sysdict" + suffix) == [inner["sysdict"]]
        (thread_row,) = [
            row
            for row, thread in enumerate(scene.roots.threads)
            if thread["interpreter"] == number and scene.frame_rows(row)
        ]
        (frame_row,) = scene.frame_rows(thread_row)
        assert scene.roots.frames[frame_row]["function"] == "<module>"
        namespace = scene.held_by_frame(frame_row).get("<locals>", inner["globals"])
        assert namespace == inner["globals"]
        assert scene.reader.dict_get(namespace, "marker") == inner["marker"]


def test_collector_lists_hold_what_is_tracked(interpreter: Interpreter) -> None:
    with watch(interpreter, "roots_lists.py") as scene:
        target, memory, fields = scene.target, scene.reader.memory, scene.reader.fields
        heads = gc_list_heads(memory, target.layout, target.runtime_address)
        lists = []
        for head in heads:
            members, link = [], memory.u64(head) & ~3
            while link != head:
                members.append(link + fields["gc.head_size"])
                link = memory.u64(link) & ~3
            lists.append(members)
        assert len(lists[0]) == scene.said["frozen"]
        tracked = {address for members in lists for address in members}
        assert tracked >= set(scene.said["tracked"])
        assert not tracked & set(scene.said["untracked"])
        assert not is_collecting(memory, target.layout, target.runtime_address)


def test_collection_under_way_is_seen(interpreter: Interpreter) -> None:
    with start_target("roots_collecting.py", python=interpreter.path) as process:
        target = inspect_target(process.pid)
        memory = ProcessMemory(process.pid)
        assert is_collecting(memory, target.layout, target.runtime_address)


def test_thread_that_computes_holds_the_lock(interpreter: Interpreter) -> None:
    with start_target("roots_busy.py", python=interpreter.path) as process:
        target = inspect_target(process.pid)
        limit = time.monotonic() + POLL_LIMIT_S
        holds_gil = False
        while not holds_gil and time.monotonic() < limit:  # it may still be writing its first line
            memory = ProcessMemory(process.pid)
            roots = find_roots(memory, target.layout, target.runtime_address)
            (thread,) = roots.threads
            holds_gil = thread["holds_gil"]
        assert holds_gil


def test_many_modules_and_threads_take_few_reads(interpreter: Interpreter) -> None:
    with start_target("roots_many.py", python=interpreter.path) as process:
        target = inspect_target(process.pid)
        memory = CountingMemory(process.pid)
        roots = find_roots(memory, target.layout, target.runtime_address)
        modules = roots.kinds.count(RootKind.MODULE)
        assert modules > 2000
        assert len(roots.threads) == 65
        assert len(roots.frames) > 64 * 11
        # 4 to 7 a module, 20 to 25 a frame; the search for the interned strings takes some thousand
        assert memory.reads < 10 * modules + 30 * len(roots.frames) + 10_000
