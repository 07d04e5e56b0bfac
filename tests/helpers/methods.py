"""Which of the methods of a freeze a test is about."""

from __future__ import annotations

from typing import TYPE_CHECKING
from unittest import mock

import pytest

from heapgraph.capture.live.copying import NotTaken
from heapgraph.capture.live.freeze import METHODS
from heapgraph.capture.live.precopy import precopy_refusal

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from _pytest.mark import ParameterSet

    from heapgraph.capture.live.frozen import FreezeMethod


def each_method() -> list[ParameterSet]:
    """Parameters of a test, each a method; one that this kernel does not have skips."""
    missing = {"precopy": precopy_refusal()}
    return [
        pytest.param(
            method,
            marks=[pytest.mark.skip(reason=missing[method])] if missing.get(method) else [],
        )
        for method in METHODS
    ]


def methods_here() -> list[FreezeMethod]:
    """The methods that this kernel has."""
    return [method for method in METHODS if method != "precopy" or not precopy_refusal()]


def without_idle() -> AbstractContextManager[object]:
    """Most targets of the tests wait for orders, so that the gentlest method would always do."""
    return mock.patch("heapgraph.capture.live.freeze.copy_idle", side_effect=NotTaken("not wanted"))
