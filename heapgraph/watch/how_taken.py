"""Why a process stood still while its memory was copied, where a gentler way was not open."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from heapgraph.safe_text import begun, printable

if TYPE_CHECKING:
    from collections.abc import Mapping

_PAUSED, _GENTLER = "pause", "clone"
_LONGEST = 300


def why_paused(method: str, passed_over: Mapping[str, Any]) -> str:
    """Why it was not cloned; "" where it was, or was read without any stop.

    Args:
        method: by which it was taken.
        passed_over: the methods that were not taken, and why.
    """
    if method != _PAUSED:
        return ""
    reason = printable(str(passed_over.get(_GENTLER, "")))
    return begun(reason, _LONGEST) or "the reason is not known"


def stood_in_words(pause_ms: float, why: str) -> str:
    """How long a process stood, and why; for the log."""
    return f"it stood still for {pause_ms:.0f} ms, as it could not be cloned: {why}"
