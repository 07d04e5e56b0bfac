"""What is recorded comes back, damage has a line number, a replay is what the daemon did."""

from __future__ import annotations

import json
import math
import os
import random
import time

import pytest

from heapgraph.errors import UsageError
from heapgraph.watch.model import Event, Sample, SuspectLine
from heapgraph.watch.rules.engine import RuleEngine
from heapgraph.watch.rules.recording import MOST_LINE_BYTES, record_of
from heapgraph.watch.rules.replay import Recording, Replay, line_of
from heapgraph.watch.settings.model import RuleSpec
from helpers.watched import census, event, process, sample, settings_with, worker

RULE = RuleSpec("r", metric="rss_bytes", above=100, do=("snapshot",))
SUSPECT = SuspectLine("holder", "app.A", ("app", "A"), ("f()",), 5, 0.5, "unknown", "f00d")


def written(tmp_path, *records):
    file = tmp_path / "samples.jsonl"
    file.write_text("".join(line if isinstance(line, str) else line_of(line) for line in records))
    return Recording(file)


def replayed(recording, *rules, **more):
    replay = Replay(settings_with(*(rules or (RULE,)), **more))
    return list(replay.transitions(recording.records())), replay


@pytest.mark.parametrize(
    "record",
    [
        Sample(worker(3), 12.5, {"rss_bytes": 1e9, "psi_some": 0.25}, ((1, 2, 0), (3, 4, 5))),
        sample(0),
        event(5, "psi"),
        Event("cgroup.oom_kill", worker(), 7.5, {"kills": 2.0, "group": "x"}),
        process(worker(), 4711, 3.25, 9.5),
        census(5, {"app.A[*]": (10, 3)}, {"app.S\x1b": (2, 64)}, unreachable_size=9),
    ],
)
def test_a_record_comes_back_as_far_as_rules_look(record):
    line = line_of(record)
    assert line.isascii()
    assert line.count("\n") == 1
    again = record_of(line)
    assert json.loads(line_of(again)) == json.loads(line)
    if isinstance(record, Sample | Event):
        assert again == record


def test_what_rules_look_at_of_a_census():
    one = record_of(line_of(census(5, {"app.A": (10, 3)}, {"app.S": (2, 64)}, suspects=(SUSPECT,))))
    assert (one.holders[0].retained_size, one.holders[0].count) == (10, 3)
    assert (one.types[0].objects, one.types[0].shallow_size) == (2, 64)
    assert (one.suspects[0].kind, one.suspects[0].fingerprint) == ("holder", "f00d")
    assert one.suspects[0].path == ()


def test_numbers_that_json_does_not_have_are_left_out():
    line = line_of(sample(1, rss_bytes=math.nan, threads=math.inf, fds=3))
    assert json.loads(line)["values"] == {"fds": 3}
    assert math.isnan(record_of(line_of(process(worker(), 1, math.nan, 2))).started_at)


def test_the_longest_line_is_within_the_bound():
    names = {"\x01" * 50_000 + str(number): 5 for number in range(300)}
    types = dict.fromkeys(names, (1, 5))
    assert len(line_of(census(5, names, types))) < MOST_LINE_BYTES


DAMAGED = [
    ("[]", "a table is expected"),
    ("{", "Expecting"),
    ("[" * 100_000, "nested"),
    ('{"at": 1}', "a text is expected"),
    ('{"at": 1, "target": "web", "slot": 0}', "exactly one of"),
    ('{"at": 1, "target": "web", "slot": -1, "values": {}}', "a whole number"),
    ('{"at": 1, "target": "web", "slot": 0, "values": {"rss_bytes": "x"}}', "a number is"),
    ('{"at": 1, "target": "web", "slot": 0, "values": {"rss_bytes": NaN}}', "a finite number"),
    ('{"at": 1, "target": "web", "slot": 0, "values": {}, "event": "psi"}', "exactly one of"),
    ('{"at": 1, "target": "web", "slot": 0, "event": "nothing"}', "the event is none of"),
    ('{"at": 1, "target": "web", "slot": 0, "process": {}}', "a whole number"),
    ('{"at": 1, "target": "web", "slot": 0, "census": {"types": [[1]]}}', "2 numbers"),
    ('{"at": 1e999, "target": "web", "slot": 0, "values": {}}', "a finite number"),
    ('{"at": ' + "9" * 5000 + "}", "4300 digits"),
    ("x" * (MOST_LINE_BYTES + 1), "more than"),
    ("\u00e9".encode("latin-1").decode("latin-1"), "Expecting"),
]


