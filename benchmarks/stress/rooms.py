"""The rooms by their names, in the order of the report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.stress.endings import run_endings
from benchmarks.stress.freeze_room import run_freezes
from benchmarks.stress.kill_room import run_kills
from benchmarks.stress.pauses import run_pauses
from benchmarks.stress.printing import run_printing

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.stress.options import Options
    from benchmarks.stress.results import Result

ROOMS: dict[str, Callable[[Options], Result]] = {
    "freezes": run_freezes,
    "kills": run_kills,
    "endings": run_endings,
    "printing": run_printing,
    "pauses": run_pauses,
}
