"""The results as Markdown, for the screen and for docs/safety.md."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from benchmarks.report import table

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from benchmarks.stress.trials import Trial

HEAD = (
    "kind", "method", "freezes", "dumps", "refused", "dead or hung", "wrong", "short",
    "interrupted", "zombies", "SIGCHLD", "descriptors", "KiB gained", "ms late (control)", "harm",
)  # fmt: skip


def freeze_table(trials: Iterable[Trial], controls: Mapping[str, Trial]) -> str:
    """A row for each kind and method."""
    return table(HEAD, [freeze_row(trial, controls[trial.kind]) for trial in trials])


def harm_table(trials: Iterable[Trial], controls: Mapping[str, Trial]) -> str:
    """A row for each kind, a column for each method: what was harmed, or how often it was not."""
    cells: dict[str, dict[str, str]] = {}
    for trial in trials:
        cells.setdefault(trial.kind, {})[_column(trial)] = _verdict(trial, controls[trial.kind])
    columns = [name for name in dict.fromkeys(c for row in cells.values() for c in row) if name]
    rows = [
        [kind, *(row.get(column) or row.get("", "-") for column in columns)]
        for kind, row in cells.items()
    ]
    return table(["kind", *columns], rows)


def _column(trial: Trial) -> str:
    if trial.skipped:
        return ""
    return trial.method if trial.checkout == "this" else f"{trial.method} ({trial.checkout})"


def _verdict(trial: Trial, control: Trial) -> str:
    if trial.skipped:
        return f"not run: {trial.skipped}"
    if harm := trial.harm(control):
        return f"**{'; '.join(harm)}**"
    done, refused = trial.freezes + trial.dumps, trial.refused.total()
    return f"none in {done}" + (f", {refused} refused" if refused else "")


def freeze_row(trial: Trial, control: Trial) -> list[str]:
    """The cells of one trial, in the order of `HEAD`."""
    name = _column(trial) or "-"
    if trial.skipped:
        return [trial.kind, name, *["-"] * (len(HEAD) - 3), f"not run: {trial.skipped}"]
    harm = trial.harm(control)
    late = f"{trial.late_ms:.1f} ({control.late_ms:.1f})" if control.late_ms else "-"
    counts = (
        trial.freezes,
        trial.dumps,
        trial.refused.total(),
        trial.died or 0,
        trial.wrong,
        trial.short,
        trial.interrupted,
        trial.zombies,
        trial.sigchld + trial.children_seen,
        trial.descriptors,
        trial.gained,
    )
    return [trial.kind, name, *map(str, counts), late, f"**{'; '.join(harm)}**" if harm else "none"]


def freeze_totals(trials: list[Trial], controls: Mapping[str, Trial]) -> str:
    """One sentence for each method."""
    lines = []
    names = dict.fromkeys((trial.checkout, trial.method) for trial in trials)
    for checkout, method in names:
        own = [t for t in trials if (t.checkout, t.method) == (checkout, method) and not t.skipped]
        harmed = [trial.kind for trial in own if trial.harm(controls[trial.kind])]
        done = sum(trial.freezes + trial.dumps for trial in own)
        refused = sum(trial.refused.total() for trial in own)
        pauses = [pause for trial in own for pause in trial.pause_ms]
        figures = (
            f"median pause {median(pauses):.2f} ms, longest {max(pauses):.1f}" if pauses else ""
        )
        lines.append(
            f"- {method}{'' if checkout == 'this' else f' ({checkout})'}: {done} freezes and dumps,"
            f" {refused} refused, {len(harmed)} of {len(own)} kinds harmed; {figures}"
        )
    return "\n".join(lines) + "\n"
