"""A compiled library that is missing or damaged is explained in three parts."""

import pytest

from heapgraph.native import library
from heapgraph.native.library import NativeLibraryError, load


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(library, "LIBRARY_FOLDER", tmp_path)
    load.cache_clear()
    yield tmp_path
    load.cache_clear()


def test_a_missing_library_names_the_file_and_the_remedy(folder):
    with pytest.raises(NativeLibraryError, match=r"libheapgraph_graph\.so") as failure:
        load("graph")
    what, cause, hint = failure.value.parts()
    assert str(folder) in what
    assert "compiled part" in cause
    assert "pip install" in hint


def test_a_library_the_loader_refuses_names_its_reason(folder):
    (folder / "libheapgraph_graph.so").write_bytes(b"not a library")
    with pytest.raises(NativeLibraryError, match="cannot be loaded") as failure:
        load("graph")
    assert len(failure.value.parts()) == 3


def test_a_library_is_loaded_once():
    assert load("graph") is load("graph")
