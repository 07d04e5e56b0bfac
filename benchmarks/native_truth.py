"""Bytes really freed beside what heapgraph predicts, of objects that own memory of C code.

    python -m benchmarks.native_truth [--python PROGRAM] [--payload NAME] [--beside MIB]
                                      [--elsewhere | --shared] [--with NAME] [--output FILE]

Each payload of fixtures/targets/native_payloads.py keeps ten items in a list. It is dumped, then it
drops the list. Predicted is what the list retains: objects exactly, native memory by estimate.
Freed is resident memory after malloc_trim(0); beside it stands what malloc itself says. Targets run
without caches of freed blocks: glibc's keep up to seven of each small size, with the pages around
them, whoever owned them, and jemalloc and mimalloc keep pages for a while. Where items
have much in pages that are not given back one by one (Arrow's pool, small objects), freed is what
these allocators and malloc count. A payload whose package is not installed for that interpreter is
left out, and named. With --shared somebody else has the items as well: nothing may be predicted.
With --with there are ten items of that payload besides, which stay.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks.report import describe_host, publish, table
from heapgraph.analysis.expressions.resolving import resolve
from heapgraph.capture.dump import dump
from heapgraph.graph.heap_graph import HeapGraph
from heapgraph.units import format_size

# Targets are started as the tests start theirs.
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from helpers.running_target import start_target

PAYLOADS = (
    *("ssl_context", "sqlite_connection", "zlib_streams", "bz2_streams", "lzma_stream", "hashes"),
    *("decimals", "xml_parser", "json_tree", "pil_image", "lxml_document", "h5py_file", "forest"),
    *("booster", "tokenizer", "pydantic_validator", "private_keys", "zstd_compressors"),
    *("regex_pattern", "orjson_fragment", "duckdb_connection", "polars_frame", "faiss_index"),
    *("opencv_background", "spacy_vocabulary", "matplotlib_figure", "grpc_channel"),
    *("pq_connections", "curl_handles", "protobuf_message", "numpy_generators", "string_array"),
    *("kd_tree", "ciphers", "cython_map", "mapped_memory", "shared_memory", "parquet_frame"),
    "arrow_table",
)
COUNTED = ("arrow_table", "pydantic_validator", "matplotlib_figure", "grpc_channel", "json_tree")
"""Payloads whose pages hold much besides, buffers of Arrow's pool or many small objects: an arena
of CPython's stays for one object of others. `pyarrow.total_allocated_bytes`, `mallinfo2` and
`sys._debugmallocstats` count what was really given back."""

READY_LIMIT_S = 120.0
_AT_ONCE = "dirty_decay_ms:0,muzzy_decay_ms:0,tcache:false"
WITHOUT_CACHES = {
    "GLIBC_TUNABLES": "glibc.malloc.tcache_count=0",
    "MALLOC_CONF": _AT_ONCE,
    "_RJEM_MALLOC_CONF": _AT_ONCE,
    "DUCKDB_JE_MALLOC_CONF": _AT_ONCE,
    "MIMALLOC_PURGE_DELAY": "0",
}
MOST_SHARED = 1 << 20
"""Bytes of native memory that may be predicted of items that somebody else has as well."""

MEDIAN_ERROR, WITHIN, WITHIN_SHARE, MOST = 0.02, 0.2, 0.9, 1.25
"""The promise: median error, nine of ten within a fifth, none a quarter above."""


@dataclass(frozen=True)
class Measured:
    """One payload; bytes.

    Attributes:
        name: of the payload.
        freed: resident memory that went, or what the library counts.
        from_malloc: bytes of malloc's blocks that went.
        objects: what the items retain without native memory.
        native: the estimate of what they retain of it.
    """

    name: str
    freed: int
    from_malloc: int
    objects: int
    native: int

    @property
    def error(self) -> float:
        """Share of the freed bytes by which the prediction is off."""
        return (self.objects + self.native) / max(self.freed, 1) - 1


def measure(name: str, python: str, options: list[str], folder: Path) -> Measured:
    """Dump, ask, drop.

    Raises:
        EOFError: the payload cannot be made.
    """
    snapshot = folder / f"{name}.heapgraph"
    with start_target(
        "native_payloads.py",
        name,
        *options,
        python=python,
        cwd=folder,
        env=WITHOUT_CACHES,
        ready_limit_s=READY_LIMIT_S,
    ) as target:
        dump(target.pid, snapshot, force=True)
        target.send("drop")
        freed, from_malloc, counted = map(int, target.read_line(READY_LIMIT_S).split())
        if name in COUNTED:
            freed = counted + from_malloc
    graph = HeapGraph.open(snapshot)
    items = resolve(graph, "__main__.ITEMS")
    objects = int(graph.dominators.retained_sizes[items])
    return Measured(name, freed, from_malloc, objects, int(graph.native_retained[items]))


def rows_of(found: list[Measured]) -> list[list[str]]:
    """One row for each payload."""
    return [
        [
            f"`{each.name}`",
            format_size(each.freed),
            format_size(each.from_malloc),
            format_size(each.objects),
            format_size(each.native),
            f"{each.error:+.1%}",
        ]
        for each in found
    ]


def verdict(found: list[Measured]) -> tuple[str, bool]:
    """What all errors say together, and whether the promise is kept."""
    errors = [each.error for each in found]
    median = statistics.median(map(abs, errors))
    within = sum(abs(error) <= WITHIN for error in errors) / len(errors)
    most = 1 + max(errors)
    text = (
        f"{len(found)} payloads: median error {median:.1%}, {within:.0%} within {WITHIN:.0%}, "
        f"the highest prediction {most:.0%} of what was freed\n"
    )
    return text, median <= MEDIAN_ERROR and within >= WITHIN_SHARE and most <= MOST


def verdict_of_shared(found: list[Measured]) -> tuple[str, bool]:
    """What is predicted of items that do not go."""
    most = max(each.native for each in found)
    text = f"{len(found)} payloads: {format_size(most)} of native memory at most predicted\n"
    return text, most <= MOST_SHARED


def main() -> None:
    """Parse the command line, measure, print; exit 1 when the promise is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.native_truth", description=__doc__)
    parser.add_argument("--python", default=sys.executable, help="interpreter of the payloads")
    parser.add_argument("--payload", action="append", help="only this one; repeatable")
    parser.add_argument("--beside", type=int, default=0, help="MiB of other heap in the process")
    parser.add_argument("--elsewhere", action="store_true", help="ten more items that stay")
    parser.add_argument("--shared", action="store_true", help="somebody else has the items too")
    parser.add_argument(
        "--with",
        dest="others",
        action="append",
        default=[],
        choices=PAYLOADS,
        help="items of that payload in the same process; repeatable",
    )
    parser.add_argument("--output", type=Path, help="also write the tables to this file")
    arguments = parser.parse_args()
    options = ["--beside", str(arguments.beside)]
    options += ["--elsewhere"] * arguments.elsewhere + ["--shared"] * arguments.shared
    for other in arguments.others:
        options += ["--with", other]
    found, absent = [], []
    with tempfile.TemporaryDirectory() as folder:
        os.environ["HEAPGRAPH_CACHE"] = folder
        for name in arguments.payload or PAYLOADS:
            try:
                found.append(measure(name, arguments.python, options, Path(folder)))
            except EOFError as error:
                absent.append(f"`{name}` is left out: {str(error).splitlines()[-1]}\n")
    if not found:
        sys.exit("\n".join(absent))
    head = ["payload", "freed", "of malloc", "objects", "native (estimate)", "error"]
    text, kept = verdict_of_shared(found) if arguments.shared else verdict(found)
    text = "\n".join([f"{describe_host()}.\n", table(head, rows_of(found)), *absent, text])
    publish(text, arguments.output)
    if not kept:
        sys.exit(1)


if __name__ == "__main__":
    main()
