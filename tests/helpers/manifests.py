"""A manifest as a good capture of a small program has it."""

from __future__ import annotations

import secrets
from typing import Any


def good_manifest() -> dict[str, Any]:
    """All that a capture says; the writer adds the rest."""
    return {
        "tool_version": "0.1.0",
        "snapshot_id": secrets.token_hex(16),  # it is the key of the cache of derived arrays
        "created": "2026-01-02T03:04:05Z",
        "target": {
            "pid": 4711,
            "executable": "/usr/bin/python3.13",
            "command_line": ["/usr/bin/python3.13", "app.py"],
            "python_version": "3.13.0",
            "python_build": "main",
            "rss": 64 * 2**20,
            "hostname": "example",
            "started": "2026-01-02T03:00:00Z",
        },
        "capture": {
            "method": "clone",
            "pause_ms": 4.5,
            "seconds": 1.5,
            "phases": {"freeze": 0.1, "walk": 1.0, "write": 0.4},
            "memory_read": 64 * 2**20,
        },
        "interpreter": {
            "gc_enabled": True,
            "gc_thresholds": [700, 10, 10],
            "gc_counts": [321, 4, 2],
            "gc_frozen": 0,
            "gc_disabled_in": 0,
            "interpreters": 1,
            "tracemalloc": False,
            "tracemalloc_frames": 0,
            "tracemalloc_bytes": 0,
            "flags": {"debug": 0, "optimize": 0, "dev_mode": 0},
        },
        "quality": {
            "invalid_references": 0,
            "list_breaks": 0,
            "negative_refcounts": 0,
            "surplus_refcounts": 0,
            "reached_from_named_roots": 1.0,
            "c_held": 0,
            "c_held_types": 0.0,
            "garbage": 0,
            "immortal_unreached": 0,
            "collecting": False,
            "attempts": 1,
            "scanned_types": {},
            "traversed_objects": 0,
            "traverse_faults": {},
            "traverse": {},
            "grade": "good",
            "reasons": [],
        },
        "redacted": False,
    }
