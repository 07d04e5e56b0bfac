"""What most tests of the browser look at."""

from __future__ import annotations

import pytest

from helpers.app_heap import app_heap, graph_of
from helpers.browser import session_of


@pytest.fixture(scope="module")
def heap():
    """The heap of the drawing in helpers/app_heap.py."""
    return app_heap()


@pytest.fixture(scope="module")
def session(heap):
    """A session on it."""
    return session_of(graph_of(heap))
