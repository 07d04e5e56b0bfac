"""Run one service as a process: `python -m benchmarks.growth_programs NAME MODE BACKGROUND SEED`.

A seed above 0 also makes the run up to half as long again, so that it ends at another moment.

Prints READY after its last request and waits for its input to end. Runs on CPython 3.8 too.
"""

from __future__ import annotations

import argparse  # noqa: F401 - what a service has imported when it starts
import asyncio  # noqa: F401
import email.message  # noqa: F401
import gc
import http.server  # noqa: F401
import logging  # noqa: F401
import random
import sys

from benchmarks.growth_programs.backgrounds import BACKGROUNDS
from benchmarks.growth_programs.modes import MODES
from benchmarks.growth_programs.service import load_all

NAME, MODE, BACKGROUND, SEED = sys.argv[1:]
random.seed(" ".join(sys.argv[1:]))
LONGER = random.uniform(1, 1.5) if SEED != "0" else 1
COLLECTIONS, PREPARE = MODES[MODE]
if PREPARE == "disable":
    gc.disable()
SERVICE = load_all()[NAME]()
SERVICE.requests = int(SERVICE.requests * LONGER)
BESIDE = BACKGROUNDS[BACKGROUND](SERVICE.requests)
if PREPARE == "freeze":
    gc.freeze()


def serve():
    """All requests, with full collections at their times."""
    times = {int(SERVICE.requests * share) for share in COLLECTIONS}
    for number in range(SERVICE.requests):
        if number in times:
            gc.collect()
        BESIDE.request(number)
        SERVICE.request(number)
    if 1.0 in COLLECTIONS:
        gc.collect()


serve()
print("READY", flush=True)
sys.stdin.read()
