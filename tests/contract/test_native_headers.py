"""The C headers of the compiled libraries and their Python faces declare the same."""

from __future__ import annotations

import ctypes
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from heapgraph.capture.types.rule import BlockContents, BufferCount
from heapgraph.model import NO_LABEL, UNREACHABLE, VIRTUAL_ROOT
from heapgraph.native import library
from heapgraph.native.graph_library import BAD_ARGUMENT, GRAPH_INTERFACE, OUT_OF_MEMORY
from heapgraph.native.library import NativeLibraryError, load_interface
from heapgraph.native.walked_columns import LATE_COLUMNS, WIDE
from heapgraph.native.walker_library import WALKER_INTERFACE
from heapgraph.native.walker_structs import ABSENT, ColumnPointers, LargeValues, WalkerStatus
from helpers.c_header import Header, read_header

if TYPE_CHECKING:
    from enum import IntEnum

    from heapgraph.native.library import Interface

REPOSITORY = Path(__file__).resolve().parents[2]
INTERFACES = [GRAPH_INTERFACE, WALKER_INTERFACE]
SCALARS: dict[str, type[Any]] = {
    "int": ctypes.c_int,
    "int64_t": ctypes.c_int64,
    "uint8_t": ctypes.c_uint8,
    "uint16_t": ctypes.c_uint16,
    "uint32_t": ctypes.c_uint32,
    "uint64_t": ctypes.c_uint64,
}


@pytest.fixture(params=INTERFACES, ids=lambda interface: interface.library)
def interface(request: pytest.FixtureRequest) -> Interface:
    wanted: Interface = request.param
    return wanted


def header_of(interface: Interface) -> Header:
    return read_header(REPOSITORY / interface.header)


def is_same(declared: Any, c_type: str, interface: Interface) -> bool:
    """Whether ctypes passes and reads what C declares; c_void_p passes any address but a text."""
    if c_type == "void":
        return declared is None
    if c_type == "char *":
        return declared is ctypes.c_char_p
    if c_type.endswith(" *"):
        inner = c_type.removesuffix(" *")
        if declared is ctypes.c_void_p:
            return True
        return hasattr(declared, "_type_") and is_same(declared._type_, inner, interface)
    return declared is not None and declared is (SCALARS | dict(interface.structs)).get(c_type)


def differences_of_functions(interface: Interface, header: Header) -> list[str]:
    found = [name for name in header.functions if name not in interface.functions]
    for name, (result, arguments) in interface.functions.items():
        function = header.functions.get(name)
        if function is None or len(function.arguments) != len(arguments):
            found.append(name)
            continue
        pairs = zip((result, *arguments), (function.result, *function.arguments), strict=True)
        found += [
            f"{name}: {c_type}" for mine, c_type in pairs if not is_same(mine, c_type, interface)
        ]
    return found


def differences_of_structs(interface: Interface, header: Header) -> list[str]:
    found = [name for name in header.structs if name not in interface.structs]
    for name, structure in interface.structs.items():
        mine = [(field[0], field[1]) for field in structure._fields_]
        members = header.structs.get(name, [])
        if [member for member, _ in mine] != [member for member, _ in members]:
            found.append(f"{name}: {[member for member, _ in members]}")
            continue
        found += [
            f"{name}.{member}: {c_type}"
            for (member, declared), (_, c_type) in zip(mine, members, strict=True)
            if not is_same(declared, c_type, interface)
        ]
    return found


def test_every_function_has_its_types(interface: Interface) -> None:
    assert differences_of_functions(interface, header_of(interface)) == []


def test_every_struct_has_its_members(interface: Interface) -> None:
    assert differences_of_structs(interface, header_of(interface)) == []


def test_the_version_is_that_of_the_header_and_of_the_library(interface: Interface) -> None:
    (version,) = (
        number for name, number in header_of(interface).numbers.items() if name.endswith("_VERSION")
    )
    assert interface.version == version
    assert getattr(library.load(interface.library), interface.version_function)() == version


