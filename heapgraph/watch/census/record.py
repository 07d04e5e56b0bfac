"""The answer of a census child as a record: what it may say is checked, whatever it says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from heapgraph.safe_text import begun, printable
from heapgraph.watch.census.names import MAX_NAME
from heapgraph.watch.model import Census, Holder, SuspectLine, TypeBytes

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from heapgraph.watch.model import ProcessKey, WorkerName

_MAX_ROWS = 100
_MAX_STEPS = 20


def census_of(
    document: Mapping[str, Any],
    worker: WorkerName,
    key: ProcessKey,
    taken_at: float,
    profile: Path | None = None,
) -> Census:
    """Read the document that `census.take` makes.

    Args:
        document: decoded JSON.
        worker: whose heap it is.
        key: which process that was.
        taken_at: steady clock.
        profile: the file with its pprof profile.

    Raises:
        ValueError, KeyError, TypeError: it is not such a document.
    """
    return Census(
        worker=worker,
        key=key,
        taken_at=taken_at,
        created=_name(document["created"]),
        pause_ms=float(document["pause_ms"]),
        seconds=float(document["seconds"]),
        method=_name(document["method"]),
        quality=_name(document["quality"]),
        objects=int(document["objects"]),
        objects_size=int(document["objects_size"]),
        unreachable_size=int(document["unreachable_size"]),
        memory={_name(part): int(size) for part, size in document["memory"].items()},
        types=tuple(
            TypeBytes(_name(row["name"]), int(row["objects"]), int(row["shallow_size"]))
            for row in document["types"][:_MAX_ROWS]
        ),
        holders=tuple(
            Holder(
                _name(row["expression"]),
                int(row["retained_size"]),
                int(row["count"]),
                _name(row["growth"]),
            )
            for row in document["holders"][:_MAX_ROWS]
        ),
        suspects=tuple(_suspect(row) for row in document["suspects"][:_MAX_ROWS]),
        profile=profile,
        why_paused=_name(document["why_paused"]),
    )


def _suspect(row: Mapping[str, Any]) -> SuspectLine:
    return SuspectLine(
        kind=_name(row["kind"]),
        holder=_name(row["holder"]),
        path=tuple(_name(step) for step in row["path"][:_MAX_STEPS]),
        code=tuple(_name(place) for place in row["code"][:_MAX_STEPS]),
        retained_size=int(row["retained_size"]),
        share=float(row["share"]),
        growth=_name(row["growth"]),
        fingerprint=_name(row["fingerprint"]),
    )


def _name(text: object) -> str:
    if not isinstance(text, str):
        raise TypeError(f"a name that is none: {type(text).__name__}")
    return begun(printable(text), MAX_NAME)
