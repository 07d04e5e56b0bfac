"""An alert as the body of a message: heapgraph's own format, and that of Alertmanager.

Both hold what an `Alert` has and nothing else: names that occur in code, numbers, times. Every text
is printable and has a length, whatever the target made of its names.
"""

from __future__ import annotations

import hashlib
import json
import math
from typing import TYPE_CHECKING, Any

from heapgraph.safe_text import begun, printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from heapgraph.watch.model import Alert, SuspectLine, WorkerName

SCHEMA = "heapgraph.alert/1"
"""Of our own format. Fields may be added; the number changes when one goes or means another."""

ALERTMANAGER_VERSION = "4"
_NEVER = "0001-01-01T00:00:00Z"
"""When an alert of Alertmanager ends that has not ended."""

MAX_TEXT, MAX_LINE = 300, 1000
"""Characters of one text, and of several that are joined to a line."""

MAX_STEPS, MAX_WORKERS = 24, 20

STILL_TAKEN = "still being taken"
"""Of a snapshot that takes longer than a page may wait."""

UNKNOWN_GROWTH = "unknown"
"""Of a suspect whose members tell no age."""

MAX_BODY_BYTES = 512 * 1024
"""More than any message has."""


def body_of(alert: Alert, form: str) -> bytes:
    """The body of the message that tells of an alert; ASCII.

    Args:
        alert: what is told.
        form: "heapgraph" or "alertmanager".
    """
    document = alertmanager_document(alert) if form == "alertmanager" else alert_document(alert)
    return json.dumps(document, allow_nan=False, separators=(",", ":")).encode()


def alert_document(alert: Alert) -> dict[str, Any]:
    """Our own format; docs/watch-alerts.md has every field."""
    return {
        "schema": SCHEMA,
        "type": f"heapgraph.alert.{_text(alert.status)}",
        "timestamp": _text(alert.created),
        "data": {
            "id": _text(alert.id),
            "incident": _text(alert.incident),
            "status": _text(alert.status),
            "merged_into": _text(alert.merged_into),
            "rule": _text(alert.rule),
            "target": _text(alert.worker.target),
            "worker": _worker(alert.worker),
            "pid": alert.pid or None,
            "others": [_worker(one) for one in alert.others[:MAX_WORKERS]],
            "others_count": len(alert.others),
            "host": _text(alert.host),
            "started": _text(alert.started),
            "observation": {
                "metric": _text(alert.observation.metric),
                "value": _number(alert.observation.value),
                "limit": _number(alert.observation.limit),
                "times": alert.observation.times,
                "text": _text(alert.observation.text),
            },
            "verdict": _text(alert.verdict),
            "suspect": None if alert.suspect is None else _suspect(alert.suspect),
            "seconds_to_limit": _number(alert.seconds_to_limit),
            "awaited": _texts(alert.awaited),
            "snapshot": {
                "id": _text(alert.snapshot),
                "state": snapshot_state(alert),
                "refused": _text(alert.snapshot_refused),
            },
        },
    }


def alertmanager_document(alert: Alert) -> dict[str, Any]:
    """The payload that Alertmanager (version 4) sends to its webhook receivers.

    The incident is the group, each worker in it one alert. What is resolved is known by its labels,
    so the name is that of the rule which opened the incident, whatever others have joined it.
    """
    common = {"alertname": _name(alert), "incident": _text(alert.incident)}
    notes = _annotations(alert)
    workers = (alert.worker, *alert.others[: MAX_WORKERS - 1])
    return {
        "version": ALERTMANAGER_VERSION,
        "groupKey": f"heapgraph:{_text(alert.incident)}",
        "truncatedAlerts": 1 + len(alert.others) - len(workers),
        "status": _text(alert.status),
        "receiver": "heapgraph",
        "groupLabels": common,
        "commonLabels": common | {"host": _text(alert.host)},
        "commonAnnotations": notes,
        "externalURL": "",
        "alerts": [
            {
                "status": _text(alert.status),
                "labels": _labels(alert, worker),
                "annotations": notes,
                "startsAt": _text(alert.started),
                "endsAt": _text(alert.created) if alert.status == "resolved" else _NEVER,
                "generatorURL": "",
                "fingerprint": _fingerprint(_labels(alert, worker)),
            }
            for worker in workers
        ],
    }


def snapshot_state(alert: Alert) -> str:
    """What became of the snapshot, in words."""
    if alert.snapshot:
        return "taken"
    return _still_taken(alert) or ("refused" if alert.snapshot_refused else "none")


def _still_taken(alert: Alert) -> str:
    return STILL_TAKEN if "snapshot" in alert.awaited else ""


def _name(alert: Alert) -> str:
    return _text(alert.opened_by or alert.rule)


def _labels(alert: Alert, worker: WorkerName) -> dict[str, str]:
    return {
        "alertname": _name(alert),
        "incident": _text(alert.incident),
        "host": _text(alert.host),
        "target": _text(worker.target),
        "worker": str(worker.slot),
    }


def _annotations(alert: Alert) -> dict[str, str]:
    """Texts for people; those that are empty are left out."""
    suspect = alert.suspect
    seconds = _number(alert.seconds_to_limit)
    notes = {
        "summary": _text(alert.verdict),
        "rule": _text(alert.rule),
        "description": _text(alert.observation.text),
        "holder": "" if suspect is None else _text(suspect.holder),
        "path": "" if suspect is None else _line(" -> ", suspect.path),
        "code": "" if suspect is None else _line(", ", suspect.code),
        "seconds_to_limit": "" if seconds is None else f"{seconds:.0f}",
        "snapshot": _text(alert.snapshot) or _still_taken(alert),
        "snapshot_refused": _text(alert.snapshot_refused),
        "merged_into": _text(alert.merged_into),
    }
    return {name: text for name, text in notes.items() if text}


def _suspect(suspect: SuspectLine) -> dict[str, Any]:
    """Its growth is left out where nothing tells: "unknown" reads like a kind of growth."""
    document = {
        "kind": _text(suspect.kind),
        "holder": _text(suspect.holder),
        "path": _texts(suspect.path),
        "code": _texts(suspect.code),
        "retained_size": suspect.retained_size,
        "share": _number(suspect.share),
        "growth": _text(suspect.growth),
        "fingerprint": _text(suspect.fingerprint),
    }
    if suspect.growth == UNKNOWN_GROWTH:
        del document["growth"]
    return document


def _worker(worker: WorkerName) -> dict[str, Any]:
    return {"target": _text(worker.target), "slot": worker.slot}


def _texts(texts: Sequence[str]) -> list[str]:
    """Of a long path both ends."""
    found = [_text(one) for one in texts]
    if len(found) <= MAX_STEPS:
        return found
    half = MAX_STEPS // 2
    return [*found[:half], f"<{len(found) - 2 * half} more>", *found[-half:]]


def _line(between: str, texts: Sequence[str]) -> str:
    return begun(between.join(_texts(texts)), MAX_LINE)


def _text(text: str) -> str:
    return begun(printable(text), MAX_TEXT)


def _number(value: float | None) -> float | None:
    """JSON has no infinity: what is not finite is unknown."""
    return value if value is not None and math.isfinite(value) else None


def _fingerprint(labels: dict[str, str]) -> str:
    text = "\n".join(f"{name}={value}" for name, value in sorted(labels.items()))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
