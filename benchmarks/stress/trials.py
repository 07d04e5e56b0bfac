"""What one target says after a number of freezes, and which of it is harm."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benchmarks.stress.looks import Look

MEMORY_SLACK_KIB = 2048
"""What an interpreter's own allocators gain or lose in the same time."""

MOVING = ("churn", "short_threads", "late_")
"""Kinds that map and unmap by their nature: what they gain says nothing of us."""


@dataclass
class Trial:
    """One kind, frozen many times by one method; or not at all, which is the control.

    Attributes:
        kind, method, checkout: what was tried; the method of a control is "none".
        freezes, dumps: those that were done.
        refused: those that the tool would not do, by the error's type.
        failed: those that ended in any other error: a defect of the tool, whatever the target did.
        died: "" or how the target ended or stopped answering.
        rounds: how many rounds the target made.
        wrong, short, interrupted, sigchld, children_seen, descriptors: the target's own account.
        late_ms: the longest that a wait was late.
        zombies: children that stayed.
        memory: KiB of address space and of resident memory gained in the second half.
        state: what was not as before: the letter of its state, or its tracer.
        texts: examples.
        skipped: why this kind cannot run here.
        pause_ms: the pauses, as the tool reports them.
        used: the methods that were really taken.
        notes: what the tool told its user, each with how often.
    """

    kind: str
    method: str
    checkout: str = "this"
    freezes: int = 0
    dumps: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    failed: int = 0
    died: str = ""
    rounds: int = 0
    wrong: int = 0
    short: int = 0
    interrupted: int = 0
    sigchld: int = 0
    children_seen: int = 0
    descriptors: int = 0
    late_ms: float = 0.0
    zombies: int = 0
    memory: int = 0
    state: str = ""
    texts: list[str] = field(default_factory=list)
    skipped: str = ""
    pause_ms: list[float] = field(default_factory=list)
    used: Counter[str] = field(default_factory=Counter)
    notes: Counter[str] = field(default_factory=Counter)

    def take_answer(self, answer: dict[str, Any], order: str) -> None:
        """Count what the tool says of one freeze or dump."""
        if answer["outcome"] == "ok":
            self.freezes += order == "freeze"
            self.dumps += order == "dump"
            self.used[answer["method"]] += 1
            self.pause_ms.append(answer["pause_ms"])
            self.notes.update(answer["notes"])
        elif answer["outcome"] == "refused":
            self.refused[answer["kind"]] += 1
        else:
            self.failed += 1
            self.note(f"tool: {answer['error']}")

    def take_report(self, report: dict[str, Any]) -> None:
        """Take over what the target counted."""
        for name in ("rounds", "wrong", "short", "interrupted", "sigchld", "children_seen"):
            setattr(self, name, report[name])
        self.descriptors = max(0, report["descriptors_gained"])
        self.late_ms = report["late_ms"]
        for text in report["texts"]:
            self.note(text)

    def compare(self, before: Look, after: Look) -> None:
        """Note what is not as before."""
        if after.tracer != before.tracer:
            self.state = f"traced by {after.tracer}"
        elif "T" in (before.state + after.state).upper() and before.state != after.state:
            self.state = f"{before.state} became {after.state}"

    def note(self, text: str) -> None:
        """Keep an example; the first ones tell enough."""
        if text not in self.texts and len(self.texts) < 5:
            self.texts.append(text)

    def harm(self, control: Trial) -> list[str]:
        """What would not have been without us, in words; empty when there is none."""
        found = [self.died] if self.died else []
        was_frozen = self.freezes + self.dumps > 0
        if was_frozen and not (self.rounds or self.died or self.skipped):
            found.append("it made no round")  # and so shows nothing
        for name in ("wrong", "short", "interrupted", "sigchld", "children_seen", "descriptors"):
            beyond = getattr(self, name) - self._expected(getattr(control, name), control)
            if beyond > 0:
                found.append(f"{name} {beyond}")
        if self.zombies:
            found.append(f"zombies {self.zombies}")
        if self.gained > max(0, control.gained) + MEMORY_SLACK_KIB:
            found.append(f"{self.gained} KiB gained")
        if self.state:
            found.append(self.state)
        if self.failed:
            found.append(f"the tool failed {self.failed} times")
        return found

    @property
    def gained(self) -> int:
        """KiB that the target gained, where that says anything."""
        return 0 if self.kind.startswith(MOVING) else self.memory

    def _expected(self, count: int, control: Trial) -> int:
        """What a control of as many rounds would have counted."""
        return -(-count * self.rounds // max(1, control.rounds))

    def to_dict(self) -> dict[str, Any]:
        """For the JSON document."""
        return dict(vars(self))
