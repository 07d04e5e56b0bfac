"""How amounts are written in the settings, and that nothing else is taken for one."""

from __future__ import annotations

import random

import pytest

from heapgraph.units import format_duration
from heapgraph.watch.settings import quantities
from heapgraph.watch.settings.quantities import BadValue

ALL = [
    quantities.duration,
    quantities.size,
    quantities.share,
    quantities.count,
    quantities.times_in,
    quantities.per_window,
    quantities.rate_over,
    quantities.plain_number,
]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("500ms", 0.5),
        ("5s", 5),
        ("15m", 900),
        ("15min", 900),
        ("24h", 86400),
        ("180d", 180 * 86400),
        ("1h30m", 5400),
        ("1.5 h", 5400),
        ("0s", 0),
    ],
)
def test_durations(text, seconds):
    assert quantities.duration(text) == seconds


@pytest.mark.parametrize(
    "value",
    [5, 5.0, "5", "", "s", "-5s", "5 weeks", "5s!", "1e3s", "5M", "\u0665s", True, None, []],
)
def test_no_durations(value):
    with pytest.raises(BadValue, match="a time is written like"):
        quantities.duration(value)


@pytest.mark.parametrize(
    ("value", "size"),
    [("10GiB", 10 * 2**30), ("1.5 MiB", 1.5 * 2**20), ("17B", 17), (4096, 4096), ("0KiB", 0)],
)
def test_sizes(value, size):
    assert quantities.size(value) == size


@pytest.mark.parametrize("value", ["10GB", "10", "10 gib", -1, float("nan"), True, "x"])
def test_no_sizes(value):
    with pytest.raises(BadValue, match="a size is written like"):
        quantities.size(value)


def test_what_is_too_large_is_said_to_be():
    for text, read in [("9999999TiB", quantities.size), ("999999999999999d", quantities.duration)]:
        with pytest.raises(BadValue, match=r"2\^53"):
            read(text)


@pytest.mark.parametrize(("value", "share"), [("80%", 0.8), (0.8, 0.8), ("200%", 2.0), (1, 1.0)])
def test_shares(value, share):
    assert quantities.share(value) == share


@pytest.mark.parametrize("value", ["0.8", "80", "80 percent", "%", float("inf"), False])
def test_no_shares(value):
    with pytest.raises(BadValue, match="a share is written like"):
        quantities.share(value)


def test_amounts_with_a_time():
    assert quantities.times_in("3/24h") == (3, 86400)
    assert quantities.per_window("200%/5m") == ("200%", 300)
    assert quantities.rate_over("50MiB/h over 30m") == ("50MiB", 3600, 1800)
    assert quantities.rate_over("1000/30s over 5m") == ("1000", 30, 300)


@pytest.mark.parametrize("value", ["3", "/24h", "x/24h", "3/", "-3/24h", "3.5/24h", 3, "3/24"])
def test_no_limits(value):
    with pytest.raises(BadValue):
        quantities.times_in(value)


@pytest.mark.parametrize("value", ["50MiB/h", "50MiB over 5m", "/h over 5m", "1/0s over 5m", 7])
def test_no_slopes(value):
    with pytest.raises(BadValue):
        quantities.rate_over(value)


@pytest.mark.parametrize("read", ALL)
def test_nothing_else_is_raised(read):
    chance, refused = random.Random(7), 0
    letters = "0123456789./% smhdKMGiB-+eE_over\x00\u0665\u221e"
    for _ in range(3000):
        text = "".join(chance.choice(letters) for _ in range(chance.randrange(12)))
        try:
            read(text)
        except BadValue as error:
            refused += bool(str(error))
    assert refused > 1000


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (0.05, "50 ms"),
        (5, "5 s"),
        (59.9, "59.9 s"),
        (60, "1 min"),
        (1800, "30 min"),
        (5400, "1 h 30 min"),
        (86400, "1 d"),
        (90061, "1 d 1 h"),
        (86460, "1 d"),
        (3605, "1 h"),
    ],
)
def test_durations_in_words(seconds, text):
    assert format_duration(seconds) == text
