"""A rule that can never fire for a target looks like a quiet night: it is said once."""

from __future__ import annotations

from heapgraph.watch.rules.blind import BlindRules
from heapgraph.watch.settings.model import RuleSpec
from helpers.watched import sample, worker

NEAR = RuleSpec("near-limit", metric="cgroup_ratio", above=0.8)
LARGE = RuleSpec("large", metric="rss_bytes", above=1.0)


def test_a_rule_about_a_group_that_cannot_be_seen_is_said_to_know_nothing():
    blind = BlindRules([NEAR, LARGE])
    (line,) = blind.lines([sample(0.0, rss_bytes=2.0)])
    assert line.startswith("near-limit knows nothing of web/0: no cgroup_ratio: its control group")
    assert list(blind.lines([sample(5.0, worker(1), rss_bytes=2.0)])) == []
    (of_jobs,) = blind.lines([sample(5.0, worker(0, "jobs"))])
    assert "jobs/0" in of_jobs


def test_nothing_is_said_of_what_is_read_or_not_asked():
    only_web = RuleSpec("near-limit", metric="cgroup_ratio", above=0.8, targets=("web",))
    assert list(BlindRules([NEAR]).lines([sample(0.0, cgroup_ratio=0.1)])) == []
    assert list(BlindRules([only_web]).lines([sample(0.0, worker(0, "jobs"))])) == []
