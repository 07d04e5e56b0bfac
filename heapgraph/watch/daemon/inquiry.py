"""What is found out when a rule fires: a census first, then the snapshot and its report."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from heapgraph.errors import HeapgraphError
from heapgraph.watch.audit.record import Actor, Reason
from heapgraph.watch.daemon.counts import add
from heapgraph.watch.daemon.jobs import Asked, JobRefused
from heapgraph.watch.how_taken import stood_in_words

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from heapgraph.watch.daemon.counts import Counts
    from heapgraph.watch.daemon.jobs import Jobs
    from heapgraph.watch.daemon.watcher import Watcher
    from heapgraph.watch.model import Census, ProcessKey, Transition, Worker
    from heapgraph.watch.store.stored_snapshot import StoredSnapshot

EXIT = "exit"
"""The event after which there is nobody to look at."""

SNAPSHOT, CENSUS, REPORT = "snapshot", "census", "report"
"""What a rule can ask for besides the actions of the settings."""

INTERRUPTED = "the daemon ended before it was whole; it is not tried again by itself"
"""Why there is no snapshot where an earlier daemon was to take it: it may have been its end."""

STILL_COUNTED = "a census is still being taken"

SAME_S = 1800.0
"""How long a snapshot serves further rules that fire for the same cause: as long as an incident
that others join is not told again."""

FRESH_S = 10.0
"""A census that is not older is not taken again: what is told are the numbers of now."""


@dataclass(frozen=True)
class Found:
    """What is known when the world is to be told.

    Attributes:
        census: the latest of the process; None where there is none.
        why_no_census: why there is none, or none that is fresh.
        age_s: how old it was, where it is not fresh.
        pid: of the process, 0 where it has ended.
        snapshot: id in the store.
        refused: why there is none.
        awaited: what is still being taken, `CENSUS` and `SNAPSHOT`.
    """

    census: Census | None
    why_no_census: str
    age_s: float = 0.0
    pid: int = 0
    snapshot: str = ""
    refused: str = ""
    awaited: tuple[str, ...] = ()


@dataclass
class _Taken:
    """A snapshot, when it was whole (steady clock), and the rules that have it."""

    at: float
    snapshot: str
    rules: set[str] = field(default_factory=set)


class Inquiry:
    """Finds out what rules ask for.

    Args:
        watcher: knows the workers.
        jobs: takes censuses and snapshots.
        counts: what was done, counted here.
        say: told what is done, one line each.
        clock: steady.
    """

    def __init__(
        self,
        *,
        watcher: Watcher,
        jobs: Jobs,
        counts: Counts,
        say: Callable[[str], None],
        clock: Callable[[], float],
    ) -> None:
        """Nothing was asked yet."""
        self._watcher = watcher
        self._jobs = jobs
        self._counts = counts
        self._say = say
        self._clock = clock
        self._taken: dict[tuple[ProcessKey, str], _Taken] = {}

    async def find_out(
        self,
        transition: Transition,
        count: Callable[[Worker, Asked], Awaitable[Census | str]],
        note: Callable[[Found], None],
        *,
        is_late: bool,
    ) -> Found:
        """Take what a rule asks for, the census first: should a snapshot fail, there is an answer.

        Of a process that has ended there is its last census; its place may have another one now.

        Args:
            transition: of the rule.
            count: takes a census and shows it to the rules; of `Responder`.
            note: told what is known before each thing that takes long.
            is_late: an earlier daemon had taken it up; no snapshot is taken again.
        """
        worker = self._watcher.workers.get(transition.worker)
        if transition.observation.metric == EXIT or worker is None:
            census = self._watcher.ended.get(transition.worker)
            age = 0.0 if census is None else max(0.0, transition.at - census.taken_at)
            ended = "its process has ended"
            refused = ended if SNAPSHOT in transition.actions else ""
            return Found(census, ended, age, refused=refused)
        reason = Reason.of(transition.observation)
        asked = Asked(Actor("rule", transition.rule), transition.rule, reason=reason)
        pid, wants = worker.key.pid, (SNAPSHOT,) if SNAPSHOT in transition.actions else ()
        refused = INTERRUPTED if wants and is_late else ""
        awaited = () if refused else wants
        earlier = self._known(worker)
        note(
            Found(
                earlier,
                STILL_COUNTED,
                self._age(earlier),
                pid,
                refused=refused,
                awaited=(CENSUS, *awaited),
            )
        )
        census, why_not = await self._census(worker, asked, count)
        found = Found(
            census, why_not, self._age(census) if why_not else 0.0, pid, "", refused, awaited
        )
        note(found)
        if awaited:
            snapshot, refused = await self._snapshot(worker, asked, _cause_of(census, transition))
            found = replace(found, snapshot=snapshot, refused=refused, awaited=())
            note(found)
        if REPORT in transition.actions and found.snapshot:
            await self._report(found.snapshot)
        return found

    def so_far(self, transition: Transition, found: Found) -> Found:
        """What is known now, with a census that was taken and is still shown to other rules.

        Args:
            transition: of the rule.
            found: what was noted last.
        """
        worker = self._watcher.workers.get(transition.worker)
        census = None if worker is None else self._known(worker)
        if CENSUS not in found.awaited or census is None or census.taken_at < transition.at:
            return found
        awaited = tuple(one for one in found.awaited if one != CENSUS)
        return replace(found, census=census, why_no_census="", age_s=0.0, awaited=awaited)

    async def count(self, worker: Worker, asked: Asked) -> Census | str:
        """Take a census, now.

        Returns:
            The census, or why there is none.
        """
        try:
            census = await self._jobs.census(worker, self._values(worker), asked)
        except JobRefused as error:
            add(self._counts.refusals, error.refusal.reason)
            return error.cause
        except Exception as error:  # noqa: BLE001 - whatever it is, the world is told the rest
            add(self._counts.censuses, "failed")
            return in_words(error)
        add(self._counts.censuses, "done")
        self._counts.pauses.append(census.pause_ms)
        self._say_pause(worker, census)
        return census

    async def _census(
        self,
        worker: Worker,
        asked: Asked,
        count: Callable[[Worker, Asked], Awaitable[Census | str]],
    ) -> tuple[Census | None, str]:
        """A census that is fresh, or why there is none, with an earlier one of the process."""
        known = self._known(worker)
        if known is not None and self._age(known) <= FRESH_S:
            return known, ""
        found = await count(worker, asked)
        return (known, found) if isinstance(found, str) else (found, "")

    def _known(self, worker: Worker) -> Census | None:
        """The last census of the process, not of one that had its place before."""
        known = self._watcher.censuses.get(worker.name)
        return known if known is not None and known.key == worker.key else None

    def _age(self, census: Census | None) -> float:
        return 0.0 if census is None else self._clock() - census.taken_at

    async def _snapshot(self, worker: Worker, asked: Asked, cause: str) -> tuple[str, str]:
        """The id of a snapshot in the store, or why there is none.

        One that is being taken of the process serves all who want it; one that was taken for the
        same cause not long ago serves other rules.
        """
        place = worker.key, cause
        shared = await self._jobs.shared_snapshot(worker)
        earlier = self._earlier(place, asked.text) if shared is None else shared.id
        if earlier:
            self._note_taken(place, earlier, asked.text)
            self._say(f"{worker.name}: snapshot {earlier} is for {asked.text}, too")
            return earlier, ""
        try:
            stored = await self._jobs.snapshot(worker, self._values(worker), asked)
        except JobRefused as error:
            add(self._counts.refusals, error.refusal.reason)
            add(self._counts.snapshots, "refused")
            return "", error.cause
        except Exception as error:  # noqa: BLE001 - whatever it is, the world is told the rest
            add(self._counts.snapshots, "failed")
            return "", in_words(error)
        add(self._counts.snapshots, "done")
        self._counts.pauses.append(stored.pause_ms)
        self._note_taken(place, stored.id, asked.text)
        self._say(f"{worker.name}: snapshot {stored.id}")
        self._say_pause(worker, stored)
        return stored.id, ""

    def _earlier(self, place: tuple[ProcessKey, str], rule: str) -> str:
        """What was taken for a cause, and not for this rule: that wants another one now."""
        taken = self._taken.get(place)
        if taken is None or rule in taken.rules or self._clock() - taken.at > SAME_S:
            return ""
        store = self._jobs.store
        return taken.snapshot if store is not None and store.find(taken.snapshot) else ""

    def _note_taken(self, place: tuple[ProcessKey, str], snapshot: str, rule: str) -> None:
        now = self._clock()
        self._taken = {key: one for key, one in self._taken.items() if now - one.at <= SAME_S}
        taken = self._taken.get(place)
        if taken is None or taken.snapshot != snapshot:
            taken = self._taken[place] = _Taken(now, snapshot)
        taken.rules.add(rule)

    async def _report(self, snapshot: str) -> None:
        try:
            await self._jobs.report(snapshot)
        except Exception as error:  # noqa: BLE001 - it was told already, or is told now
            self._say(f"no report of {snapshot}: {in_words(error)}")

    def _say_pause(self, worker: Worker, taken: Census | StoredSnapshot) -> None:
        """Say why a process stood still: who wonders about its latency looks here."""
        if taken.why_paused:
            self._say(f"{worker.name}: {stood_in_words(taken.pause_ms, taken.why_paused)}")

    def _values(self, worker: Worker) -> dict[str, float]:
        sample = self._watcher.latest.get(worker.name)
        return {} if sample is None else dict(sample.values)


def _cause_of(census: Census | None, transition: Transition) -> str:
    """What makes two rules one incident: see `actions.incidents.incident_key`."""
    if census is not None and census.suspects and census.suspects[0].fingerprint:
        return census.suspects[0].fingerprint
    return f"rule {transition.rule}"


def in_words(error: BaseException) -> str:
    """Why something is not known, also where nobody has thought of it."""
    if isinstance(error, HeapgraphError):
        return ": ".join(filter(None, (error.what, error.cause)))
    if isinstance(error, TimeoutError):
        return "it took too long"
    if isinstance(error, OSError):
        return str(error.strerror or error)
    return f"heapgraph failed: {type(error).__name__}: {error}"
