"""One cause is one incident, told once, whoever else has it."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import count

import pytest

from heapgraph.watch.actions.incidents import MAX_INCIDENTS, Incidents, incident_key
from heapgraph.watch.actions.messages import alertmanager_document
from heapgraph.watch.model import WorkerName
from helpers.alerts import SUSPECT, alert


def incidents(resend_s: float = 600.0) -> Incidents:
    numbers = count(1)
    return Incidents(resend_s, lambda: f"new-{next(numbers)}")


def of(slot: int, target: str = "web", **changes):
    return alert(incident="?", worker=WorkerName(target, slot), id=f"first-{slot}", **changes)


def resolved(slot: int, **changes):
    return of(slot, status="resolved", suspect=None, created="2026-01-02T05:00:00+00:00", **changes)


def test_the_first_opens_and_the_others_join():
    state = incidents()
    (first,) = state.fire(of(0), 0.0)
    assert (first.incident, first.status, first.id) == (SUSPECT.fingerprint, "firing", "first-0")
    assert state.fire(of(1), 5.0) == []
    assert state.fire(of(2), 10.0) == []
    assert state.due(599.0) == []
    (update,) = state.due(600.0)
    assert update.others == (WorkerName("web", 0), WorkerName("web", 1))
    assert update.worker == WorkerName("web", 2)
    assert update.started == first.started
    assert update.id == "new-1"
    assert state.due(10_000.0) == []


def test_it_is_over_when_nobody_is_left():
    state = incidents()
    state.fire(of(0), 0.0)
    state.fire(of(1), 1.0)
    assert state.resolve(resolved(0)) == []
    (end,) = state.resolve(resolved(1))
    assert (end.status, end.incident) == ("resolved", SUSPECT.fingerprint)
    assert end.others == (WorkerName("web", 0),)  # that it was told of
    assert end.suspect == SUSPECT  # what it was about, although nobody looked again
    assert end.started == "2026-01-02T03:04:05+00:00"
    assert end.created == "2026-01-02T05:00:00+00:00"
    assert len(state) == 0
    assert state.resolve(resolved(1)) == []


def test_hosts_and_releases_have_one_incident():
    here, there = incidents(), incidents()
    (one,) = here.fire(of(0), 0.0)
    (other,) = there.fire(replace(of(3), host="host-2"), 7.0)
    assert one.incident == other.incident


def test_two_causes_are_two_incidents():
    state = incidents()
    state.fire(of(0), 0.0)
    (second,) = state.fire(of(1, suspect=replace(SUSPECT, fingerprint="f" * 16)), 1.0)
    assert second.incident == "f" * 16
    assert len(state) == 2


def test_without_a_cause_the_rule_and_the_target_are_the_incident():
    state = incidents()
    (first,) = state.fire(of(0, suspect=None), 0.0)
    assert state.fire(of(1, suspect=None), 1.0) == []
    (other,) = state.fire(of(0, target="jobs", suspect=None), 2.0)
    assert first.incident != other.incident
    assert incident_key(of(5, suspect=None)) == first.incident


@pytest.mark.parametrize("event", ["exit", "cgroup.oom_kill"])
def test_the_end_of_a_worker_is_told_beside_its_leak(event):
    state = incidents()
    state.fire(of(0), 0.0)
    ended = of(0, rule="crash-loop")
    ended = replace(ended, observation=replace(ended.observation, metric=event))
    (told,) = state.fire(ended, 5.0)
    assert (told.rule, told.suspect) == ("crash-loop", SUSPECT)
    assert told.incident != SUSPECT.fingerprint
    assert len(state) == 2


def test_a_cause_that_becomes_known_takes_the_place_of_the_unknown_one():
    state = incidents()
    (unknown,) = state.fire(of(0, suspect=None), 0.0)
    end, known = state.fire(of(0), 60.0)
    assert (end.incident, end.status) == (unknown.incident, "resolved")
    assert (known.incident, known.status) == (SUSPECT.fingerprint, "firing")
    assert (end.merged_into, known.merged_into) == (known.incident, "")
    assert end.verdict == f"it goes on as incident {known.incident}: {known.verdict}"
    assert len(state) == 1
    (over,) = state.resolve(resolved(0, verdict="resolved: rss_bytes was 1.0 MiB"))
    assert (over.merged_into, over.verdict) == ("", "resolved: rss_bytes was 1.0 MiB")


def test_a_worker_that_fires_again_is_no_news():
    state = incidents()
    state.fire(of(0), 0.0)
    assert state.fire(of(0), 10.0) == []
    assert state.due(1e6) == []
    (again,) = state.fire(of(0), 2e6)  # a rule that acts again after a long time
    assert again.others == ()


def test_two_rules_for_one_cause_are_one_incident():
    state = incidents()
    state.fire(of(0), 0.0)
    assert state.fire(of(0, rule="kept"), 1.0) == []
    assert state.resolve(resolved(0)) == []
    assert len(state.resolve(resolved(0, rule="kept"))) == 1


def test_a_restart_changes_nothing():
    state = incidents()
    state.fire(of(0), 1000.0)
    state.fire(of(1), 1100.0)
    saved = json.loads(json.dumps(state.to_dict(1200.0)))
    after = incidents()
    after.restore(saved, 5.0)  # another clock: 200 s ago it was told
    assert after.due(404.0) == []
    (update,) = after.due(405.0)
    assert update.others == (WorkerName("web", 0),)
    assert after.resolve(resolved(0)) == []
    assert len(after.resolve(resolved(1))) == 1


@pytest.mark.parametrize("damage", ["alert", "told_s_ago", "members", "all"])
def test_a_damaged_state_is_left_out(damage):
    state = incidents()
    state.fire(of(0), 0.0)
    state.fire(of(0, target="jobs", suspect=None), 0.0)
    saved = state.to_dict(1.0)
    if damage == "all":
        saved["incidents"] = [None, 7, "x", {}]
    else:
        saved["incidents"][0][damage] = "nonsense"
    after = incidents()
    after.restore(saved, 0.0)
    assert len(after) == (0 if damage == "all" else 1)


@pytest.mark.parametrize("name", ["times", "value", "limit"])
def test_an_endless_number_in_an_alert_is_left_out_and_counted(name: str):
    """Given `Infinity` where the state has a number, that incident is left out, and no other."""
    state = incidents()
    state.fire(of(0), 0.0)
    state.fire(of(0, target="jobs", suspect=None), 0.0)
    saved = state.to_dict(1.0)
    saved["incidents"][0]["alert"]["observation"][name] = float("inf")
    after = incidents()
    after.restore(json.loads(json.dumps(saved)), 0.0)
    assert (len(after), after.damaged) == (1, 1)


def test_what_is_open_has_a_limit():
    state = incidents()
    for number in range(MAX_INCIDENTS + 10):
        suspect = replace(SUSPECT, fingerprint=f"{number:016x}")
        assert len(state.fire(of(number, suspect=suspect), float(number))) == 1
    assert len(state) == MAX_INCIDENTS
    assert state.fire(of(0, suspect=replace(SUSPECT, fingerprint=f"{20:016x}")), 1.0) == []
    (again,) = state.fire(of(0, suspect=replace(SUSPECT, fingerprint=f"{3:016x}")), 1.0)
    assert again.status == "firing"


def test_what_was_promised_is_told_at_once_and_once():
    """Given a page without its snapshot, the next word of the same worker is not kept back."""
    state = incidents()
    state.fire(of(0, awaited=("snapshot",)), 0.0)
    assert state.fire(of(1, awaited=("snapshot",)), 1.0) == []
    assert not state.promised(of(1))  # nobody was told of it
    assert state.fire(of(1, snapshot="b"), 2.0) == []
    restored = incidents()
    restored.restore(json.loads(json.dumps(state.to_dict(3.0))), 3.0)
    (told,) = restored.fire(of(0, snapshot="a"), 4.0)
    assert (told.snapshot, told.others) == ("a", (WorkerName("web", 1),))
    assert restored.fire(of(0, snapshot="a"), 5.0) == []


def test_what_fired_is_resolved_under_its_own_labels():
    """Given rules and workers that join, a receiver that knows alerts by labels has none left."""
    state, open_alerts = incidents(), set()
    messages = state.fire(of(0, rule="slow"), 0.0)
    messages += state.fire(of(0, rule="fast"), 1.0) + state.fire(of(1, rule="fast"), 2.0)
    messages += state.due(600.0)
    again = incidents()
    again.restore(state.to_dict(601.0), 601.0)
    for slot, rule in ((0, "slow"), (0, "fast"), (1, "fast")):
        messages += again.resolve(resolved(slot, rule=rule))
    for message in messages:
        document = alertmanager_document(message)
        assert document["groupLabels"]["alertname"] == "slow"
        for one in document["alerts"]:
            if one["status"] == "firing":
                open_alerts.add(one["fingerprint"])
            else:
                open_alerts.discard(one["fingerprint"])
    assert [message.status for message in messages] == ["firing", "firing", "resolved"]
    assert open_alerts == set()
