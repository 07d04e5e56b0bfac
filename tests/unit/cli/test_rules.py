"""`heapgraph rules check` and `rules test`: what they print, and with which code they end."""

from __future__ import annotations

from pathlib import Path

import pytest

from heapgraph.watch.rules.replay import line_of
from helpers.cli import invoke, run_process
from helpers.watched import event, process, sample, worker

EXAMPLE = Path(__file__).resolve().parents[3] / "fixtures" / "watch" / "heapgraph.toml"
SETTINGS = """
[watch]
targets = [{ name = "web", match = "gunicorn" }]
warm_up = "0s"
[[rule]]
name = "big"
metric = "rss_bytes"
above = "1KiB"
times = 2
do = ["snapshot"]
"""


@pytest.fixture
def settings(tmp_path):
    file = tmp_path / "heapgraph.toml"
    file.write_text(SETTINGS)
    return file


@pytest.fixture
def recording(tmp_path):
    file = tmp_path / "samples.jsonl"
    values = [500, 2000, 2000, 500, 2000, 2000, 500, 500]
    records = [process(worker(), 4711, 0, 100)]
    records += [sample(100 + 5 * number, rss_bytes=one) for number, one in enumerate(values)]
    file.write_text("".join(line_of(one) for one in records))
    return file


def test_check_says_rules_in_words():
    outcome = invoke("rules", "check", EXAMPLE)
    assert outcome.code == 0, outcome.stderr
    text = " ".join(outcome.stdout.split())
    for words in (
        'target web processes whose command line contains "gunicorn: worker"',
        (
            "in every target, when cgroup_ratio is above 80.0 % 3 times in a row: snapshot, page;"
            " then nothing for 30 min, and at most 3 times in 1 d"
        ),
        "when seconds_to_limit is below 30 min 6 times in a row",
        "in web, when rss_bytes is more than 200 % above its mean of 5 min: snapshot",
        "when private_bytes rises by more than 50.0 MiB in 1 h, over 30 min, 12 times in a row",
        "when holder app.* grows in 3 censuses one after another, by 10.0 MiB or more in all",
        "when type app.Session has more than 100,000 objects",
        "when cgroup.oom_kill happens",
        "when exit happens 3 times, each within 10 min of the one before",
        "webhook to the address in /run/secrets/hook, as heapgraph, signed",
        "command /usr/bin/logger as nobody",
        "unix:/run/heapgraph.sock: status, metrics",
        "/var/log/heapgraph, kept 180 d; nothing is done without it",
    ):
        assert words in text


def test_check_says_defaults(settings):
    text = " ".join(invoke("rules", "check", settings).stdout.split())
    assert "censuses every 15 min" in text
    assert "endpoint none: nothing listens" in text
    assert "audit log /var/lib/heapgraph/audit, kept 180 d; nothing is done without it" in text


def test_check_as_json(settings):
    document = invoke("rules", "check", settings, "--json").document
    assert list(document) == ["valid", "problems", "notes", "files", "rules", "settings"]
    assert document["valid"] is True
    assert document["rules"][0]["name"] == "big"
    assert document["settings"]["rules"][0]["above"] == 1024
    assert document["settings"]["store"]["path"] == "/var/lib/heapgraph"


def test_check_tells_all_problems(settings):
    settings.write_text(SETTINGS + 'cooldown = "1m"\n[hhtp]\n')
    outcome = invoke("rules", "check", settings)
    assert outcome.code == 2
    lines = outcome.stderr.splitlines()
    assert lines[0] == '[[rule]] "big": unknown key "cooldown"; did you mean "cool_down"?'
    assert lines[1] == 'settings: unknown key "hhtp"; did you mean "http"?'
    assert outcome.error[0].endswith("have 2 problems")
    assert outcome.stdout == ""
    document = invoke("rules", "check", settings, "--json").document
    assert (document["valid"], len(document["problems"])) == (False, 2)


def test_check_of_what_is_no_file(tmp_path):
    outcome = invoke("rules", "check", tmp_path / "missing.toml")
    assert outcome.code == 2
    assert len(outcome.error) == 3


