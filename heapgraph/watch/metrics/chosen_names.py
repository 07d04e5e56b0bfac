"""Which types and holders have series of their own: few, and the same ones for long.

Each name that was ever seen is a series that Prometheus keeps for days. So each worker has the ten
largest, and the rest as `other`; a name stays as long as it is among the twenty largest, so that
two of about one size do not take turns.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from heapgraph.safe_text import begun, printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from heapgraph.watch.model import Census, WorkerName

TOP = 10
STAYS = 20
"""A name that falls behind so many others gives its place away."""

MAX_NAMED = 10_000
"""Names of types and holders, over all workers: what is beyond is in `other`, and is counted."""

MAX_LABEL = 200
OTHER = "other"


class ChosenNames:
    """The names that each worker shows. Kept from scrape to scrape.

    Attributes:
        dropped: names that had no place because `MAX_NAMED` was reached, since the start; each
            once for a census.
    """

    def __init__(self, max_named: int = MAX_NAMED) -> None:
        """Nothing is shown yet."""
        self._max_named = max_named
        self._shown: dict[tuple[WorkerName, str], dict[str, None]] = {}
        self._seen: dict[WorkerName, float] = {}
        self.dropped = 0

    def update(self, censuses: Mapping[WorkerName, Census]) -> None:
        """Take in the latest census of each worker; workers that are gone give their places back.

        Args:
            censuses: by worker; one that was taken in before changes nothing.
        """
        for key in [key for key in self._shown if key[0] not in censuses]:
            del self._shown[key]
        for gone in self._seen.keys() - censuses.keys():
            del self._seen[gone]
        for worker, census in sorted(censuses.items()):
            if self._seen.get(worker) != census.taken_at:
                self._seen[worker] = census.taken_at
                self._choose(worker, "type", _sizes((t.name, t.shallow_size) for t in census.types))
                holders = _sizes((h.expression, h.retained_size) for h in census.holders)
                self._choose(worker, "holder", holders)

    def split(
        self, worker: WorkerName, kind: str, values: Iterable[tuple[str, int]]
    ) -> dict[str, int]:
        """Values by shown name, and the sum of the rest as `other`.

        Args:
            worker: whose.
            kind: "type" or "holder".
            values: names with their values; a name may come twice.
        """
        shown = self._shown.get((worker, kind), {})
        found = dict.fromkeys(shown, 0)
        for name, value in values:
            label = label_of(name)
            label = label if label in shown else OTHER
            found[label] = found.get(label, 0) + value
        return found

    def _choose(self, worker: WorkerName, kind: str, sizes: dict[str, int]) -> None:
        """Keep what is shown and still large, and fill up with the largest."""
        ranked = sorted(sizes, key=lambda name: (-sizes[name], name))
        before = self._shown.get((worker, kind), {})
        stays = [name for name in ranked[:STAYS] if name in before][:TOP]
        wanted = stays + [name for name in ranked if name not in before][: TOP - len(stays)]
        taken = sum(map(len, self._shown.values())) - len(before)
        room = max(0, self._max_named - taken)
        self.dropped += max(0, len(wanted) - room)
        self._shown[worker, kind] = dict.fromkeys(wanted[:room])


def label_of(name: str) -> str:
    """A name as a label: printable, of a length, and never that of the rest."""
    text = begun(printable(name), MAX_LABEL)
    return f"<{text}>" if text == OTHER else text


def _sizes(rows: Iterable[tuple[str, int]]) -> dict[str, int]:
    """Sums by label: names that were cut may have become one."""
    found: dict[str, int] = {}
    for name, size in rows:
        found[label_of(name)] = found.get(label_of(name), 0) + size
    return found
