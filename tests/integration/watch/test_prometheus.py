"""The real Prometheus takes our metrics, knows our alert rules, and answers the dashboard."""

from __future__ import annotations

import json
import re
import subprocess
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from heapgraph.watch.metrics.families import FAMILIES
from heapgraph.watch.metrics.prometheus import PrometheusText
from heapgraph.watch.metrics.state import WorkerMetrics
from heapgraph.watch.model import RuleState
from helpers.metric_states import LEAK, WEB, census, sample, state
from helpers.prometheus_server import metrics_server, needs_prometheus, prometheus

DEPLOY = Path(__file__).resolve().parents[3] / "deploy"
RULES = DEPLOY / "prometheus" / "heapgraph.rules.yml"
RULE_TESTS = DEPLOY / "prometheus" / "heapgraph.rules.test.yml"
DASHBOARD = json.loads((DEPLOY / "grafana" / "heapgraph.json").read_text())
QUERIES = [
    (panel["title"], target["expr"])
    for panel in DASHBOARD["panels"]
    for target in panel.get("targets", ())
]
KNOWN = {one.name for one in FAMILIES} | {
    f"{one.name}{end}"
    for one in FAMILIES
    if one.kind == "histogram"
    for end in ("_bucket", "_count", "_sum")
}


class Leaking:
    """A daemon whose target leaks from scrape to scrape: everything that may rise does."""

    def __init__(self) -> None:
        self._text = PrometheusText()
        self._lock = threading.Lock()
        self.scrapes = 0
        self.accepted: set[str] = set()
        self.is_leaking = True

    def render(self, accept: str) -> tuple[bytes, str]:
        with self._lock:
            self.accepted.add(accept)
            self.scrapes += self.is_leaking
            count = self.scrapes
            size = 1_000_000 + count * 100_000
            worker = WorkerMetrics(
                WEB,
                sample=replace(
                    sample(rss=size, limit=4e9),
                    generations=tuple((count, 10 * count, count) for _ in range(3)),
                ),
                census=census(taken_at=count, holders=[(LEAK, size)]),
                oom_kills=count,
            )
            given = state(
                workers=(worker,),
                rules={("kept", WEB): RuleState.FIRING if self.is_leaking else RuleState.RESOLVED},
                snapshots={"done": count},
                actions={("page", "delivered"): count},
                refusals={"cpu": count},
            )
            for _ in range(count):
                given = replace(given, pauses=given.pauses.with_pause(3.0))
            return self._text.render(given, names=True, accept=accept)


@pytest.fixture(scope="module")
def scraped(tmp_path_factory):
    """A Prometheus that has scraped a leaking daemon some times."""
    daemon = Leaking()
    with (
        metrics_server(daemon.render) as port,
        prometheus(tmp_path_factory.mktemp("prometheus"), port, RULES) as server,
    ):
        server.until(lambda: server.series("count_over_time(heapgraph_target_up[1m]) >= 4"))
        yield server, daemon


def metrics_in(text: str) -> set[str]:
    return set(re.findall(r"\bheapgraph_[a-z_]+", text))


def test_rules_and_dashboard_name_metrics_that_exist():
    text = RULES.read_text() + RULE_TESTS.read_text() + json.dumps(DASHBOARD)
    assert metrics_in(text) - KNOWN == set()
    # And every metric is on the dashboard.
    shown = metrics_in(json.dumps(DASHBOARD))
    assert {one.name for one in FAMILIES} - shown == {"heapgraph_pause_seconds"}
    assert "heapgraph_pause_seconds_bucket" in shown


@needs_prometheus
def test_the_rules_are_right_by_promtool():
    checked = subprocess.run(
        ["promtool", "check", "rules", RULES], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stderr
    tested = subprocess.run(
        ["promtool", "test", "rules", RULE_TESTS], capture_output=True, text=True, check=False
    )
    assert tested.returncode == 0, tested.stdout + tested.stderr
    tests = RULE_TESTS.read_text()
    for name in re.findall(r"- alert: (\w+)", RULES.read_text()):
        assert f"alertname: {name}" in tests, f"{name} has no test"


@needs_prometheus
def test_promtool_finds_nothing_wrong_with_the_metrics():
    body, _ = PrometheusText().render(state(), names=True)
    checked = subprocess.run(
        ["promtool", "check", "metrics"], input=body, capture_output=True, check=False
    )
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, b"")


@needs_prometheus
def test_it_scrapes_every_metric(scraped):
    server, daemon = scraped
    assert server.series("up")[0]["value"][1] == "1"
    names = set(server.ask("/api/v1/label/__name__/values"))
    wanted = {one.name for one in FAMILIES if one.kind != "histogram"}
    assert wanted | {"heapgraph_pause_seconds_bucket"} <= names
    assert any("openmetrics" in accept for accept in daemon.accepted)
    (holder,) = server.series("heapgraph_holder_bytes")
    assert holder["metric"]["holder"] == LEAK
    assert (holder["metric"]["target"], holder["metric"]["worker"]) == ("web", "0")
    labels = {name for row in server.series('{__name__=~"heapgraph_.+"}') for name in row["metric"]}
    assert "pid" not in labels


@needs_prometheus
@pytest.mark.parametrize(("title", "expression"), QUERIES)
def test_a_query_of_the_dashboard_has_an_answer(scraped, title, expression):
    server, _ = scraped
    for variable, value in (("$target", ".*"), ("$worker", ".*"), ("$__rate_interval", "1m")):
        expression = expression.replace(variable, value)
    assert "$" not in expression
    assert server.series(expression), title


@needs_prometheus
def test_the_shipped_alert_fires_and_ends(scraped):
    server, daemon = scraped

    def firing() -> list:
        return [
            one
            for one in server.ask("/api/v1/alerts")["alerts"]
            if one["labels"]["alertname"] == "HeapgraphRuleFires" and one["state"] == "firing"
        ]

    (alert,) = server.until(firing)
    assert alert["labels"]["rule"] == "kept"
    assert alert["annotations"]["summary"] == "kept fires for web/0"
    daemon.is_leaking = False
    server.until(lambda: not firing())


@needs_prometheus
def test_the_variables_of_the_dashboard_have_values(scraped):
    server, _ = scraped
    for variable in DASHBOARD["templating"]["list"]:
        if variable["type"] != "query":
            continue
        match = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["definition"])
        series = match[1].replace("$target", ".*")
        assert "web" in server.ask("/api/v1/label/target/values", **{"match[]": series})
        assert match[2] in ("target", "worker")


def test_panels_do_not_lie_on_one_another():
    taken = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24
        taken |= cells
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
