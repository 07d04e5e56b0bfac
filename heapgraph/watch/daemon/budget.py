"""What censuses and snapshots may cost, and what they have cost: asked before each."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from heapgraph.watch.model import WorkerName

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from heapgraph.watch.settings.model import Budget

WINDOW_S = 3600.0
"""The share of a processor is one of the last hour."""

ROUTINE_SHARE = 0.75
"""Of the budget, what censuses by the clock may use: the rest is for what rules and peers ask."""

BUSY = "busy"
"""The reason of a refusal that ends with what runs now: who can wait does."""

MOST_PAUSES = 100
"""Measured pauses of one target that are kept."""

FIRST_COST_S = 3.0
"""What a census or snapshot is taken to cost before one was seen."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why something is not done now.

    Attributes:
        reason: one word for metrics: "cpu", "headroom", "busy" or "pause".
        text: for people.
        retry_after_s: when it makes sense to ask again.
    """

    reason: str
    text: str
    retry_after_s: float


@dataclass(frozen=True, slots=True)
class _Pause:
    """One that was measured; `millions` of objects, at least one: a small heap stands as long."""

    at: float
    slot: int
    pause_ms: float
    millions: float


class Pauses:
    """How long processes of a target stood in the last hour: the next may stand as long.

    What is predicted before a process is cloned goes by its memory alone; a busy machine takes
    longer. A pure state.
    """

    def __init__(self) -> None:
        """None was measured."""
        self._of_target: dict[str, deque[_Pause]] = {}

    def note(self, worker: WorkerName, now: float, pause_ms: float, objects: int) -> None:
        """Take in what was measured.

        Args:
            worker: who stood.
            now: steady clock.
            pause_ms: how long.
            objects: in its heap.
        """
        rows = self._of_target.setdefault(worker.target, deque(maxlen=MOST_PAUSES))
        rows.append(_Pause(now, worker.slot, pause_ms, max(1.0, objects / 1e6)))

    def expected(self, worker: WorkerName, now: float) -> tuple[float, float]:
        """What the next one may take, and until when that is expected.

        Args:
            worker: who would stand.
            now: steady clock.

        Returns:
            Milliseconds: the longest of its target for each million objects, times its own; 0
            where none was measured. And when that measurement is an hour old, steady clock.
        """
        rows = self._of_target.get(worker.target, ())
        recent = [one for one in rows if one.at > now - WINDOW_S]
        if not recent:
            return 0.0, now
        own = [one.millions for one in recent if one.slot == worker.slot]
        longest = max(recent, key=lambda one: one.pause_ms / one.millions)
        millions = own[-1] if own else max(one.millions for one in recent)
        return longest.pause_ms / longest.millions * millions, longest.at + WINDOW_S

    def to_list(self, now: float) -> list[list[Any]]:
        """What is to be known after a restart: ages instead of moments."""
        return [
            [target, one.slot, now - one.at, one.pause_ms, one.millions]
            for target, rows in self._of_target.items()
            for one in rows
            if one.at > now - WINDOW_S
        ]

    def restore(self, rows: Iterable[Sequence[Any]], now: float, away_s: float) -> None:
        """Take over what an earlier daemon has measured."""
        for target, slot, age, pause_ms, millions in rows:
            worker = WorkerName(str(target), int(slot))
            at = now - away_s - max(0.0, float(age))
            self.note(worker, at, float(pause_ms), int(float(millions) * 1e6))


class Spending:
    """An account of the last hour. A pure state: every moment is given.

    Args:
        budget: the limits.

    Attributes:
        pauses: what was measured.
    """

    def __init__(self, budget: Budget) -> None:
        """Nothing has been spent."""
        self._budget = budget
        self._spent: deque[tuple[float, float]] = deque()
        self._total = 0.0
        self._running = 0
        self._usual: dict[str, float] = {}
        self.pauses = Pauses()

    @property
    def running(self) -> int:
        """Censuses and snapshots that run now."""
        return self._running

    def refusal(
        self,
        what: str,
        target: str,
        now: float,
        values: Mapping[str, float],
        *,
        share: float = 1.0,
    ) -> Refusal | None:
        """Why a census or snapshot should not begin now; None when it may.

        Args:
            what: "census" or "snapshot".
            target: whose; the last one of its kind tells what the next will cost.
            now: steady clock.
            values: the latest sample of the worker.
            share: of the budget, 0..1, how much this kind may have used.
        """
        ratio = values.get("cgroup_ratio")
        if ratio is not None and 1 - ratio < self._budget.headroom:
            text = (
                f"{1 - ratio:.0%} of its memory limit are free, {self._budget.headroom:.0%} are"
                " kept for the target"
            )
            return Refusal("headroom", text, 60.0)
        self._forget(now)
        allowed = share * self._budget.cpu * WINDOW_S
        expected = self._usual.get(f"{what} {target}", FIRST_COST_S)
        # The first one of an hour is always allowed: a heap so large that one census is beyond the
        # budget would never be looked at.
        if self._spent and self._total + expected > allowed:
            text = (
                f"{self._total:.1f} of {allowed:.0f} s of processor time are spent this hour, and"
                f" this may take {expected:.1f}"
            )
            return Refusal("cpu", text, max(1.0, self._spent[0][0] + WINDOW_S - now))
        if self._running >= self._budget.at_once:  # last: who waits for them is not told before
            text = f"{self._running} of at most {self._budget.at_once} run already"
            return Refusal(BUSY, text, 5.0)
        return None

    def pause_refusal(self, worker: WorkerName, now: float) -> Refusal | None:
        """Why a worker should not be made to stand now; None when it may.

        Args:
            worker: who would.
            now: steady clock.
        """
        most = self._budget.max_pause_ms
        expected, until = self.pauses.expected(worker, now)
        if expected <= most:
            return None
        text = (
            f"by what was measured in the last hour it would stand for {expected:.0f} ms, and"
            f" max_pause is {most:g} ms"
        )
        return Refusal("pause", text, max(1.0, until - now))

    def begin(self) -> None:
        """One begins."""
        self._running += 1

    def end(self, what: str, target: str, now: float, cpu_s: float) -> None:
        """One has ended, well or not, and has cost so much processor time."""
        self._running -= 1
        self._spent.append((now, cpu_s))
        self._total += cpu_s
        self._usual[f"{what} {target}"] = cpu_s

    def spent(self, now: float) -> float:
        """Processor time of the last hour, seconds."""
        self._forget(now)
        return self._total

    def to_dict(self, now: float) -> dict[str, Any]:
        """What is to be known after a restart: ages instead of moments."""
        self._forget(now)
        return {
            "spent": [[now - at, cost] for at, cost in self._spent],
            "usual": dict(self._usual),
            "pauses": self.pauses.to_list(now),
        }

    def restore(self, state: Mapping[str, Any], now: float, away_s: float) -> None:
        """Take over what an earlier daemon has spent.

        Args:
            state: of `to_dict`.
            now: steady clock.
            away_s: how long no daemon ran.
        """
        for age, cost in state.get("spent", ()):
            self._spent.append((now - away_s - float(age), float(cost)))
            self._total += float(cost)
        self._usual.update({str(name): float(cost) for name, cost in state["usual"].items()})
        self._forget(now)
        self.pauses.restore(state.get("pauses", ()), now, away_s)

    def _forget(self, now: float) -> None:
        while self._spent and self._spent[0][0] < now - WINDOW_S:
            _, cost = self._spent.popleft()
            self._total -= cost
        if not self._spent:
            self._total = 0.0  # no rest of rounding
