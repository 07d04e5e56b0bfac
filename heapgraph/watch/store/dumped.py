"""Of which process a snapshot file is, read without the libraries that read the rest of it."""

from __future__ import annotations

import json
import zipfile
from datetime import datetime
from typing import TYPE_CHECKING

from heapgraph.capture.process.start_time import start_time

if TYPE_CHECKING:
    from pathlib import Path

    from heapgraph.watch.model import ProcessKey

_MANIFEST = "manifest.json"
_LONGEST_MANIFEST = 16 * 2**20
_TOLERANCE_S = 2.0
"""The manifest has whole seconds, and the boot time of the kernel has, too."""


def is_of_process(path: Path, key: ProcessKey) -> bool:
    """Whether a snapshot that we have just had taken is of the process that was meant.

    Args:
        path: the file.
        key: the process.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            if archive.getinfo(_MANIFEST).file_size > _LONGEST_MANIFEST:
                return False
            target = json.loads(archive.read(_MANIFEST))["target"]
        started = datetime.fromisoformat(target["started"]).timestamp()
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile):
        return False
    return target["pid"] == key.pid and abs(started - start_time(key.started)) <= _TOLERANCE_S
