"""Where one rule stands for one worker: inactive, pending, firing, resolved.

    inactive --holds--> pending --`times` looks in a row--> firing
    pending --does not hold, or unknown for too long--> inactive
    firing --does not hold, as many looks in a row--> resolved --holds--> pending

What is unknown is not "does not hold": it neither continues a row nor ends it, up to a bound.
Beyond that, rows begin anew; a rule that fires goes on to fire, since nothing says that it is over.
"""

from __future__ import annotations

from dataclasses import dataclass

from heapgraph.watch.model import RuleState

MISSED_LOOKS = 2
"""So many looks in a row may be without a value before a row begins anew."""

MISSED_CENSUSES = 2
"""In so many censuses in a row a holder may be missing (they list the largest) before it counts as
one that is not too large any more."""


@dataclass(slots=True)
class Standing:
    """State of one rule for one worker.

    Attributes:
        state: where it stands.
        since: moment of the last change.
        row: looks in a row at which it held.
        calm: looks in a row at which it did not, while it fires.
        last_at: moment of the last look that said something; of the last event.
        missed: censuses in a row without the subject.
        is_owed: it fires and could not act; it will when it may.
        is_told: it acted since it began to fire.
        value, limit, subject, grown: of the last look at which it held; `grown` is the number of
            censuses in a row in which the subject grew.
    """

    state: RuleState = RuleState.INACTIVE
    since: float = 0.0
    row: int = 0
    calm: int = 0
    last_at: float | None = None
    missed: int = 0
    is_owed: bool = False
    is_told: bool = False
    value: float = 0.0
    limit: float = 0.0
    subject: str = ""
    grown: int = 0

    @property
    def is_at_rest(self) -> bool:
        """Whether nothing would be lost with it."""
        return self.state is RuleState.INACTIVE and self.row == 0

    def see(
        self, at: float, holds: bool | None, needed: int, calm_needed: int, gap_s: float
    ) -> bool:
        """Take in one look.

        Args:
            at: its moment.
            holds: None for unknown.
            needed: looks in a row to fire.
            calm_needed: looks in a row to be resolved.
            gap_s: the longest time between two looks of one row.

        Returns:
            Whether the state changed.
        """
        if self.last_at is not None and at - self.last_at > gap_s:
            self.row = self.calm = 0
            if holds is None:
                return self.state is RuleState.PENDING and self.become(RuleState.INACTIVE, at)
        if holds is None:
            return False
        self.last_at = at
        if holds:
            self.row, self.calm = self.row + 1, 0
            return self._step_up(at, needed)
        self.row, self.calm = 0, self.calm + 1
        if self.state is RuleState.PENDING:
            return self.become(RuleState.INACTIVE, at)
        if self.state is RuleState.FIRING and self.calm >= calm_needed:
            return self.become(RuleState.RESOLVED, at)
        return False

    def count_event(self, at: float, needed: int, within_s: float) -> bool:
        """Take in an event; one that comes too late after the last begins a new row."""
        if self.last_at is not None and at - self.last_at > within_s:
            self.row = 0
        self.row, self.last_at = self.row + 1, at
        return self._step_up(at, needed)

    def end_quiet_row(self, at: float, within_s: float) -> bool:
        """Take in that no event came; whether the state changed."""
        if self.last_at is None or at - self.last_at <= within_s:
            return False
        self.row = 0
        if self.state is RuleState.PENDING:
            return self.become(RuleState.INACTIVE, at)
        return self.state is RuleState.FIRING and self.become(RuleState.RESOLVED, at)

    def become(self, state: RuleState, at: float) -> bool:
        """Change the state; a new fire has told nobody yet."""
        self.state, self.since = state, at
        self.calm = 0
        self.is_owed = False
        if state is RuleState.FIRING:
            self.is_told = False
        return True

    def _step_up(self, at: float, needed: int) -> bool:
        if self.state is RuleState.FIRING:
            return False
        if self.row >= needed:
            return self.become(RuleState.FIRING, at)
        return self.state is not RuleState.PENDING and self.become(RuleState.PENDING, at)
