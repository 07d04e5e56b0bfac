"""The tables of offsets: whole, refused when there is none, and made from the headers again."""

from __future__ import annotations

import importlib.util
import re
import sys
from dataclasses import fields
from enum import IntEnum
from pathlib import Path
from typing import Any

import pytest

from heapgraph.capture.cpython.layouts import layout_for, layouts_for
from heapgraph.capture.cpython.layouts.kinds import KINDS, Kinds
from heapgraph.capture.cpython.probe import PUBLISHED
from heapgraph.errors import UnsupportedPython
from helpers.interpreters import MINORS, each_version_with_headers, header_folders

REPOSITORY = Path(__file__).resolve().parents[4]
TABLES = REPOSITORY / "heapgraph" / "capture" / "cpython" / "layouts"

MAY_MOVE = (
    *("rt.size", "rt.interned", "rt.managed_static_types", "is.size", "is.interned", "is.static_"),
    *("is.asyncio_", "ts.size", "ts.impl_size", "ts.asyncio_", "excgroup.exceptions_str"),
)
"""Ends and tails of large structs: releases move them, and nothing relies on them unchecked."""


@pytest.fixture(scope="module")
def generator() -> Any:
    path = REPOSITORY / "native" / "layouts" / "generate.py"
    spec = importlib.util.spec_from_file_location("generate_layouts", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up by name
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("minor", each_version_with_headers())
def test_headers_give_the_table_in_the_repository(generator: Any, minor: int) -> None:
    headers = [generator.read_headers(folder) for folder in header_folders(minor)]
    layouts = {layout.headers_used: layout for layout in layouts_for((3, minor))}
    if {each.release for each in headers} == set(layouts):
        assert generator.render(headers) == (TABLES / f"cpython-3.{minor}.toml").read_text()
        return
    for each in headers:  # the distribution has a newer release than the table was made from
        assert any(
            steady(each.values) == steady(dict(layout.fields)) for layout in layouts.values()
        ), f"{each.release} needs a revision: run native/layouts/generate.py"


def steady(fields: dict[str, int]) -> dict[str, int]:
    return {name: value for name, value in fields.items() if not name.startswith(MAY_MOVE)}


@pytest.mark.parametrize("version", [(2, 7), (3, 7), (3, 16), (4, 10)])
def test_version_without_a_table_is_refused_by_its_number(version: tuple[int, int]) -> None:
    with pytest.raises(UnsupportedPython) as caught:
        layout_for(version)
    assert ".".join(map(str, version)) in caught.value.what
    assert len(caught.value.parts()) == 3


@pytest.mark.parametrize("minor", MINORS)
def test_layout_says_what_it_is_and_cannot_be_changed(minor: int) -> None:
    layout = layout_for((3, minor))
    assert layout.version == (3, minor)
    assert layout.headers_used.startswith(f"3.{minor}.")
    with pytest.raises(TypeError):
        layout.fields["obj.type"] = 0


@pytest.mark.parametrize("minor", MINORS)
def test_what_is_published_is_a_field_of_the_layout(minor: int) -> None:
    fields = layout_for((3, minor)).fields
    published = [name.removeprefix(PUBLISHED) for name in fields if name.startswith(PUBLISHED)]
    assert set(published) <= set(fields)
    assert bool(published) == (minor >= 13)


def test_revision_of_a_later_release_changes_only_what_it_names() -> None:
    first, later = layouts_for((3, 13))
    changed = {name for name, value in later.fields.items() if first.fields.get(name) != value}
    assert "gc.generations" in changed
    assert len(changed) < 12


def test_field_list_refuses_a_line_it_does_not_understand(generator: Any) -> None:
    with pytest.raises(generator.GeneratorError, match="no versions here"):
        generator.read_lines("tp.name   no versions here")


def test_versions_of_a_field_are_read(generator: Any) -> None:
    text = "a *  S.m\nb 3.12  sizeof(S)\nc 3.8-3.10  struct s.m.n\nd 3.13-  8"
    fields = generator.read_lines(text)
    assert [(f.first, f.last) for f in fields] == [(0, 99), (12, 12), (8, 10), (13, 99)]
    assert [generator.in_c(f.value) for f in fields] == [
        "offsetof(S, m)",
        "sizeof(S)",
        "offsetof(struct s, m.n)",
        "8",
    ]


def test_width_is_the_members_or_what_is_said(generator: Any) -> None:
    assert generator.width_in_c("struct s.m") == "WIDTH(((struct s *)0)->m)"
    assert generator.width_in_c("S.bits as u4") == '"u4"'
    assert generator.in_c("S.bits as u4") == "offsetof(S, bits)"
    assert generator.width_in_c("sizeof(S)") == '"-"'


@pytest.mark.parametrize("minor", MINORS)
def test_fields_have_the_width_that_c_gives_them(minor: int) -> None:
    widths = layout_for((3, minor)).widths
    assert widths["code.firstlineno"] == widths["ndarray.nd"] == "i4"
    assert widths["uni.state"] == "u4"
    assert "list.allocated" not in widths
    assert set(widths) <= set(layout_for((3, minor)).fields)


@pytest.mark.parametrize("minor", MINORS)
def test_every_kind_has_one_value_in_every_version(minor: int) -> None:
    kinds = layout_for((3, minor)).kinds
    assert len(kinds.as_fields()) == len(KINDS)
    assert all(isinstance(getattr(kinds, part.name), IntEnum) for part in fields(kinds))


def test_table_with_a_missing_or_unknown_kind_is_refused() -> None:
    table = {part.name: "no" for part in fields(Kinds)}
    with pytest.raises(KeyError, match="NO"):
        Kinds.from_table(table)
    with pytest.raises(ValueError, match="the table has more"):
        Kinds.from_table({"more": "yes"})


def test_the_walker_numbers_the_kinds_alike() -> None:
    header = (REPOSITORY / "native" / "walker" / "types" / "kinds.hpp").read_text()
    rows = re.findall(r"^ +KIND\((.*?)\)", header, re.MULTILINE)
    native = {name: values for name, *values in (row.split(", ") for row in rows)}
    assert native == {name: [value.name.lower() for value in kind] for name, kind in KINDS.items()}
