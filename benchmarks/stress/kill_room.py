"""The room of kills: systematic over every step of a freeze, and of whole dumps at random."""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.stress import files
from benchmarks.stress.checkouts import start_freezer
from benchmarks.stress.compiled import NoCompiler, compile_program
from benchmarks.stress.killed import nursery
from benchmarks.stress.kills import (
    KILLS,
    STANDSTILLS,
    STATES,
    Kills,
    Stepper,
    kill_at_steps,
    kill_clones,
    kill_table,
)
from benchmarks.stress.results import Result, announce

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.stress.checkouts import Checkout
    from benchmarks.stress.killed import Nursery
    from benchmarks.stress.options import Options

STATE_OF_DUMPS = "registers"

STANDSTILLS_AT_MOST = 40
"""Of each sort: until the guard of a helper ends it, a second and more goes by each time."""


def run_kills(options: Options) -> Result:
    """Every sort of kill, on every state, by every method of every checkout."""
    rows: list[Kills] = []
    with tempfile.TemporaryDirectory() as name:
        try:
            stepper = compile_program("stepper", Path(name))
            library = compile_program("libregisters", Path(name))
        except NoCompiler as reason:
            return Result(f"not run: {reason}\n")
        environment = {"STRESS_REGISTERS": str(library)}
        for checkout in options.checkouts:
            for state, program in STATES.items():
                with nursery(state, program, options.python, environment) as targets:
                    for row in _of_state(state, checkout, targets, stepper, options):
                        row.checkout = checkout.name
                        what = f"{row.harmed} of {row.done} harmed {row.skipped}"
                        announce(f"{state} {row.method} {row.victim} {row.action}: {what}")
                        rows.append(row)
    done = sum(row.done for row in rows)
    text = f"{kill_table(rows)}\n{done} kills, {sum(row.harmed for row in rows)} with harm\n"
    harmed = sum(bool(row.harmed) for row in rows)
    return Result(text, [row.to_dict() for row in rows], harmed)


def _of_state(
    state: str, checkout: Checkout, targets: Nursery, stepper: Path, options: Options
) -> Iterator[Kills]:
    with start_freezer(checkout) as plain:
        helper = Path(plain.ask("methods")["helper"])
        for method in options.methods[checkout.name]:
            with start_freezer(checkout, stepper) as freezer:
                for victim, action in KILLS:
                    stands = action in STANDSTILLS
                    yield kill_at_steps(
                        Kills(state, method, victim, action),
                        freezer,
                        Stepper(stepper, helper),
                        targets,
                        min(options.kills, STANDSTILLS_AT_MOST) if stands else options.kills,
                    )
            yield from kill_clones(
                Kills(state, method, "clone", "kill"), plain, targets, options.kills
            )
            if state == STATE_OF_DUMPS:
                yield from _of_dumps(method, checkout, targets, options)


def _of_dumps(
    method: str, checkout: Checkout, targets: Nursery, options: Options
) -> Iterator[Kills]:
    """Whole dumps: signals at random moments, a full disk, too little memory."""
    with start_freezer(checkout) as freezer:
        healthy, python = targets.healthy, checkout.python
        endings = {
            **{
                action: files.end_at_random_moments(freezer, healthy, method, action, options.kills)
                for action in files.SIGNALS
            },
            "full disk": files.run_out_of_disk(healthy, python, method),
            "memory group": files.run_out_of_memory(freezer, healthy, python, method),
        }
        for action, found in endings.items():
            counts = files.tally(found, targets.give_up)
            yield Kills(
                STATE_OF_DUMPS,
                method,
                "whole dump",
                action,
                done=counts["done"],
                harmed=counts["harmed"],
                harm=Counter(counts["harm"]),
                skipped=counts["skipped"],
            )
