"""What a message about a wrong key or metric says besides: where it belongs, and nothing twice."""

from __future__ import annotations

import pytest

from heapgraph.errors import SettingsUnusable
from heapgraph.watch.settings.load import load_settings

TARGET = '[watch]\ntargets = [{ name = "web", match = "gunicorn" }]\n'
RULE = '[[rule]]\nname = "r"\n'
MISPLACED = [
    (TARGET + 'max_pause = "9ms"', "; it belongs into budget = {...}"),
    (TARGET + "[store]\nfiles = 5", 'unknown key "files"; it belongs into limits = {...}'),
    ("interval = '5s'\n" + TARGET, 'unknown key "interval"; it belongs into [watch]'),
]


def problems_of(tmp_path, text):
    file = tmp_path / "heapgraph.toml"
    file.write_text(text)
    with pytest.raises(SettingsUnusable) as caught:
        load_settings(file)
    return list(caught.value.problems)


@pytest.mark.parametrize(("text", "expected"), MISPLACED)
def test_a_key_of_a_table_below_is_sent_there(tmp_path, text, expected):
    (problem,) = problems_of(tmp_path, text)
    assert problem.endswith(expected)


@pytest.mark.parametrize("key", ['above = "60MiB"', 'rise = "5MiB/5m"', 'slope = "1MiB/h over 1h"'])
def test_a_metric_that_there_is_not_is_one_problem(tmp_path, key):
    (problem,) = problems_of(tmp_path, TARGET + RULE + 'metric = "private_byte"\n' + key)
    assert 'did you mean "private_bytes"?' in problem
