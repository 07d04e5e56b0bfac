"""docs/watch-rules.md has every key of the settings, and its examples are settings."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from heapgraph.watch.model import EVENTS, METRICS
from heapgraph.watch.settings.load import load_settings, settings_of
from heapgraph.watch.settings.tables import Table

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "watch-rules.md").read_text()
EXAMPLES = re.findall(r"^```toml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
TARGET = '[watch]\ntargets = [{ name = "web", match = "x" }, { name = "jobs", match = "y" }]\n'
ACTION = '[[action]]\nname = "page"\nkind = "webhook"\nurl_file = "/x"\n'


def keys_that_are_read(monkeypatch, tmp_path):
    found = set()
    true_finish = Table.finish

    def finish(table):
        found.update(table.known_keys)
        true_finish(table)

    monkeypatch.setattr(Table, "finish", finish)
    text = (ROOT / "fixtures/watch/heapgraph.toml").read_text()
    more = (
        '[http.tls]\ncertificate = "/c"\nkey = "/k"\n'
        '[http.jwt]\nkey_file = "/k"\nalgorithm = "ES256"\naudience = "a"\nissuer = "i"\n'
    )
    file = tmp_path / "heapgraph.toml"
    file.write_text(text.replace("unix:/run/heapgraph.sock", "0.0.0.0:9000") + more)
    load_settings(file)
    return found


def test_every_key_is_on_the_page(monkeypatch, tmp_path):
    keys = keys_that_are_read(monkeypatch, tmp_path)
    assert {"interval", "cool_down", "client_ca", "audience", "per_rampup", "censuses"} <= keys
    refused = {"url", "secret", "token", "tokens", "password"}
    written = set(re.findall(r"`\[{0,2}(\w+)\]{0,2}`", PAGE))
    assert sorted(keys - refused - written) == []


@pytest.mark.parametrize("name", [*METRICS, *EVENTS])
def test_every_metric_and_event_is_on_the_page(name):
    assert f"`{name}`" in PAGE


@pytest.mark.parametrize("text", EXAMPLES)
def test_an_example_is_read(text):
    head = ("" if "[watch]" in text else TARGET) + ("" if 'name = "page"' in text else ACTION)
    problems = []
    settings = settings_of(tomllib.loads(head + text), Path("/etc"), problems)
    assert problems == []
    assert settings.targets


def test_there_are_examples():
    assert len(EXAMPLES) > 5
