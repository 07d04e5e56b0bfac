"""Objects read from the memory of the test process itself, and from memory that makes no sense."""

from __future__ import annotations

import collections
import os
import sys
from contextlib import suppress

import pytest

from heapgraph.capture.cpython.layouts import layout_for
from heapgraph.capture.cpython.objects import ObjectReader
from heapgraph.capture.process.memory import ProcessMemory, UnreadableMemory
from helpers.scattered_memory import ScatteredMemory

VERSIONS = [(3, minor) for minor in range(8, 16)]


class Sample:
    def __init__(self) -> None:
        self.color = "red"


@pytest.fixture
def reader() -> ObjectReader:
    """Reads this very process."""
    return ObjectReader(ProcessMemory(os.getpid()), layout_for(sys.version_info[:2]))


@pytest.mark.parametrize("text", ["", "plain", "caf\u00e9", "\u4e16", "\U0001f40d", "\ud800"])
def test_str(reader: ObjectReader, text: str) -> None:
    assert reader.read_str(id(text)) == text


@pytest.mark.parametrize("number", [0, -1, 2**30, -(2**60), 10**200])
def test_int(reader: ObjectReader, number: int) -> None:
    assert reader.read_int(id(number)) == number


@pytest.mark.parametrize("table", [{}, {"a": 1, "b": 2}, {1: "a", "b": None}, Sample().__dict__])
def test_dict(reader: ObjectReader, table: dict[object, object]) -> None:
    assert list(reader.iter_dict(id(table))) == [(id(k), id(v)) for k, v in table.items()]


def test_dict_lookup_compares_text(reader: ObjectReader) -> None:
    table = {1: "no text", "naive": 1, "na\u00efve": "found"}
    assert reader.dict_get(id(table), "na\u00efve") == id(table["na\u00efve"])
    assert reader.dict_get(id(table), "missing") is None


def test_attribute_with_and_without_a_dict(reader: ObjectReader) -> None:
    sample = Sample()
    assert reader.get_attribute(id(sample), "color") == id(sample.color)
    assert vars(sample)
    assert reader.get_attribute(id(sample), "color") == id(sample.color)


def test_type_names_have_their_module_unless_builtin(reader: ObjectReader) -> None:
    expected = {int: "int", collections.deque: "collections.deque", Sample: f"{__name__}.Sample"}
    assert {cls: reader.type_name(id(cls)) for cls in expected} == expected


@pytest.mark.parametrize(
    "method", ["read_str", "read_int", "iter_dict", "iter_tuple", "read_bytes"]
)
@pytest.mark.parametrize("address", [0, 8, 1 << 46, 1 << 63, (1 << 64) - 8])
def test_address_of_nothing_is_unreadable(reader: ObjectReader, method: str, address: int) -> None:
    with pytest.raises(UnreadableMemory):
        next(iter(getattr(reader, method)(address)))


@pytest.mark.parametrize("method", ["read_str", "read_int", "iter_dict", "iter_list", "read_bytes"])
def test_object_of_another_type_is_refused(reader: ObjectReader, method: str) -> None:
    other = object()
    with pytest.raises(UnreadableMemory):
        next(iter(getattr(reader, method)(id(other))))


def test_long_text_and_many_items_are_bounded(reader: ObjectReader) -> None:
    text, items, number, raw = "x" * 100_000, [None] * 1000, 1 << 200_000, bytes(1000)
    assert reader.read_str(id(text)) == "x" * 4096
    for read in (
        lambda: list(reader.iter_list(id(items), 999)),
        lambda: reader.read_bytes(id(raw), 999),
        lambda: reader.read_int(id(number)),
    ):
        with pytest.raises(UnreadableMemory):
            read()


@pytest.mark.parametrize("version", VERSIONS)
def test_senseless_memory_never_hangs_or_breaks_the_reader(version: tuple[int, int]) -> None:
    answers = 0
    for seed in range(40):
        reader = ObjectReader(ScatteredMemory(seed), layout_for(version))
        for address in (8, 1024, 4096, 30_000):
            for read in (
                reader.read_str,
                reader.read_int,
                reader.is_object,
                reader.is_module,
                reader.type_name,
                lambda place, r=reader: r.get_attribute(place, "name"),
                lambda place, r=reader: list(r.iter_dict(place)),
                lambda place, r=reader: list(r.iter_tuple(place)),
            ):
                with suppress(UnreadableMemory):
                    read(address)
                    answers += 1
    assert answers > 100
