"""Runs one drill in this process and prints its result: `python -m heapgraph.watch.drill NAME`.

`heapgraph drill` runs this as the first process of namespaces.
"""

from __future__ import annotations

import json
import sys

from heapgraph.watch.drill.registry import find_drill
from heapgraph.watch.drill.run import run_here


def main() -> None:
    """Run the drill that the argument names."""
    drill = find_drill(sys.argv[1])
    if drill is None:
        sys.exit(f"there is no drill {sys.argv[1]}")
    sys.stdout.write(json.dumps(run_here(drill).to_dict()) + "\n")


if __name__ == "__main__":
    main()
