"""Targets that claim more than they have: a dump costs what they have, and says what is wrong."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import dataclass
from itertools import cycle, product
from typing import TYPE_CHECKING, Any

import pytest

from heapgraph.capture.cpython.layouts import layout_for
from helpers.interpreters import is_exhaustive
from helpers.running_target import start_target

if TYPE_CHECKING:
    from pathlib import Path

MAX_BYTES = 1 << 30
MAX_SECONDS = 60
_MEASURE = """
import os, sys
pid = os.posix_spawn(sys.argv[2], sys.argv[2:], os.environ)
_, status, usage = os.wait4(pid, 0)
with open(sys.argv[1], "w") as file:
    file.write(str(usage.ru_maxrss))
sys.exit(os.waitstatus_to_exitcode(status))
"""
"""A small process between: what the kernel tells of a program counts what its parent had before."""

OFFSETS = ("dict.keys", "list.item", "var.size", "tp.traverse")


@dataclass(frozen=True)
class Dumped:
    """What a dump in a process of its own printed and took."""

    result: dict[str, Any]
    peak_bytes: int
    seconds: float


def dump_hostile(kind: str, folder: Path, *options: str) -> Dumped:
    """Dump one; whatever it claims, that takes no more than MAX_BYTES and MAX_SECONDS."""
    fields = layout_for(sys.version_info[:2]).fields
    offsets = [f"{name}={fields[name]}" for name in OFFSETS]
    with start_target("hostile.py", kind, *offsets) as target:
        measured = [sys.executable, "-S", "-c", _MEASURE, str(folder / "peak"), sys.executable]
        command = ["-m", "heapgraph", "dump", str(target.pid), "--json", *options]
        with (folder / "answer").open("w+b") as answer, (folder / "errors").open("wb") as errors:
            begin = time.monotonic()
            ended = subprocess.run(
                [*measured, *command, "-o", str(folder / "x.heapgraph")],
                stdout=answer,
                stderr=errors,
                check=False,
            )
            seconds = time.monotonic() - begin
            answer.seek(0)
            text = answer.read().decode()
    assert ended.returncode == 0, (folder / "errors").read_text()
    dumped = Dumped(json.loads(text), int((folder / "peak").read_text()) * 1024, seconds)
    assert dumped.peak_bytes < MAX_BYTES
    assert dumped.seconds < MAX_SECONDS
    return dumped


@pytest.mark.parametrize(
    ("kind", "grade", "reason"),
    [
        ("lists_of_one_buffer", "poor", "1000 objects claim a table that another one has"),
        ("dicts_of_one_table", "poor", "20000 objects claim a table that another one has"),
        ("list_of_nothing", "good", ""),
        ("page_at_many_addresses", "", ""),
        ("sparse_mapping", "good", ""),
        ("reservations", "good", ""),
        ("visits-for-ever", "", ""),
        ("visits-garbage", "", ""),
    ],
)
def test_a_claim_costs_no_more_than_what_is_there(
    kind: str, grade: str, reason: str, tmp_path: Path
) -> None:
    quality = dump_hostile(kind, tmp_path, "--method", "clone").result["quality"]
    assert not grade or quality["grade"] == grade, quality["reasons"]
    assert any(reason in sentence for sentence in [*quality["reasons"], ""])


COPIED = ("list_of_nothing", "sparse_mapping", "reservations")
COPYING = ("idle", "pause")
COPIES = product(COPIED, COPYING) if is_exhaustive() else zip(COPIED, cycle(COPYING), strict=False)
"""Each kind is copied by one method, each method copies some; in the long form each does all."""


@pytest.mark.parametrize(("kind", "method"), list(COPIES))
def test_nor_does_a_copy(kind: str, method: str, tmp_path: Path) -> None:
    quality = dump_hostile(kind, tmp_path, "--method", method).result["quality"]
    assert quality["grade"] == "good", quality["reasons"]


def test_a_function_that_overwrites_the_stub_is_called_faulty(tmp_path: Path) -> None:
    quality = dump_hostile("overwrites-control", tmp_path).result["quality"]
    assert quality["traverse_faults"]["Odd"] >= 1
