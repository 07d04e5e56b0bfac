"""The real daemon, the real Prometheus, a process that leaks: series, names, the shipped alert."""

from __future__ import annotations

import re
import urllib.error
import urllib.request
import uuid
from pathlib import Path

import pytest

from heapgraph.watch.http.tokens import new_token
from helpers.daemon_settings import write_private, write_settings
from helpers.ports import free_port
from helpers.prometheus_server import needs_prometheus, prometheus
from helpers.running_target import start_target
from helpers.watching import running_daemon

RULES = Path(__file__).resolve().parents[3] / "deploy" / "prometheus" / "heapgraph.rules.yml"

LEAK = """
import sys
class Session:
    def __init__(self, number):
        self.payload = bytearray(2000)
SESSIONS = {}
for number in range(2000):
    SESSIONS["SECRET-%d" % number] = Session(number)
print("ready", flush=True)
sys.stdin.read()
"""

HTTP = """
[http]
listen = "127.0.0.1:{port}"
expose = ["status", "metrics", {names}]
tokens_file = "{folder}/tokens"
"""


def program(folder: Path) -> Path:
    path = folder / "leak.py"
    path.write_text(LEAK)
    return path


def settings_of(folder: Path, marker: str, port: int, *, names: bool) -> tuple[Path, str]:
    """Settings with a target that is there, one that is not, and a token of Prometheus."""
    token, line = new_token("names" if names else "status", "prometheus")
    write_private(folder / "tokens", line + "\n")
    write_private(folder / "token", token)
    endpoint = HTTP.format(port=port, names='"names"' if names else "", folder=folder)
    settings = write_settings(
        folder,
        marker,
        more=endpoint,
        more_targets=f', {{ name = "jobs", match = "no-{marker}" }}',
        warm_up="1s",
        above=1000,
        times=1,
        do=("census",),
    )
    return settings, token


def scraped(port: int, token: str) -> str:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/metrics", headers={"Authorization": f"Bearer {token}"}
    )
    with urllib.request.urlopen(request, timeout=10) as response:
        return response.read().decode()


@needs_prometheus
@pytest.mark.timeout(180)
def test_prometheus_shows_the_holder_and_fires_the_shipped_alert(tmp_path):
    marker, port = f"metrics-{uuid.uuid4().hex}", free_port()
    settings, token = settings_of(tmp_path, marker, port, names=True)
    with (
        start_target(program(tmp_path), marker),
        running_daemon(settings) as daemon,
        prometheus(tmp_path, port, RULES, token_file=tmp_path / "token") as server,
    ):
        daemon.wait_for("too-large is firing")
        (holder,) = server.until(
            lambda: server.series('heapgraph_holder_bytes{holder="__main__.SESSIONS"}')
        )
        assert (holder["metric"]["target"], holder["metric"]["worker"]) == ("web", "0")
        assert 4e6 < float(holder["value"][1]) < 6e6
        (rss,) = server.series("heapgraph_resident_memory_bytes")
        assert float(rss["value"][1]) > 4e6
        up = {
            row["metric"]["target"]: row["value"][1] for row in server.series("heapgraph_target_up")
        }
        assert up == {"web": "1", "jobs": "0"}
        server.until(
            lambda: [
                one
                for one in server.ask("/api/v1/alerts")["alerts"]
                if one["labels"]["alertname"] == "HeapgraphRuleFires"
                and one["labels"]["rule"] == "too-large"
                and one["state"] == "firing"
            ]
        )
        text = scraped(port, token)
        assert "SECRET" not in text
        assert marker not in text
        assert re.search(r"^heapgraph_pause_seconds_count [1-9]", text, re.MULTILINE)
        assert not re.search(r"\bpid\b", text)
        assert daemon.end() == 0


@pytest.mark.timeout(120)
def test_names_are_shown_where_they_are_exposed_only(tmp_path):
    marker, port = f"metrics-{uuid.uuid4().hex}", free_port()
    settings, token = settings_of(tmp_path, marker, port, names=False)
    with start_target(program(tmp_path), marker), running_daemon(settings) as daemon:
        daemon.wait_for("too-large is firing")
        daemon.wait_for("web/0: ")
        text = scraped(port, token)
        assert "heapgraph_resident_memory_bytes" in text
        assert "SESSIONS" not in text
        assert "heapgraph_type_bytes" not in text
        with pytest.raises(urllib.error.HTTPError, match="401"):
            scraped(port, "wrong")


@pytest.mark.timeout(120)
def test_the_daemon_pushes_to_opentelemetry_where_its_environment_says_so(tmp_path, monkeypatch):
    pytest.importorskip("opentelemetry.sdk")
    from helpers.otlp_collector import collector, metrics_of  # noqa: PLC0415 - of an extra

    marker, port = f"metrics-{uuid.uuid4().hex}", free_port()
    settings, _ = settings_of(tmp_path, marker, port, names=True)
    with collector(monkeypatch) as requests, start_target(program(tmp_path), marker):
        with running_daemon(settings) as daemon:
            daemon.wait_for("too-large is firing")
            assert daemon.end() == 0  # it pushes a last time
        found = metrics_of(requests[-1])
    assert found["heapgraph.resident_memory"][2]
    assert found["cpython.gc.collections"][2]
