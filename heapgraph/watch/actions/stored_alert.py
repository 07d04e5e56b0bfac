"""An alert from what was written down of it, checked."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from heapgraph.watch.model import Alert, Observation, SuspectLine, WorkerName

if TYPE_CHECKING:
    from collections.abc import Mapping


def alert_from_dict(row: Mapping[str, Any]) -> Alert:
    """The inverse of `dataclasses.asdict`.

    Raises:
        KeyError, TypeError, ValueError, OverflowError: it was not written by that.
    """
    seen, suspect, seconds = row["observation"], row["suspect"], row["seconds_to_limit"]
    return Alert(
        id=_text(row["id"]),
        incident=_text(row["incident"]),
        status=_text(row["status"]),
        rule=_text(row["rule"]),
        worker=worker_from_dict(row["worker"]),
        observation=Observation(
            metric=_text(seen["metric"]),
            value=_finite(seen["value"]),
            limit=_finite(seen["limit"]),
            times=int(seen["times"]),
            text=_text(seen["text"]),
        ),
        others=tuple(worker_from_dict(one) for one in row["others"]),
        host=_text(row["host"]),
        created=_text(row["created"]),
        started=_text(row["started"]),
        verdict=_text(row["verdict"]),
        suspect=None if suspect is None else _suspect(suspect),
        seconds_to_limit=None if seconds is None else _finite(seconds),
        snapshot=_text(row["snapshot"]),
        snapshot_refused=_text(row["snapshot_refused"]),
        pid=int(row.get("pid", 0)),
        awaited=tuple(_text(one) for one in row.get("awaited", ())),
        merged_into=_text(row.get("merged_into", "")),
        opened_by=_text(row.get("opened_by", "")),
    )


def worker_from_dict(row: Mapping[str, Any]) -> WorkerName:
    """The same of a worker's name."""
    return WorkerName(_text(row["target"]), int(row["slot"]))


def _suspect(row: Mapping[str, Any]) -> SuspectLine:
    return SuspectLine(
        kind=_text(row["kind"]),
        holder=_text(row["holder"]),
        path=tuple(_text(one) for one in row["path"]),
        code=tuple(_text(one) for one in row["code"]),
        retained_size=int(row["retained_size"]),
        share=_finite(row["share"]),
        growth=_text(row["growth"]),
        fingerprint=_text(row["fingerprint"]),
    )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(value)
    return value


def _finite(value: float | str) -> float:
    number = float(value)
    if not math.isfinite(number):  # JSON has no word for it
        raise ValueError(value)
    return number