@pytest.mark.parametrize(("line", "reason"), DAMAGED, ids=range(len(DAMAGED)))
def test_a_damaged_line_is_named(tmp_path, line, reason):
    recording = written(tmp_path, sample(0, rss_bytes=5), line + "\n")
    with pytest.raises(UsageError, match=r"line 2 of .*samples.jsonl is none") as caught:
        list(recording.records())
    assert reason in caught.value.cause
    assert len(caught.value.parts()) == 3


def test_bytes_that_are_no_text(tmp_path):
    (tmp_path / "x").write_bytes(b"\xff\n")
    with pytest.raises(UsageError, match="line 1"):
        list(Recording(tmp_path / "x").records())


def test_a_line_without_an_end_is_left_out(tmp_path):
    recording = written(tmp_path, sample(0, rss_bytes=5), line_of(sample(5))[:-9])
    assert len(list(recording.records())) == 1
    assert recording.is_cut


def test_a_clock_that_goes_back(tmp_path):
    recording = written(tmp_path, sample(5000), sample(4950), sample(5))
    with pytest.raises(UsageError, match="line 3") as caught:
        list(recording.records())
    assert "its clock goes back" in caught.value.cause


def test_files_that_are_none(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path, reason in [("missing", "cannot be read"), ("pipe", "no regular"), (".", "regular")]:
        with pytest.raises(UsageError, match=reason):
            list(Recording(tmp_path / path).records())


def test_samples_of_one_round_are_one_look(tmp_path):
    rows = [sample(100.0, worker(0), rss_bytes=150), sample(102.4, worker(1), rss_bytes=200)]
    found, replay = replayed(written(tmp_path, *rows))
    assert [one.withheld for one in found] == ["web/1 is worse", ""]
    assert (replay.first_at, replay.last_at, replay.samples) == (100, 102.4, 2)


@pytest.mark.parametrize("second", [sample(102.6, worker(1), rss_bytes=200), sample(101, fds=1)])
def test_what_is_too_late_or_of_the_same_worker_is_another_look(tmp_path, second):
    last = sample(102.7, worker(1), rss_bytes=200)
    rows = [sample(100.0, worker(0), rss_bytes=150), second, last]
    found, _ = replayed(written(tmp_path, *rows))
    assert found[0].actions == ("snapshot",)


def test_targets_that_the_settings_do_not_have(tmp_path):
    _, replay = replayed(written(tmp_path, sample(0, worker(0, "other"), rss_bytes=5)))
    assert replay.unknown_targets == {"other"}


def test_nothing_was_recorded(tmp_path):
    found, replay = replayed(written(tmp_path))
    assert (found, replay.first_at) == ([], None)


@pytest.mark.parametrize("seed", range(5))
def test_a_replay_is_what_the_daemon_did(tmp_path, seed):
    """Everything the rules were shown, recorded on the way."""
    chance = random.Random(seed)
    rules = (
        RULE,
        RuleSpec("e", event="exit", times=2, do=("page",)),
        RuleSpec("h", holder="*", bytes_above=50, do=("page",), cool_down_s=100),
    )
    engine, lines, live, pids = RuleEngine(settings_with(*rules, warm_up_s=9)), [], [], {}

    def show(record, call):
        lines.append(line_of(record))
        live.extend(call(record))

    for number in range(300):
        at = 5.0 * number
        for slot in range(3):
            if slot not in pids or chance.random() < 0.05:
                if slot in pids:
                    show(event(at - 2, "exit", worker(slot)), engine.event)
                pids[slot] = number * 3 + slot + 1
                show(process(worker(slot), pids[slot], at - 3, at - 2), engine.begin)
        samples = [
            sample(at + slot / 10, worker(slot), rss_bytes=chance.randrange(60, 160))
            for slot in range(3)
        ]
        lines += map(line_of, samples)
        live += engine.look(at + 0.2, samples)
        if chance.random() < 0.2:
            slot = chance.randrange(3)
            sizes = {"app.A": chance.randrange(100)}
            show(census(at + 3, sizes, pid=pids[slot], name=worker(slot)), engine.census)
    found, replay = replayed(written(tmp_path, *lines), *rules, warm_up_s=9)
    assert found == live
    assert len(found) > 50
    assert replay.processes > 10


def test_many_workers_in_one_look_take_no_longer_each():
    """Given 30,000 workers at one moment, each is looked up, not compared with all others."""
    replay = Replay(settings_with(RULE))
    begun = time.process_time()
    found = list(replay.transitions(sample(0, worker(slot), rss_bytes=1) for slot in range(30_000)))
    assert (found, replay.samples) == ([], 30_000)
    assert time.process_time() - begun < 10
