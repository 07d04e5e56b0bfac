"""Every detector on a live program that has its case, and on the twin that does without."""

from __future__ import annotations

import pytest

from heapgraph.analysis.detectors.registry import DETECTORS
from heapgraph.analysis.waste import find_waste
from helpers.live_graphs import dump_graph
from helpers.running_target import start_target

OWNERS = {
    "live-threads": "in live_threads.<locals>.serve() at wasteful_leaks.py",
    "last-exception": "sys.last_value",
    "warning-registries": "wasteful_leaks.__warningregistry__",
    "garbage-cycles": "<unreachable ",
    "uncollected-cycles": "<unreachable ",
    "finalizer-cycles": "<unreachable wasteful_leaks.Closing",
    "c-held-objects": "<held by C code, ",
    "notebook-results": "__main__.Out",
}
"""Owners that are no global of the case's own name."""

LEAST = {
    "duplicate-strings": 19_000 * 57,
    "underfilled-dicts": 2_000_000,
    "method-caches": 100 * 800,
    "live-threads": 15 * 10_000,
    "finished-threads": 30 * 100,
    "stored-exceptions": 50 * 10_000,
    "last-exception": 1_000_000,
    "garbage-cycles": 500 * 1000,
    "uncollected-cycles": 500 * 1000,
    "pinned-buffers": 20 * 100_000,
    "pinned-arrays": 5 * 800_000,
    "queue-backlogs": 243 * 32,
}
"""Bytes that some cases surely waste."""


def waste_of(mode, folder):
    with start_target("wasteful.py", mode) as target:
        graph = dump_graph(target, folder / f"{mode}.heapgraph")
    by_detector = {name: [] for name in DETECTORS}
    for finding in find_waste(graph, min_size=0).findings:
        by_detector[finding.detector].append(finding)
    return by_detector


@pytest.fixture(scope="module")
def bad(tmp_path_factory):
    return waste_of("bad", tmp_path_factory.mktemp("waste"))


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    return waste_of("good", tmp_path_factory.mktemp("waste"))


def owner_of(name):
    return OWNERS.get(name, f"__main__.{name.replace('-', '_')}")


def naming(findings, owner):
    return [finding for finding in findings if any(owner in text for text in finding.owners)]


@pytest.mark.parametrize("name", DETECTORS)
def test_waste_is_found_and_its_owner_named(bad, name):
    named = naming(bad[name], owner_of(name))
    assert named, bad[name]
    assert named[0].wasted_size >= LEAST.get(name, 1)
    assert named[0].count >= 1
    assert DETECTORS[name].advice[1:] in named[0].advice


@pytest.mark.parametrize("name", DETECTORS)
def test_the_twin_without_waste_is_not_accused(good, name):
    if name == "garbage-cycles":  # there is always some
        assert sum(f.wasted_size for f in good[name]) < 500 * 100
    else:
        assert naming(good[name], owner_of(name)) == []


def test_a_family_of_classes_that_a_module_names_is_none(good):
    assert good["duplicate-classes"] == []
