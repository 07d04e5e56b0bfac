"""What holds for all tests."""

from __future__ import annotations

import gc
import os
import shutil
import signal
import tempfile
from itertools import count

_CACHE = "HEAPGRAPH_CACHE"

_TESTS_A_COLLECTION = 20
_ENDED = count(1)

_COLLECT_AFTER = 50_000
"""Objects that a test makes before the collector looks at them."""


def pytest_sessionstart() -> None:
    """Keep what commands keep between runs in a folder of the session.

    And take Ctrl-C as a terminal gives it: whoever starts the tests in the background ignores it.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ[_CACHE] = tempfile.mkdtemp(prefix="heapgraph-cache-")
    gc.disable()


def pytest_collection_finish() -> None:
    """Spare the collector what stays to the end: all tests, and the modules.

    Looking at it again and again took a fifth of the time of the tests of the browser.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER)
    gc.enable()


def pytest_runtest_teardown() -> None:
    """Give back snapshots that cycles hold, and their descriptors, before they are too many."""
    if next(_ENDED) % _TESTS_A_COLLECTION == 0:
        gc.collect()


def pytest_sessionfinish() -> None:
    """Leave nothing behind."""
    shutil.rmtree(os.environ.pop(_CACHE), ignore_errors=True)
