"""How far snapshots agree with what each interpreter says of its own objects, as Markdown.

    python -m benchmarks.fidelity [--only NAME,...] [--output FILE]

Dumps the target of the fidelity test on every interpreter that the tests find, has it describe
itself with gc.get_referents and sys.getsizeof, and compares every object that both know. What
disagrees is listed by type.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.report import describe_host, publish, table
from heapgraph.units import format_count

# Targets, interpreters and the comparison are those of the tests.
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from helpers.fidelity import dump_and_compare
from helpers.interpreters import Interpreter, each_interpreter

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterator, Sequence

    from heapgraph.capture.captured import DumpResult
    from helpers.fidelity import Fidelity

HEAD = (
    "interpreter",
    "kinds",
    "types compared",
    "GC objects",
    "same referents",
    "objects",
    "same size",
    "missing",
    "alive from named roots",
    "C-held",
    "fewer counted than found",
)


def interpreters(only: Sequence[str]) -> Iterator[Interpreter]:
    """The interpreters of the tests; all of them, or those named."""
    for parameter in each_interpreter():
        interpreter = parameter.values[0]
        assert isinstance(interpreter, Interpreter)
        if not interpreter.is_missing and (not only or interpreter.name in only):
            yield interpreter


def row(name: str, kinds: int, result: DumpResult, fidelity: Fidelity) -> list[str]:
    """The figures of one interpreter, in the order of `HEAD`."""
    quality = result.quality
    alive = 1 - quality["garbage"] / result.objects
    named = quality["reached_from_named_roots"] / alive
    return [
        name,
        str(kinds),
        str(len(fidelity.compared)),
        format_count(fidelity.gc_objects),
        f"{fidelity.reference_share:.3%}",
        format_count(fidelity.objects),
        f"{fidelity.size_share:.3%}",
        str(fidelity.missing.total()),
        f"{named:.3%}",
        str(quality["c_held"]),
        str(quality["negative_refcounts"]),
    ]


def differences(found: dict[str, Counter[str]]) -> list[list[str]]:
    """Rows of types that disagree, with the objects that do, by interpreter."""
    types = sorted({name for counter in found.values() for name in counter})
    return [
        [
            f"`{name}`",
            ", ".join(
                f"{version}: {found[version][name]}" for version in found if found[version][name]
            ),
        ]
        for name in types
    ]


def main() -> None:
    """Parse the command line, compare, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fidelity", description=__doc__)
    parser.add_argument("--only", default="", help="interpreters: py3.12,debian-3.11 (default all)")
    parser.add_argument("--output", type=Path, help="also write the tables to this file")
    arguments = parser.parse_args()
    rows, references, sizes = [], {}, {}
    with tempfile.TemporaryDirectory() as folder:
        for interpreter in interpreters([name for name in arguments.only.split(",") if name]):
            print(interpreter.name, file=sys.stderr, flush=True)
            compared = dump_and_compare(str(interpreter.path), Path(folder))
            rows.append(row(interpreter.name, *compared))
            references[interpreter.name] = compared[2].other_references
            sizes[interpreter.name] = compared[2].other_sizes
    text = "\n".join(
        [
            f"{describe_host()}.\n",
            table(HEAD, rows),
            table(["other referents than gc.get_referents", "objects"], differences(references)),
            table(["another size than sys.getsizeof", "objects"], differences(sizes)),
        ]
    )
    publish(text, arguments.output)


if __name__ == "__main__":
    main()
