"""`python -m heapgraph`: the same program as `heapgraph`."""

from __future__ import annotations

from heapgraph.cli.main import main

if __name__ == "__main__":
    main()
