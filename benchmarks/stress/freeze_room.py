"""The room of freezes: every kind of target by every method of every checkout."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.stress import freezes
from benchmarks.stress.checkouts import FreezerGone, start_freezer
from benchmarks.stress.kinds import chosen_kinds
from benchmarks.stress.results import Result, announce
from benchmarks.stress.tables import freeze_table, freeze_totals, harm_table
from benchmarks.stress.trials import Trial

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.stress.kinds import Kind
    from benchmarks.stress.options import Options

POOL = Path("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages")
POOL_PAGES = 4
HUGE = "huge_pages"


@contextmanager
def huge_page_pool(kinds: Sequence[Kind]) -> Iterator[None]:
    """A few huge pages for the kind that fills the pool, given back at the end; root only."""
    is_needed = any(kind.base == HUGE for kind in kinds) and POOL.exists()
    before = POOL.read_text() if is_needed else ""
    try:
        if before.strip() == "0":
            POOL.write_text(str(POOL_PAGES))
    except OSError:
        before = ""  # the kind then says that there is none
    try:
        yield
    finally:
        if before.strip() == "0":
            POOL.write_text(before)


def run_freezes(options: Options) -> Result:
    """Every kind by every method of every checkout."""
    trials: list[Trial] = []
    controls: dict[str, Trial] = {}
    kinds = chosen_kinds(options.kinds)
    with huge_page_pool(kinds):
        for kind in kinds:
            try:
                controls[kind.name] = freezes.control(kind, options.python)
            except freezes.Skipped as reason:
                controls[kind.name] = Trial(kind.name, "none")
                trials.append(Trial(kind.name, "-", skipped=str(reason)))
                announce(f"{kind.name}: not run: {reason}")
                continue
            if controls[kind.name].died:
                raise RuntimeError(f"{kind.name} alone: {controls[kind.name].died}")
            trials += _by_every_method(kind, options, controls[kind.name])
    parts = (freeze_totals(trials, controls), harm_table(trials, controls))
    text = "\n".join((*parts, freeze_table(trials, controls)))
    document = {
        "controls": {name: trial.to_dict() for name, trial in controls.items()},
        "trials": [trial.to_dict() for trial in trials],
    }
    harmed = sum(bool(trial.harm(controls[trial.kind])) for trial in trials)
    return Result(text, document, harmed)


def _by_every_method(kind: Kind, options: Options, control: Trial) -> Iterator[Trial]:
    for checkout in options.checkouts:
        for method in options.methods[checkout.name]:
            with start_freezer(checkout) as freezer:
                try:
                    trial = freezes.freeze_many(
                        kind, method, options.freezes, freezer, options.python
                    )
                except FreezerGone as error:
                    trial = Trial(kind.name, method, failed=1, texts=[f"tool: {error}"])
            trial.checkout = checkout.name
            harm = trial.harm(control)
            announce(f"{kind.name} {method} {checkout.name}: {'; '.join(harm) or 'no harm'}")
            yield trial
