"""`.ci/run` refuses words that it does not know, before it does anything."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    "words", [("--help",), ("lint",), ("--step",), ("--step", "no-such-step"), ("--step", "a", "b")]
)
def test_unknown_words_are_a_usage_error(words):
    outcome = subprocess.run(
        ["/bin/bash", ".ci/run", *words],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (outcome.returncode, outcome.stdout) == (2, "")
    assert outcome.stderr.startswith("usage: bash .ci/run")
    assert " build fetch viewers " in outcome.stderr
    assert len(outcome.stderr.splitlines()) == 1
