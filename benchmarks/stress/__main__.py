"""Tries to harm targets by freezing, dumping and killing, and prints what came of it.

    python -m benchmarks.stress [--rooms freezes,kills,...] [--kinds NAME,...] [--methods ...]
                                [--freezes N] [--kills N] [--dumps N] [--python EXE]
                                [--against FOLDER] [--json FILE] [--output FILE]

Rooms: freezes (every kind of target by every method), kills (of the helper, the dump and the
clone), endings (a target that dies or becomes another program meanwhile), printing (`python -u`
into a slow pipe), pauses (by heartbeat). Needs the privilege to trace its own targets; what needs
more says so and is left out. Exit code 1 when a target was harmed.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.report import describe_host
from benchmarks.stress.checkouts import other_checkout, this_checkout
from benchmarks.stress.kinds import chosen_kinds, every_kind
from benchmarks.stress.options import Options, methods_of
from benchmarks.stress.rooms import ROOMS

if TYPE_CHECKING:
    from collections.abc import Sequence


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.stress", description=__doc__)
    parser.add_argument("--rooms", default=",".join(ROOMS), help="default: all")
    parser.add_argument("--kinds", default="", help="names, programs or patterns (default: all)")
    parser.add_argument("--methods", default="", help="default: all that the code has")
    parser.add_argument("--freezes", type=int, default=20, help="of each kind by each method")
    parser.add_argument("--kills", type=int, default=100, help="at most, of each sort")
    parser.add_argument("--dumps", type=int, default=50, help="of the target that prints")
    parser.add_argument("--python", default=sys.executable, help="interpreter of the targets")
    parser.add_argument("--against", type=Path, help="another checkout, with a .venv of its own")
    parser.add_argument("--size", type=int, default=1024, help="MiB of the large target")
    parser.add_argument("--json", type=Path, help="write everything to this file")
    parser.add_argument("--output", type=Path, help="also write the tables to this file")
    parser.add_argument("--list", action="store_true", help="name all kinds and end")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the rooms; 1 when a target was harmed."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # and clean up
    given = parse(arguments)
    if given.list:
        print("\n".join(kind.name for kind in every_kind()))
        return 0
    chosen_kinds(given.kinds)  # a name that is wrong is said now
    checkouts = [this_checkout()]
    if given.against:
        checkouts.append(other_checkout(given.against))
    wanted = [name for name in given.methods.split(",") if name]
    options = Options(
        given.kinds,
        {checkout.name: methods_of(checkout, wanted) for checkout in checkouts},
        given.freezes,
        given.kills,
        given.dumps,
        given.python,
        tuple(checkouts),
        given.size,
    )
    texts, document, harmed = [describe_host() + ".\n"], dict[str, Any](), 0
    for name in given.rooms.split(","):
        if name not in ROOMS:
            sys.exit(f"no room is called {name!r}; there are {', '.join(ROOMS)}")
        result = ROOMS[name](options)
        texts.append(f"### {name}\n\n{result.text}")
        document[name] = result.document
        harmed += result.harmed
        print(texts[-1], flush=True)
    if given.json:
        given.json.write_text(json.dumps({"host": texts[0], **document}, indent=1) + "\n")
    if given.output:
        given.output.write_text("\n".join(texts))
    print(f"{texts[0]}{harmed} rows with harm", flush=True)
    return 1 if harmed else 0


if __name__ == "__main__":
    sys.exit(main())
