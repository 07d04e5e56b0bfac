"""The tables of rules: whole, and resolved to what one CPython has."""

from __future__ import annotations

import pytest

from heapgraph.capture.cpython.layouts import NEWEST_MINOR, OLDEST_MINOR, layout_for
from heapgraph.capture.types.resolving import resolve
from heapgraph.capture.types.rule import Buffer, BufferCount, Field, TypeRule
from heapgraph.capture.types.rules import TYPE_RULES
from helpers.interpreters import MINORS


def places(rule: TypeRule) -> list[str]:
    """The names of layout fields that a rule asks for."""
    found = [field.where for field in rule.fields]
    for buffer in rule.buffers:
        found += [buffer.pointer, buffer.count, buffer.flag]
    return [place for place in [*found, rule.scan_from] if isinstance(place, str)]


@pytest.mark.parametrize(("name", "rule"), TYPE_RULES.items())
def test_every_place_is_a_field_of_some_version(name: str, rule: TypeRule) -> None:
    known = set().union(
        *(layout_for((3, minor)).fields for minor in range(OLDEST_MINOR, NEWEST_MINOR + 1))
    )
    assert set(places(rule)) <= known, name


@pytest.mark.parametrize("minor", MINORS)
def test_what_a_version_lacks_is_left_out(minor: int) -> None:
    fields = layout_for((3, minor)).fields
    queue = resolve(TYPE_RULES["_queue.SimpleQueue"], fields, (3, minor, 0))
    pointers = [buffer.pointer for buffer in queue.buffers]
    assert pointers == [fields["simplequeue.items" if minor >= 13 else "simplequeue.lock"]]
    code = resolve(TYPE_RULES["code"], fields, (3, minor, 0))
    assert ("co_qualname" in {field.name for field in code.fields}) == (minor >= 11)


def test_numbers_stand_for_themselves_and_names_for_the_layout() -> None:
    rule = TypeRule(
        fields=(Field(16, "first"), Field("a.b", "second"), Field("a.none", "third")),
        buffers=(Buffer("a.b", 0, 4, BufferCount.ONE, flag="a.c"), Buffer("a.none", 8, 1)),
        scan_from="a.c",
    )
    found = resolve(rule, {"a.b": 24, "a.c": 40}, (3, 12, 0))
    assert [(field.offset, field.name) for field in found.fields] == [(16, "first"), (24, "second")]
    assert [(b.pointer, b.count, b.flag) for b in found.buffers] == [(24, 0, 40)]
    assert found.scan_from == 40
