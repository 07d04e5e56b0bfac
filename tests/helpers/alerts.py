"""Alerts as the daemon makes them, and actions with their files."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from heapgraph.watch.model import Alert, Observation, SuspectLine, WorkerName
from heapgraph.watch.settings.model import ActionSpec

if TYPE_CHECKING:
    from pathlib import Path

KEY = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

SUSPECT = SuspectLine(
    kind="container",
    holder="app.UNFINISHED",
    path=("app.UNFINISHED (list)", "[*] (app.Response)", ".connection (app.Connection)"),
    code=("handle() at app.py:17",),
    retained_size=200 * 2**20,
    share=0.61,
    growth="growing",
    fingerprint="00c0ffee00c0ffee",
)


def alert(**changes: Any) -> Alert:
    """One that fires for web/0."""
    base = Alert(
        id="0123456789abcdef",
        incident="00c0ffee00c0ffee",
        status="firing",
        rule="near-limit",
        worker=WorkerName("web", 0),
        observation=Observation("cgroup_ratio", 0.86, 0.8, 3, "cgroup_ratio was 86 %"),
        others=(),
        host="host-1",
        created="2026-01-02T03:04:05+00:00",
        started="2026-01-02T03:04:05+00:00",
        verdict="app.UNFINISHED still grows: 200 MiB (61 % of all objects)",
        suspect=SUSPECT,
        seconds_to_limit=900.0,
    )
    return replace(base, **changes)


def webhook(folder: Path, url: str, *, key: str = KEY, **changes: Any) -> ActionSpec:
    """A webhook whose address and key are in files of a folder."""
    url_file, secret_file = folder / "url", folder / "key"
    for path, text in ((url_file, url), (secret_file, key)):
        path.write_text(text + "\n")
        path.chmod(0o600)
    given = {"url_file": url_file, "secret_file": secret_file, **changes}
    return ActionSpec(name="page", kind="webhook", **given)
