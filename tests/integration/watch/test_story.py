"""The story that heapgraph began with: a service leaks, nobody is awake, and all is told."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import standardwebhooks

from helpers.daemon_settings import webhook, write_private, write_settings
from helpers.ports import free_port
from helpers.processes import resident_bytes, wait_until
from helpers.prometheus_server import Prometheus, needs_prometheus, prometheus
from helpers.service_story import (
    Load,
    Receiver,
    Service,
    gunicorn_service,
    receiver,
)
from helpers.watching import running_daemon

KEY = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

GROWTH = 12 * 2**20
"""What a worker may grow by before it is too much: some 160 answers that nobody closed."""

HTTP = """
[http]
listen = "127.0.0.1:{port}"
expose = ["status", "metrics", "names"]
tokens_file = "{folder}/tokens"
"""

RULES = Path(__file__).resolve().parents[3] / "deploy" / "prometheus" / "heapgraph.rules.yml"


@dataclass
class Told:
    """What came of one run."""

    messages: Receiver
    lines: list[str]
    answers: int


def settings_of(folder: Path, marker: str, service: Service, url: str) -> tuple[Path, int]:
    """Settings for a service: what it has grown by is too much, a webhook is told, signed."""
    made = json.loads(question("token", "new", "--scope", "names", "--json"))
    given = {"url": url, "key": KEY, "tokens": made["line"] + "\n", "token": made["token"]}
    for name, text in given.items():
        write_private(folder / name, text)
    port = free_port()
    page = webhook("page", "url", 'secret_file = "{folder}/key"')
    settings = write_settings(
        folder,
        marker,
        more=page + HTTP.format(port=port, folder=folder),
        more_watch='tell_within = "5m"',  # one message with everything, however busy the machine
        warm_up="1s",
        above=max(map(resident_bytes, service.workers)) + GROWTH,
        do=("snapshot", "report", "page"),
    )
    return settings, port


def alerts_of(server: Prometheus, name: str) -> list[dict[str, Any]]:
    """The alerts of one name that fire."""
    found: list[dict[str, Any]] = server.ask("/api/v1/alerts")["alerts"]
    return [one for one in found if one["labels"]["alertname"] == name]


def question(*arguments: object) -> str:
    command = [sys.executable, "-P", "-m", "heapgraph", *map(str, arguments)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@needs_prometheus
@pytest.mark.timeout(300)
def test_a_service_that_leaks_is_noticed_named_and_written_down(tmp_path: Path):
    """Given a server under load that closes no answer, the webhook names who keeps them all."""
    marker = f"story-{uuid.uuid4().hex}"
    with (
        receiver() as received,
        gunicorn_service(marker, leaks=True) as service,
        Load(service.port) as load,
    ):
        settings, port = settings_of(tmp_path, marker, service, received.url)
        with running_daemon(settings) as daemon:
            (tmp_path / "prometheus").mkdir()
            with prometheus(tmp_path / "prometheus", port, RULES, tmp_path / "token") as server:
                daemon.wait_for("too-large is firing")
                wait_until(lambda: bool(received.messages), "a webhook came", 120)
                alert = server.until(lambda: alerts_of(server, "HeapgraphRuleFires"))[0]
                held = server.until(
                    lambda: server.series('heapgraph_holder_bytes{holder="gateway.IN_FLIGHT"}')
                )
            told = Told(received, daemon.lines, load.answers)
            assert daemon.end() == 0
    assert alert["labels"]["rule"] == "too-large"
    assert float(held[0]["value"][1]) > GROWTH / 2

    message = told.messages.messages[0]
    # The library of whoever made the convention finds the signature right.
    standardwebhooks.Webhook(KEY).verify(message.body, message.headers)
    data = message.document["data"]
    assert data["status"] == "firing"
    assert data["rule"] == "too-large"
    assert data["observation"]["times"] == 3
    suspect = data["suspect"]
    assert suspect["holder"] == "gateway.IN_FLIGHT"
    assert suspect["path"][:4] == [
        "gateway.IN_FLIGHT (dict)",
        "[*] (http.client.HTTPResponse)",
        ".connection (gateway.BufferedConnection)",
        ".buffer (bytearray)",
    ]
    assert "fetch() at gateway.py:30" in suspect["code"]
    assert "gateway.IN_FLIGHT" in data["verdict"]

    snapshot = tmp_path / "store" / f"{data['snapshot']['id']}.heapgraph"
    first = json.loads(question("suspects", snapshot, "--json"))["suspects"][0]
    assert first["expression"] == "gateway.IN_FLIGHT"
    assert first["fingerprint"] == suspect["fingerprint"] == data["incident"]
    assert "HTTPResponse" in snapshot.with_suffix(".txt").read_text()
    assert "lines hold" in question("audit", "verify", tmp_path / "audit")


@pytest.mark.timeout(300)
def test_its_fixed_twin_raises_nothing_in_the_same_time(tmp_path: Path):
    """Given the server that closes its answers, as many requests lead to no word."""
    marker = f"story-{uuid.uuid4().hex}"
    with (
        receiver() as received,
        gunicorn_service(marker, leaks=False) as service,
        Load(service.port) as load,
    ):
        settings, _ = settings_of(tmp_path, marker, service, received.url)
        with running_daemon(settings) as daemon:
            wait_until(lambda: load.answers > 2000, "as many requests", 90)
            daemon.wait_for("web/3")
            assert daemon.end() == 0
            assert not [line for line in daemon.lines if "firing" in line or "pending" in line]
    assert not received.messages
