"""The daemon as a program: what it serves, writes down, leaves alone, and keeps to itself."""

from __future__ import annotations

import gzip
import hashlib
import json
import subprocess
import sys
import uuid
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from heapgraph.export.profiles.messages import unpacked
from helpers.daemon_settings import webhook, write_private, write_settings
from helpers.endpoint import UnixConnection
from helpers.processes import wait_until
from helpers.profile_reader import needs_client_package, read_by_client
from helpers.running_target import start_target
from helpers.service_story import receiver
from helpers.watching import running_daemon

if TYPE_CHECKING:
    from pathlib import Path

ALL = '["status", "metrics", "names", "profiles", "snapshot", "download"]'


def settings_of(folder: Path, marker: str, url: str = "", expose: str = ALL) -> Path:
    """Settings with two webhooks, and an endpoint at the socket `s` of the folder."""
    write_private(folder / "url", url or "http://127.0.0.1:9/none")
    endpoint = f'[http]\nlisten = "unix:{folder}/s"\nexpose = {expose}\n'
    actions = webhook("page") + webhook("pager", "url", 'format = "alertmanager"')
    do = ("snapshot", "page", "pager")
    return write_settings(folder, marker, more=actions + endpoint, do=do)


def ask(path: Path, method: str, place: str) -> tuple[int, dict[str, str], bytes]:
    with closing(UnixConnection(path)) as connection:
        connection.request(method, place)
        answer = connection.getresponse()
        return answer.status, {k.lower(): v for k, v in answer.headers.items()}, answer.read()


@pytest.fixture
def marker() -> str:
    return f"daemon-{uuid.uuid4().hex}"


def test_a_snapshot_is_asked_for_followed_and_taken_away(tmp_path: Path, marker: str):
    """Given the endpoint, a peer has a snapshot taken, is told when it is whole, and reads it."""
    settings, place = settings_of(tmp_path, marker), tmp_path / "s"
    with start_target("collector_counts.py", marker) as target, running_daemon(settings) as daemon:
        snapshot = daemon.wait_for("snapshot web-0").rpartition(" ")[2]
        status, headers, body = ask(place, "POST", "/v1/targets/web/0/snapshot")
        assert status in (202, 409)
        if status == 202:
            operation = headers["location"]

            def has_ended() -> bool:
                found = json.loads(ask(place, "GET", operation)[2])
                assert found["state"] in ("running", "done"), found
                return bool(found["state"] == "done")

            wait_until(has_ended, "the snapshot is whole", 60)
            snapshot = json.loads(ask(place, "GET", operation)[2])["snapshot"]
        status, headers, body = ask(place, "GET", f"/v1/snapshots/{snapshot}")
        assert status == 200
        assert headers["etag"].strip('"') == hashlib.sha256(body).hexdigest()
        file = tmp_path / "taken.heapgraph"
        file.write_bytes(body)
        command = [sys.executable, "-P", "-m", "heapgraph", "summary", str(file), "--json"]
        summary = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
        assert summary["target"]["pid"] == target.pid
        metrics = ask(place, "GET", "/metrics")[2].decode()
        assert 'heapgraph_target_up{target="web",worker="0"} 1.0' in metrics
        assert daemon.end() == 0
        target.send("grow")
        assert json.loads(target.read_line())[0] is True
    events = [
        json.loads(line)
        for file in sorted((tmp_path / "audit").glob("*.jsonl"))
        for line in file.read_text().splitlines()
    ]
    assert [one["outcome"] for one in events if one["event"] == "dump"][:2] == ["intent", "done"]
    assert any(one["event"] == "download" for one in events)
    assert not (tmp_path / "s").exists()


def test_nothing_that_leaves_the_daemon_holds_a_secret(tmp_path: Path):
    """Given a hundred secrets in a target, they are in no metric, message, log or answer."""
    secret, marker = f"s3cret{uuid.uuid4().hex}", "planted_secrets.py"
    with (
        receiver() as received,
        start_target(marker, secret, env={"PLANTED": secret}),
        running_daemon(settings_of(tmp_path, secret, received.url)) as daemon,
    ):
        wait_until(lambda: len(received.messages) >= 2, "both messages came", 60)
        place = tmp_path / "s"
        wait_until(lambda: b"heapgraph_holder_bytes" in ask(place, "GET", "/metrics")[2], "census")
        said = {"metrics": ask(place, "GET", "/metrics")[2]}
        for question in ("/v1/targets", "/v1/rules", "/debug/pprof/heap?debug=1", "/v1/snapshots"):
            status, _, said[question] = ask(place, "GET", question)
            assert status == 200
        status, _, profile = ask(place, "GET", "/debug/pprof/heap")
        assert status == 200
        said["profile"] = gzip.decompress(profile)
        daemon.end()
        said["log"] = "\n".join(daemon.lines).encode()
    said["audit"] = b"".join(file.read_bytes() for file in (tmp_path / "audit").iterdir())
    said["messages"] = b"".join(one.body for one in received.messages)
    said["state"] = (tmp_path / "store" / "state.json").read_bytes()
    assert b"SESSIONS" in said["messages"]
    assert b"__main__.SESSIONS" in said["profile"]
    assert all(said.values())
    found = [name for name, content in said.items() if secret.encode() in content]
    # The settings name the processes by this text, as a command line: that is the user's own word.
    assert found == []


