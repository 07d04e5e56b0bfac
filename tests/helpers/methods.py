"""Which of the methods of a freeze a test is about."""

from __future__ import annotations

from typing import TYPE_CHECKING
from unittest import mock

from heapgraph.capture.copying import NotTaken

if TYPE_CHECKING:
    from contextlib import AbstractContextManager


def without_idle() -> AbstractContextManager[object]:
    """Most targets of the tests wait for orders, so that the gentlest method would always do."""
    return mock.patch("heapgraph.capture.freeze.copy_idle", side_effect=NotTaken("not wanted"))
