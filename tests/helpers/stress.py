"""The short form of benchmarks.stress for tests: a few freezes of each kind."""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from benchmarks.stress.compiled import NoCompiler, compile_program
from benchmarks.stress.freeze_room import huge_page_pool
from benchmarks.stress.freezes import Skipped, freeze_many
from benchmarks.stress.kinds import chosen_kinds
from benchmarks.stress.trials import Trial
from helpers.processes import read_u64
from helpers.running_target import TARGETS

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.stress.checkouts import Freezer


def harm_of_freezes(
    name: str, method: str, freezes: int, freezer: Freezer, *, with_dumps: bool
) -> Trial:
    """What one kind of target says after some freezes; a kind that cannot run here is skipped.

    A target that nothing disturbs reports 0 of everything, so no control is run. With dumps, every
    third freeze of a few is a whole one.
    """
    (kind,) = [kind for kind in chosen_kinds(name) if kind.name == name]
    with huge_page_pool([kind]):
        try:
            return freeze_many(
                kind, method, freezes, freezer, sys.executable, with_dumps=with_dumps
            )
        except Skipped as reason:
            pytest.skip(f"{name}: {reason}")


def undisturbed(name: str) -> Trial:
    """The control that is expected of a kind."""
    return Trial(name, "none")


def compiled(name: str, folder: Path) -> Path:
    """A program of the suite; the test is skipped where it cannot be compiled."""
    try:
        return compile_program(name, folder)
    except NoCompiler as reason:
        pytest.skip(str(reason))


def kinds_of(program: str) -> set[str]:
    """The names of the kinds that a fixture has."""
    code = f"import json, {program}; print(json.dumps(list({program}.KINDS)))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=TARGETS, capture_output=True, text=True, check=True
    )
    return set(json.loads(done.stdout))


PTRACE_SEIZE, PTRACE_INTERRUPT, PTRACE_DETACH = 0x4206, 0x4207, 17
PTRACE_PEEKUSER, PTRACE_POKEUSER, PTRACE_CONT = 3, 6, 7
R15, INSTRUCTION = 0, 16 * 8  # offsets in struct user of x86_64
WALL = 0x40000000

LOOP = (b"\x48\xff\x0d", b"\x75\xf7")
"""How either instruction of the loop in registers.c begins: decq countdown(%rip), jnz.

Anywhere else, in the same library too, a register may be filled anew before anybody looks at it.
"""


def change_register(pid: int) -> None:
    """Change one register of a target while it computes: harm that its own check must notice."""
    libc = ctypes.CDLL(None, use_errno=True)
    ptrace = libc.ptrace
    ptrace.restype = ctypes.c_long
    ptrace.argtypes = (ctypes.c_long, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
    assert ptrace(PTRACE_SEIZE, pid, None, None) == 0
    try:
        while True:  # it spends nearly all its time in that loop
            assert ptrace(PTRACE_INTERRUPT, pid, None, None) == 0
            os.waitpid(pid, WALL)
            place = ptrace(PTRACE_PEEKUSER, pid, INSTRUCTION, None)
            if read_u64(pid, place).to_bytes(8, "little").startswith(LOOP):
                break
            assert ptrace(PTRACE_CONT, pid, None, None) == 0
        value = ptrace(PTRACE_PEEKUSER, pid, R15, None)
        assert ptrace(PTRACE_POKEUSER, pid, R15, value ^ 1) == 0
    finally:
        ptrace(PTRACE_DETACH, pid, None, None)
