"""What is done with the collector: when it runs as a whole, and what is done at the start."""

from __future__ import annotations

TWENTY = tuple((place + 0.5) / 20 for place in range(20))

MODES = {
    "none": ((), ""),
    "one within": ((0.6,), ""),
    "one last": ((1.0,), ""),
    "twenty within": (TWENTY, ""),
    "twenty, one last": ((*TWENTY[:19], 1.0), ""),
    "freeze": ((), "freeze"),
    "disable": ((), "disable"),
}
"""By name: at which parts of the run there is a full collection, and what comes before it."""