def test_every_function_of_the_header_is_exported(interface: Interface) -> None:
    compiled = ctypes.CDLL(str(library.library_path(interface.library)))
    assert [name for name in header_of(interface).functions if not hasattr(compiled, name)] == []


def test_statuses_of_the_kernels_have_their_texts() -> None:
    header = header_of(GRAPH_INTERFACE)
    statuses = header.enums["hg_status"]
    assert statuses["HG_OK"] == 0
    assert statuses["HG_OUT_OF_MEMORY"] == OUT_OF_MEMORY
    assert sorted(statuses.values()) == [0, OUT_OF_MEMORY, *BAD_ARGUMENT]
    assert header.numbers["HG_VIRTUAL_ROOT"] == VIRTUAL_ROOT
    assert header.numbers["HG_UNREACHABLE"] == UNREACHABLE


@pytest.mark.parametrize(
    ("name", "prefix", "mirror"),
    [
        ("hg_walker_status", "HG_WALKER_", WalkerStatus),
        ("hg_buffer_count", "HG_BUFFER_COUNT_", BufferCount),
        ("hg_block_contents", "HG_BLOCK_", BlockContents),
    ],
)
def test_numbers_of_the_walker_have_one_meaning(
    name: str, prefix: str, mirror: type[IntEnum]
) -> None:
    enumerators = header_of(WALKER_INTERFACE).enums[name]
    assert enumerators == {f"{prefix}{member.name}": member.value for member in mirror}


def test_reserved_numbers_of_the_walker() -> None:
    numbers = header_of(WALKER_INTERFACE).numbers
    assert (numbers["HG_ABSENT"], numbers["HG_NO_ROW"]) == (ABSENT, NO_LABEL)


def test_narrow_columns_are_those_with_values_beside_them() -> None:
    columns = {field[0] for field in ColumnPointers._fields_}
    assert list(WIDE) == [field[0] for field in LargeValues._fields_]
    assert columns >= LATE_COLUMNS


CHANGES = [
    ("uint64_t references;", "uint32_t references;"),
    ("uint64_t references;", ""),
    ("int64_t pointer;", "int64_t pointer; int64_t more;"),
    ("const uint16_t *type;", "const uint32_t *type;"),
    ("hg_walker_free(hg_walker *walker)", "hg_walker_free(hg_walker *walker, int at_once)"),
    ("hg_walker_complete(", "hg_walker_complete_now("),
    ("uint64_t hg_walker_progress", "uint32_t hg_walker_progress"),
    ("hg_range range, int *whole", "uint64_t range, int *whole"),
    ("} hg_traverse_job;", "} hg_traverse_job;\ntypedef struct hg_new { int member; } hg_new;"),
]


@pytest.mark.parametrize(("old", "new"), CHANGES)
def test_a_header_that_drifted_is_seen(tmp_path: Path, old: str, new: str) -> None:
    original = REPOSITORY / WALKER_INTERFACE.header
    text = original.read_text()
    assert old in text
    shutil.copytree(original.parent, tmp_path, dirs_exist_ok=True)
    changed = tmp_path / "walker.h"
    changed.write_text(text.replace(old, new))
    header = read_header(changed)
    differences = differences_of_functions(WALKER_INTERFACE, header)
    assert differences + differences_of_structs(WALKER_INTERFACE, header)


@pytest.mark.parametrize("function_name", ["hg_walker_version", "hg_no_such_function"])
def test_a_library_of_another_version_is_refused(function_name: str) -> None:
    other = replace(WALKER_INTERFACE, version=99, version_function=function_name)
    with pytest.raises(NativeLibraryError) as failure:
        load_interface(other)
    what, cause, hint = failure.value.parts()
    assert "libheapgraph_walker.so" in what
    assert "not version 99" in what
    assert ("no version" in what) == (function_name == "hg_no_such_function")
    assert "other sources" in cause
    assert "pip install" in hint
