"""What the daemon shows to the rules: ends before beginnings, and what ended while it was away."""

from __future__ import annotations

import random
from dataclasses import dataclass

import pytest

from heapgraph.watch.daemon.recording import FileRecorder
from heapgraph.watch.daemon.watcher import Watcher
from heapgraph.watch.rules.engine import RuleEngine
from heapgraph.watch.rules.replay import Recording, Replay
from heapgraph.watch.rules.saved_state import Moment, restore_engine, save_engine
from heapgraph.watch.sampling.sampler import Look
from heapgraph.watch.settings.model import RuleSpec
from helpers.watched import (
    BOOT,
    INTERVAL,
    census,
    event,
    process,
    said,
    sample,
    settings_with,
    worker,
)

RULES = (
    RuleSpec("big", metric="rss_bytes", above=100, do=("snapshot",), cool_down_s=60),
    RuleSpec("loop", event="exit", times=2, do=("page",)),
)


@dataclass
class Watched:
    """As the sampler names a process."""

    worker: object


class Looks:
    """A sampler that has seen all that it will say."""

    def __init__(self, *looks):
        self.looks = list(looks)

    def look(self, now):
        del now
        return self.looks.pop(0)


def ended(at, one):
    return {"went": [Watched(one)], "events": [event(at, "exit", one.name)]}


def test_a_process_that_takes_the_place_of_another_in_one_look_is_watched():
    old, new = process(worker(), 1, 0), process(worker(), 2, 5)
    looks = Looks(
        Look([sample(0, rss_bytes=150)], came=[Watched(old)]),
        Look([sample(5, rss_bytes=150)], came=[Watched(new)], **ended(5, old)),
    )
    watcher = Watcher(settings_with(RULES[0]), looks)
    assert said(watcher.look(0).transitions) == ["web/0 inactive>firing snapshot"]
    assert said(watcher.look(5).transitions) == [
        "web/0 firing>resolved",
        "web/0 inactive>firing (cool-down: 55 s to go)",
    ]
    assert watcher.workers == {worker(): new}


def test_a_process_that_ends_before_its_first_sample_is_not_watched():
    one = process(worker(), 1, 0)
    watcher = Watcher(settings_with(*RULES), Looks(Look(came=[Watched(one)], **ended(0, one))))
    seen = watcher.look(0)
    assert (seen.came, seen.went) == ([], [one])
    assert watcher.workers == {}
    assert watcher.engine.state.workers == {}


def test_what_ended_while_no_daemon_ran_is_resolved():
    settings = settings_with(RULES[0])
    engine = RuleEngine(settings)
    for slot in range(2):
        engine.begin(process(worker(slot), slot + 1, 0))
    engine.look(0, [sample(0, worker(slot), rss_bytes=150 + slot) for slot in range(2)])
    document = save_engine(engine, Moment(1, 0, BOOT))
    again, _ = restore_engine(settings, document, Moment(9, 0, BOOT))
    alive = [Watched(process(worker(1), 2, 0, 10))]
    rest = Look([sample(10, worker(1), rss_bytes=150)], came=alive)
    found = Watcher(settings, Looks(rest), again).look(10).transitions
    assert said(found) == ["web/0 firing>resolved (nothing was done while it fired)"]


@pytest.mark.parametrize("seed", range(3))
def test_a_record_of_the_daemon_replays_as_it_was(tmp_path, seed):
    """Restarts with the exit and the next process in one look, as a prefork server has them."""
    chance, settings, pids = random.Random(seed), settings_with(*RULES), {}
    recorder = FileRecorder(tmp_path / "samples.jsonl")
    live = []
    watcher = Watcher(settings, Looks())
    for number in range(200):
        at, look = INTERVAL * number, Look()
        for slot in range(3):
            if slot not in pids or chance.random() < 0.1:
                if slot in pids:
                    look.went.append(Watched(pids[slot]))
                    look.events.append(event(at, "exit", worker(slot)))
                pids[slot] = process(worker(slot), 3 * number + slot + 1, at - 1, at)
                look.came.append(Watched(pids[slot]))
            value = chance.randrange(60, 130)
            look.samples.append(sample(at, worker(slot), rss_bytes=value))
        watcher.sampler.looks.append(look)
        seen = watcher.look(at)
        recorder.write(seen)
        live += seen.transitions
    replay = Replay(settings)
    assert list(replay.transitions(Recording(tmp_path / "samples.jsonl").records())) == live
    assert len(live) > 50


def test_a_census_says_what_grew_since_the_one_before_of_the_same_process():
    watcher = Watcher(settings_with(*RULES), Looks(Look(came=[Watched(process(worker(), 1, 0))])))
    watcher.look(0.0)
    first = census(10, {"app.A": 100}, {"app.T": (5, 50)})
    later = census(20, {"app.A": 130, "app.B": 7}, {"app.T": (9, 90)})
    watcher.take_census(first)
    assert [row.grew for row in watcher.censuses[worker()].holders] == [None]
    watcher.take_census(later)
    found = watcher.censuses[worker()]
    assert [(row.expression, row.grew) for row in found.holders] == [("app.A", 30), ("app.B", None)]
    assert [(row.name, row.grew) for row in found.types] == [("app.T", 40)]
    watcher.take_census(census(30, {"app.A": 1}, pid=2))  # of another process
    assert watcher.censuses[worker()] is found