def test_test_prints_transitions(settings, recording):
    outcome = invoke("rules", "test", settings, "--replay", recording)
    assert outcome.code == 0, outcome.stderr
    lines = [" ".join(line.split()) for line in outcome.stdout.splitlines()]
    above = "rss_bytes was 1.95 KiB, above 1.00 KiB"
    below = "rss_bytes was 500 B, not above 1.00 KiB"
    assert lines[1:] == [
        f"5 s big web/0 inactive -> pending {above}",
        f"10 s big web/0 pending -> firing {above}, 2 times in a row; would do snapshot",
        f"35 s big web/0 firing -> resolved {below}, 2 times in a row",
        "",
        "35 s: 8 samples, 0 events, 0 censuses; a replay: nothing of it was done",
    ]


def test_test_as_json(settings, recording):
    document = invoke("rules", "test", settings, "--replay", recording, "--json").document
    assert list(document) == [
        *("seconds", "samples", "events", "censuses", "processes", "transitions", "left_out")
    ]
    assert [one["new"] for one in document["transitions"]] == ["pending", "firing", "resolved"]
    firing = document["transitions"][1]
    assert (firing["rule"], firing["target"], firing["slot"], firing["at"]) == (
        "big",
        "web",
        0,
        110,
    )
    assert (firing["value"], firing["limit"], firing["times"]) == (2000, 1024, 2)
    assert firing["actions"] == ["snapshot"]


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_a_limit_leaves_out_and_says_so(settings, recording, form):
    outcome = invoke("rules", "test", settings, "--replay", recording, "--limit", 1, *form)
    assert outcome.code == 0
    if form:
        assert (len(outcome.document["transitions"]), outcome.document["left_out"]) == (1, 2)
    else:
        assert "2 more transitions" in outcome.stderr


def test_what_is_odd_is_noted(settings, recording):
    recording.write_text(line_of(event(5, "exit", worker(0, "other"))) + '{"at": 6')
    stderr = invoke("rules", "test", settings, "--replay", recording).stderr
    assert "the last line has no end" in stderr
    assert "not in the settings: target other" in stderr


def test_a_damaged_recording(settings, recording):
    recording.write_text("x\n")
    outcome = invoke("rules", "test", settings, "--replay", recording)
    assert outcome.code == 2
    assert outcome.error[0].startswith("line 1 of ")


def test_without_a_command_there_is_help():
    outcome = invoke("rules")
    assert outcome.code == 2
    assert "check" in outcome.stderr


def test_no_numpy_is_loaded(settings):
    code = f"""
import sys
from heapgraph.cli.main import run_program
assert run_program(["rules", "check", {str(settings)!r}, "--json"]) == 0
print([name for name in ("numpy", "pyarrow", "rich") if name in sys.modules], file=sys.stderr)
"""
    assert run_process(code=code).stderr.splitlines()[-1] == "[]"


NEAR = SETTINGS.replace("rss_bytes", "cgroup_ratio")


@pytest.mark.parametrize(
    ("above", "expected"),
    [
        (
            "80%",
            "big: only 5.0 % of the limit is between above = 80.0 % and the headroom of 15.0 %",
        ),
        ("90%", "big: nothing is between above = 90.0 % and the headroom of 15.0 %"),
    ],
)
def test_check_notes_a_rule_that_fires_where_its_dump_is_refused(tmp_path, above, expected):
    file = tmp_path / "near.toml"
    file.write_text(NEAR.replace("1KiB", above))
    outcome = invoke("rules", "check", file)
    assert outcome.code == 0
    assert expected in " ".join(outcome.stderr.split())
    (told,) = invoke("rules", "check", file, "--json").document["notes"]
    assert told.startswith(expected)


def test_check_notes_nothing_where_there_is_room(tmp_path):
    file = tmp_path / "near.toml"
    file.write_text(NEAR.replace("1KiB", "75%"))
    assert invoke("rules", "check", file).stderr == ""


def test_the_line_to_look_at_is_named_with_its_file(settings, tmp_path):
    recording = tmp_path / "no recording.jsonl"
    recording.write_text("nonsense\n")
    outcome = invoke("rules", "test", settings, "--replay", recording)
    assert f"sed -n 1p '{recording}'" in outcome.stderr
