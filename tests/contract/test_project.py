"""What the files around the code promise to each other."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

import heapgraph

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_the_pages_lead_somewhere(page):
    targets = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text())
    missing = [
        target
        for target in targets
        if not target.startswith(("https:", "http:")) and not (page.parent / target).exists()
    ]
    assert not missing


def test_every_dependency_has_its_reason():
    required = [re.match(r"[\w-]+", text)[0] for text in PROJECT["dependencies"]]
    explained = re.findall(
        r"^\*\*(.+?)\*\*", (ROOT / "docs/decisions.md").read_text(), re.MULTILINE
    )
    assert set(required) <= set(explained)


def test_the_version_is_the_same_everywhere():
    changelog = (ROOT / "CHANGELOG.md").read_text()
    assert heapgraph.__version__ == PROJECT["version"]
    assert f"## [{PROJECT['version']}]" in changelog


def test_make_help_lists_every_target_a_user_may_want():
    makefile = (ROOT / "Makefile").read_text()
    phony = set(re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)[1].split())
    described = set(re.findall(r"^(\w+):.*## ", makefile, re.MULTILINE))
    assert described == phony - {"interpreters"}
