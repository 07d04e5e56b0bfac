"""The names a program may rely on."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import heapgraph

PUBLIC = [
    "GateFailed",
    "HeapgraphError",
    "ObjectNotFound",
    "Picture",
    "Snapshot",
    "SnapshotFormatError",
    "TargetError",
    "UsageError",
    "__version__",
    "dump",
    "dump_core",
    "open",
]


def test_the_public_names_are_these():
    assert heapgraph.__all__ == PUBLIC
    assert dir(heapgraph) == PUBLIC


@pytest.mark.parametrize("name", PUBLIC)
def test_a_public_name_is_there(name):
    assert getattr(heapgraph, name) is not None


def test_another_name_is_not():
    with pytest.raises(AttributeError, match="no attribute 'attach'"):
        _ = heapgraph.attach


def test_type_checkers_see_the_same_names():
    stub = ast.parse(Path(heapgraph.__file__).with_suffix(".pyi").read_text())
    imported = {
        alias.asname
        for statement in stub.body
        if isinstance(statement, ast.ImportFrom)
        for alias in statement.names
    }
    assert imported | {"__version__"} == set(PUBLIC)