def test_names_are_not_shown_where_they_are_not_exposed(tmp_path: Path, marker: str):
    settings = settings_of(tmp_path, marker, expose='["status", "metrics"]')
    place = tmp_path / "s"
    with start_target("collector_counts.py", marker), running_daemon(settings) as daemon:
        daemon.wait_for("snapshot web-0")
        metrics = ask(place, "GET", "/metrics")[2]
        assert b"heapgraph_resident_memory_bytes" in metrics
        assert b"__main__" not in metrics
        snapshot = "/v1/snapshots/latest"
        for refused in ("/debug/pprof/heap", snapshot, f"{snapshot}/suspects"):
            assert ask(place, "GET", refused)[0] in (403, 404)
        assert ask(place, "POST", "/v1/targets/web/0/snapshot")[0] in (403, 404)


def test_a_dry_run_looks_and_judges_and_writes_nothing(tmp_path: Path, marker: str):
    settings = settings_of(tmp_path, marker)
    with (
        start_target("collector_counts.py", marker),
        running_daemon(settings, "--dry-run") as daemon,
    ):
        daemon.wait_for("too-large is firing")
        assert daemon.end() == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["heapgraph.toml", "url"]


def test_one_look_as_a_document(tmp_path: Path, marker: str):
    settings = settings_of(tmp_path, marker)
    with start_target("collector_counts.py", marker) as target:
        command = [sys.executable, "-P", "-m", "heapgraph", "watch", "--config", str(settings)]
        done = subprocess.run([*command, "--once", "--json"], check=True, capture_output=True)
        [row] = json.loads(done.stdout)["workers"]
    assert row["pid"] == target.pid
    assert row["values"]["rss_bytes"] > 2**20
    assert not (tmp_path / "store").exists()


@needs_client_package
def test_a_profile_is_read_by_what_the_clients_of_profilers_use(tmp_path: Path, marker: str):
    """Given the scrape of a real daemon, a package that we did not write finds the first holder."""
    settings, place = settings_of(tmp_path, marker), tmp_path / "s"
    with start_target("watched_sessions.py", marker) as target, running_daemon(settings) as daemon:
        daemon.wait_for("snapshot web-0")
        status, headers, content = ask(place, "GET", "/debug/pprof/heap")
        assert status == 200, content
        assert int(headers["age"]) < 300
    profile = tmp_path / "heap.pb.gz"
    profile.write_bytes(content)
    message = unpacked(content, "it")
    whose = message.string_table[message.comment[1]]
    assert whose.startswith(f"worker web/0, process {target.pid}, host ")
    found = read_by_client(profile)
    assert found["types"] == ["inuse_objects/count", "inuse_space/bytes"]
    holders = sorted(found["cumulative"].items(), key=lambda one: -one[1])
    assert [name for name, _ in holders if "(module)" not in name][:3] == [
        "__main__.SESSIONS",
        "[*] (__main__.Session)",
        ".body (bytearray)",
    ]


def test_a_recording_has_censuses_and_goes_on_after_a_restart(tmp_path: Path, marker: str):
    settings, record = settings_of(tmp_path, marker), tmp_path / "record.jsonl"
    options = ("--record", str(record))
    with start_target("watched_sessions.py", marker):
        for _ in range(2):
            with running_daemon(settings, *options) as daemon:
                wait_until(lambda: '"census"' in record.read_text(), "a census", 60)
                assert daemon.end() == 0
    command = [sys.executable, "-P", "-m", "heapgraph", "rules", "test", str(settings), "--json"]
    done = subprocess.run([*command, "--replay", str(record)], check=True, capture_output=True)
    assert json.loads(done.stdout)["censuses"] >= 1


def test_the_audit_log_is_closed_last(tmp_path: Path, marker: str):
    """Given a snapshot that a peer asked for and SIGTERM, its end is written before the log's."""
    settings, place = settings_of(tmp_path, marker), tmp_path / "s"
    with start_target("collector_counts.py", marker), running_daemon(settings) as daemon:
        daemon.wait_for("snapshot web-0")
        ask(place, "POST", "/v1/targets/web/0/snapshot")
        assert daemon.end() == 0
    [log] = (tmp_path / "audit").iterdir()
    events = [json.loads(line)["event"] for line in log.read_text().splitlines()]
    assert events.count("audit.closed") == 1
    assert events[-1] == "audit.closed"
