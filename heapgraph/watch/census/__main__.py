"""Takes one census, as a program: `python -m heapgraph.watch.census PID STARTED`.

It loads the libraries of a dump, which the daemon never does: numpy and the walker. The daemon has
it done by a server that has loaded them (`server`), and runs this where that cannot be had.
"""

from __future__ import annotations

import os
import sys

from heapgraph.watch.census.child import take_census
from heapgraph.watch.census.own_memory import keep_small

if __name__ == "__main__":
    keep_small()
    code = take_census(sys.argv[1:])
    sys.stdout.flush()
    os._exit(code)  # nothing is to be put away: freeing a heap takes a tenth of the time
