"""Objects of every shape, read from live targets of every version."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from heapgraph.capture.cpython.objects import ObjectReader
from heapgraph.capture.live.target import inspect_target
from heapgraph.capture.process.memory import ProcessMemory, UnreadableMemory
from helpers.interpreters import each_interpreter
from helpers.running_target import start_target

if TYPE_CHECKING:
    from collections.abc import Iterator

    from helpers.interpreters import Interpreter


@pytest.fixture(scope="module", params=each_interpreter())
def scene(request: pytest.FixtureRequest) -> Iterator[tuple[Any, ObjectReader]]:
    interpreter: Interpreter = request.param
    with start_target("roots_objects.py", python=interpreter.path) as process:
        target = inspect_target(process.pid)
        reader = ObjectReader(ProcessMemory(process.pid), target.layout)
        yield json.loads(process.ready), reader


def test_strings_of_every_width(scene: tuple[Any, ObjectReader]) -> None:
    said, reader = scene
    for address, text in said["strings"]:
        assert reader.read_str(address, 10_000) == text
        assert reader.read_str(address, 3) == text[:3]


def test_string_whose_characters_lie_elsewhere(scene: tuple[Any, ObjectReader]) -> None:
    said, reader = scene
    address, text = said["non_compact"]
    assert reader.read_str(address) == text


def test_integers_of_every_size_and_sign(scene: tuple[Any, ObjectReader]) -> None:
    said, reader = scene
    for address, number in said["integers"]:
        assert reader.read_int(address) == int(number)


def test_dicts_of_every_shape(scene: tuple[Any, ObjectReader]) -> None:
    said, reader = scene
    for address, items in said["dicts"]:
        assert list(reader.iter_dict(address)) == [tuple(item) for item in items]


def test_dict_with_more_entries_than_allowed_is_refused(scene: tuple[Any, ObjectReader]) -> None:
    said, reader = scene
    address, items = max(said["dicts"], key=lambda entry: len(entry[1]))
    with pytest.raises(UnreadableMemory):
        list(reader.iter_dict(address, max_items=len(items) - 1))


def test_sequences(scene: tuple[Any, ObjectReader]) -> None:
    said, reader = scene
    assert list(reader.iter_tuple(said["tuple"][0])) == said["tuple"][1]
    assert list(reader.iter_list(said["list"][0])) == said["list"][1]
    assert reader.read_bytes(said["bytes"][0]) == bytes.fromhex(said["bytes"][1])
    for read, address in (
        (reader.iter_tuple, said["list"][0]),
        (reader.iter_list, said["tuple"][0]),
        (reader.iter_dict, said["list"][0]),
    ):
        with pytest.raises(UnreadableMemory):
            list(read(address))


def test_attributes_of_instances(scene: tuple[Any, ObjectReader]) -> None:
    said, reader = scene
    for address, attributes in said["instances"]:
        found = {name: reader.get_attribute(address, name) for name in attributes}
        assert found == attributes
        assert reader.get_attribute(address, "missing") is None


def test_objects_without_attributes_have_none(scene: tuple[Any, ObjectReader]) -> None:
    said, reader = scene
    assert [reader.get_attribute(address, "color") for address in said["bare"]] == [None] * 3


def test_names_of_types(scene: tuple[Any, ObjectReader]) -> None:
    said, reader = scene
    assert [reader.type_name(address) for address, _ in said["types"]] == [
        name for _, name in said["types"]
    ]


def test_modules_are_told_from_other_objects(scene: tuple[Any, ObjectReader]) -> None:
    said, reader = scene
    assert all(reader.is_module(address) for address in said["modules"])
    assert not any(reader.is_module(address) for address in said["no_modules"])


def test_objects_are_told_from_other_words(scene: tuple[Any, ObjectReader]) -> None:
    said, reader = scene
    addresses = [address for address, _ in said["strings"] + said["integers"] + said["dicts"]]
    assert all(reader.is_object(address) for address in addresses)
    wrong = [0, 1, 8, 2**63, 2**64 - 8, *(address + 8 for address in addresses)]
    assert not any(reader.is_object(address) for address in wrong)
