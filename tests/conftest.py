"""What holds for all tests."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile

_CACHE = "HEAPGRAPH_CACHE"


def pytest_sessionstart() -> None:
    """Keep what commands keep between runs in a folder of the session.

    And take Ctrl-C as a terminal gives it: whoever starts the tests in the background ignores it.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ[_CACHE] = tempfile.mkdtemp(prefix="heapgraph-cache-")


def pytest_sessionfinish() -> None:
    """Leave nothing behind."""
    shutil.rmtree(os.environ.pop(_CACHE), ignore_errors=True)
