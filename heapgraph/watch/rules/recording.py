"""What the daemon saw, a line of JSON each, so that rules can be tried on it later.

    {"at": 12.5, "target": "web", "slot": 0, "values": {"rss_bytes": 104857600.0}}
    {"at": 13.0, "target": "web", "slot": 0, "event": "psi", "detail": {}}
    {"at": 14.0, "target": "web", "slot": 0, "process": {"pid": 4711, ...}}
    {"at": 15.0, "target": "web", "slot": 0, "census": {"holders": [...], "types": [...], ...}}

Only what rules look at is written: of a census the names, bytes and counts of types and holders,
and the kinds of suspects. No values of the target; names are the target's own, though.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from heapgraph.safe_text import begun
from heapgraph.watch.model import (
    EVENTS,
    Census,
    Event,
    Holder,
    ProcessKey,
    Sample,
    SuspectLine,
    TypeBytes,
    Worker,
    WorkerName,
)
from heapgraph.watch.rules.documents import as_list, as_number, as_table, as_text, as_whole

if TYPE_CHECKING:
    from collections.abc import Mapping

Record = Sample | Event | Census | Worker

MOST_LINE_BYTES = 2 * 2**20
"""Of a line. The longest that is written, a census of 100 names of each kind that have no end and
consist of control characters, has 1.3 MiB."""

MOST_ROWS = 100
"""Types, holders and suspects of a census that are written."""

_LONGEST_NAME = 1000
_MOST_SIZE = 2**63


def line_of(record: Record) -> str:
    """One record as one line of ASCII, with its line feed.

    A number that JSON does not have is left out, as what could not be read.

    Args:
        record: a sample, an event, a census, or a process that was found.
    """
    name = record.name if isinstance(record, Worker) else record.worker
    head = {"at": _moment(record), "target": name.target, "slot": name.slot}
    return json.dumps({**head, **_body(record)}, allow_nan=False, separators=(",", ":")) + "\n"


def _moment(record: Record) -> float:
    if isinstance(record, Worker):
        return record.seen_at
    return record.at if isinstance(record, Event) else record.taken_at


def _body(record: Record) -> dict[str, Any]:
    if isinstance(record, Sample):
        body: dict[str, Any] = {"values": _finite(record.values)}
        if record.generations:
            body["generations"] = [list(one) for one in record.generations]
        return body
    if isinstance(record, Event):
        return {"event": record.kind, "detail": _finite(record.detail)}
    if isinstance(record, Worker):
        started_at = record.started_at if math.isfinite(record.started_at) else None
        return {"process": {**_key(record.key), "started_at": started_at}}
    return {
        "census": {
            **_key(record.key),
            "quality": record.quality,
            "objects": record.objects,
            "objects_size": record.objects_size,
            "unreachable_size": record.unreachable_size,
            "types": [
                [begun(one.name, _LONGEST_NAME), one.objects, one.shallow_size]
                for one in record.types[:MOST_ROWS]
            ],
            "holders": [
                [begun(one.expression, _LONGEST_NAME), one.retained_size, one.count]
                for one in record.holders[:MOST_ROWS]
            ],
            "suspects": [
                [begun(one.kind, 100), one.retained_size, one.fingerprint[:100]]
                for one in record.suspects[:MOST_ROWS]
            ],
        }
    }


def _finite(values: Mapping[str, float | str]) -> dict[str, float | str]:
    return {
        name: value
        for name, value in values.items()
        if isinstance(value, str) or math.isfinite(value)
    }


def _key(key: ProcessKey) -> dict[str, int | str]:
    return {"pid": key.pid, "started": key.started, "boot_id": key.boot_id}


def record_of(line: str) -> Record:
    """What a line says.

    Values of metrics that this version does not know are kept: no rule looks at them.

    Raises:
        ValueError: it is none of a recording; the text is the reason.
    """
    try:
        table = as_table(json.loads(line))
    except RecursionError:
        raise ValueError("lists or tables are nested too deeply") from None
    at = as_number(table.get("at"))
    name = WorkerName(as_text(table.get("target")), as_whole(table.get("slot"), 0, 10**6))
    there = [key for key in ("values", "event", "process", "census") if key in table]
    if len(there) != 1:
        raise ValueError("exactly one of values, event, process and census is expected")
    if there == ["values"]:
        return _sample(table, name, at)
    if there == ["event"]:
        kind = as_text(table["event"])
        if kind not in EVENTS:
            raise ValueError(f"the event is none of {', '.join(EVENTS)}")
        detail = {
            key: as_text(value) if isinstance(value, str) else as_number(value)
            for key, value in as_table(table.get("detail", {})).items()
        }
        return Event(kind, name, at, detail)
    if there == ["process"]:
        return _worker(as_table(table["process"]), name, at)
    return _census(as_table(table["census"]), name, at)


def _sample(table: dict[str, Any], name: WorkerName, at: float) -> Sample:
    values = {key: as_number(value) for key, value in as_table(table["values"]).items()}
    generations = []
    for row in as_list(table.get("generations", []), 10):
        collections, collected, uncollectable = _whole_row(row, 3)
        generations.append((collections, collected, uncollectable))
    return Sample(name, at, values, tuple(generations))


def _worker(table: dict[str, Any], name: WorkerName, at: float) -> Worker:
    started = table.get("started_at")
    started_at = math.nan if started is None else as_number(started)
    return Worker(name, _restored_key(table), "", "", started_at, at)


def _census(table: dict[str, Any], name: WorkerName, at: float) -> Census:
    types = [_named_row(row) for row in as_list(table.get("types"), MOST_ROWS)]
    holders = [_named_row(row) for row in as_list(table.get("holders"), MOST_ROWS)]
    suspects = [as_list(row, 3) for row in as_list(table.get("suspects"), MOST_ROWS)]
    return Census(
        worker=name,
        key=_restored_key(table),
        taken_at=at,
        created="",
        pause_ms=0.0,
        seconds=0.0,
        method="",
        quality=as_text(table.get("quality")),
        objects=as_whole(table.get("objects"), 0, _MOST_SIZE),
        objects_size=as_whole(table.get("objects_size"), 0, _MOST_SIZE),
        unreachable_size=as_whole(table.get("unreachable_size"), 0, _MOST_SIZE),
        memory={},
        types=tuple(TypeBytes(*row) for row in types),
        holders=tuple(Holder(*row) for row in holders),
        suspects=tuple(_suspect(row) for row in suspects),
    )


def _suspect(row: list[Any]) -> SuspectLine:
    if len(row) != 3:  # noqa: PLR2004 - kind, bytes, fingerprint
        raise ValueError("a suspect has three parts")
    kind, size, fingerprint = as_text(row[0]), as_whole(row[1], 0, _MOST_SIZE), as_text(row[2])
    return SuspectLine(kind, "", (), (), size, 0.0, "unknown", fingerprint)


def _restored_key(table: dict[str, Any]) -> ProcessKey:
    pid, started = as_whole(table.get("pid"), 0, 2**31), as_whole(table.get("started"), 0, 2**63)
    return ProcessKey(pid, started, as_text(table.get("boot_id")))


def _named_row(row: object) -> tuple[str, int, int]:
    name, *numbers = as_list(row, 3) or [None]
    first, second = _whole_row(numbers, 2)
    return as_text(name), first, second


def _whole_row(row: object, length: int) -> list[int]:
    numbers = [as_whole(one, 0, _MOST_SIZE) for one in as_list(row, length)]
    if len(numbers) != length:
        raise ValueError(f"{length} numbers are expected")
    return numbers
