"""Near the limit of its group a target is paused and not cloned, and everywhere is said why."""

from __future__ import annotations

import json
from contextlib import closing
from typing import TYPE_CHECKING

from heapgraph.watch.how_taken import why_paused
from helpers.daemon_settings import write_settings
from helpers.endpoint import UnixConnection
from helpers.memory_groups import needs_groups, tight_target
from helpers.watching import running_daemon

if TYPE_CHECKING:
    from pathlib import Path

HTTP = '[http]\nlisten = "unix:{folder}/s"\n'
HEADROOM = 5


def asked(socket: Path, place: str) -> dict:
    with closing(UnixConnection(socket)) as connection:
        connection.request("GET", place)
        return json.loads(connection.getresponse().read())


@needs_groups
def test_a_pause_near_the_limit_is_explained(tmp_path: Path):
    """Given a group that has no room for a clone, line, audit log and answer name the group."""
    with tight_target(HEADROOM) as (group, target):
        settings = write_settings(
            tmp_path,
            str(group.folder),
            more=HTTP,
            budget="max_pause = '1s', cpu = 0.9, headroom = 0.0",
        )
        with running_daemon(settings) as daemon:
            daemon.wait_for("snapshot web-0")
            line = daemon.wait_for("web/0: it stood still for ")
            (snapshot,) = asked(tmp_path / "s", "/v1/snapshots")["snapshots"]
            assert daemon.end() == 0
        target.send("")
    reason = f"the memory group {group.folder}"
    assert reason in line
    assert snapshot["method"] == "pause"
    assert reason in snapshot["why_paused"]
    lines = [
        json.loads(line)
        for file in sorted((tmp_path / "audit").glob("*.jsonl"))
        for line in file.read_text().splitlines()
    ]
    details = {one["event"]: one["detail"] for one in lines if one["outcome"] == "done"}
    for event in ("census", "dump"):
        assert details[event]["method"] == "pause"
        assert reason in details[event]["why_paused"]


def test_why_nothing_is_said_of_what_did_not_stand():
    passed_over = {"idle": "a thread runs", "clone": "no \x1b[31mroom\n" + "x" * 1000}
    assert why_paused("clone", passed_over) == ""
    assert why_paused("idle", {}) == ""
    assert why_paused("pause", {}) == "the reason is not known"
    text = why_paused("pause", passed_over)
    assert text.isprintable()
    assert len(text) <= 300
