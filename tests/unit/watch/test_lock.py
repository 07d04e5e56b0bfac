"""One daemon has the folder of its store; why another cannot have it is said in words."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from heapgraph.errors import HeapgraphError
from heapgraph.watch.children import how_ended
from heapgraph.watch.daemon.parts import lock_folder

if TYPE_CHECKING:
    from pathlib import Path


def test_a_folder_is_one_daemons_alone(tmp_path: Path):
    """Given a lock that is held, the second is told by which process; later it is free."""
    held = lock_folder(tmp_path)
    with pytest.raises(HeapgraphError, match="is in use") as refused:
        lock_folder(tmp_path)
    assert f"process {os.getpid()}" in refused.value.cause
    os.close(held)
    os.close(lock_folder(tmp_path))


def test_a_folder_in_which_nothing_can_be_made_is_an_error_in_words(tmp_path: Path):
    """Given a folder where no file can be made, the error has the system's reason."""
    with pytest.raises(HeapgraphError, match="cannot be written to") as refused:
        lock_folder(tmp_path / "missing")
    assert refused.value.cause == "No such file or directory"


def test_a_child_that_was_killed_is_said_to_be():
    """Given the codes of children, a signal is no exit code."""
    assert how_ended(-9) == "the child that took it was ended by signal 9"
    assert how_ended(3) == "the child that took it ended with exit code 3"
