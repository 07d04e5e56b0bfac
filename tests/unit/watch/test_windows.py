"""Windows against all values kept and computed plainly."""

from __future__ import annotations

import math
import random
import sys

import pytest

from heapgraph.watch.rules.forecast import WINDOW_S, Forecasts, seconds_to_limit
from heapgraph.watch.rules.windows import PARTS, Window
from helpers.watched import sample, worker


def kept(values, at, window_s):
    """The values that a window of whole parts still has."""
    part = math.floor(at * PARTS / window_s)
    return [one for one in values if math.floor(one[0] * PARTS / window_s) > part - PARTS]


def plain_fit(values):
    count = len(values)
    mean_at = math.fsum(at for at, _ in values) / count
    mean = math.fsum(value for _, value in values) / count
    squares = math.fsum((at - mean_at) ** 2 for at, _ in values)
    products = math.fsum((at - mean_at) * (value - mean) for at, value in values)
    rest = math.fsum((value - mean) ** 2 for _, value in values)
    slope = products / squares if squares else 0.0
    r2 = products**2 / (squares * rest) if squares and rest else 0.0
    return count, values[0][0], mean, slope, r2


@pytest.mark.parametrize("seed", range(20))
def test_a_window_says_what_its_values_say(seed):
    chance = random.Random(seed)
    window_s = chance.choice([20.0, 60.0, 300.0, 1800.0, 86400.0])
    window, values, at = Window(window_s), [], chance.uniform(0, 1e7)
    level = chance.choice([1.0, 1e9, 1e12])
    for _ in range(600):
        at += chance.choice([window_s / 200, window_s / 50, 1.0, 0.0, window_s / 3])
        value = level * (1 + chance.uniform(-1, 1) * chance.choice([1e-6, 1]))
        window.add(at, value)
        values = kept([*values, (at, value)], at, window_s)
        fit = window.fit(at)
        count, first_at, mean, slope, r2 = plain_fit(values)
        assert (fit.count, fit.first_at) == (count, first_at)
        assert fit.mean == pytest.approx(mean, rel=1e-9)
        scale = level / window_s
        assert fit.slope == pytest.approx(slope, rel=1e-6, abs=1e-9 * scale)
        assert fit.determination == pytest.approx(r2, rel=1e-4, abs=1e-6)


def test_nothing_and_what_is_too_old():
    window = Window(60)
    assert window.fit(100) is None
    window.add(1000, 5)
    window.add(900, 7)
    assert window.fit(1000).count == 1
    assert window.fit(2000) is None
    window.add(5000, 1)
    assert (window.fit(5000).count, window.fit(5000).mean) == (1, 1)


@pytest.mark.parametrize("seed", range(5))
def test_a_window_that_was_saved_goes_on_as_before(seed):
    chance, window, at = random.Random(seed), Window(300), 50.0
    for _ in range(200):
        at += chance.uniform(0, 20)
        window.add(at, chance.uniform(0, 1e9))
        again = Window.restored(300, window.saved(), at)
        assert again.fit(at) == window.fit(at)
        window = again


@pytest.mark.parametrize("text", ["", ":", "3:AAAA", "x:" + "A" * 1792, "3:*" + "A" * 1791])
def test_what_is_no_window(text):
    with pytest.raises(ValueError, match=r"\w"):
        Window.restored(300, text, 1e9)


def test_a_window_of_the_future_is_refused():
    window = Window(300)
    window.add(1000, 5)
    with pytest.raises(ValueError, match="later moment"):
        Window.restored(300, window.saved(), 500)


def test_a_window_has_the_size_that_is_documented():
    window = Window(86400)
    for at in range(0, 86400, 5):
        window.add(float(at), float(at))
    assert sys.getsizeof(window) + sys.getsizeof(window._sums) < 1536


def fit_of(values, window_s=WINDOW_S):
    window = Window(window_s)
    for at, value in values:
        window.add(at, value)
    return window.fit(values[-1][0])


LOOKS = [5.0 * number for number in range(181)]
END = LOOKS[-1]


def test_a_leak_is_foreseen():
    fit = fit_of([(at, 1e9 + 1e6 * at) for at in LOOKS])
    assert seconds_to_limit(fit, 4e9, END) == pytest.approx((4e9 - 1e9 - 9e8) / 1e6, rel=1e-6)


def test_a_noisy_leak_too():
    chance = random.Random(3)
    fit = fit_of([(at, 1e9 + 1e6 * at + chance.gauss(0, 1e8)) for at in LOOKS])
    assert seconds_to_limit(fit, 4e9, END) == pytest.approx(2100, rel=0.1)


def test_above_the_limit_already():
    assert seconds_to_limit(fit_of([(at, 1e9 + 1e6 * at) for at in LOOKS]), 1e9, END) == 0


UNKNOWN = {
    "steady": [(at, 1e9) for at in LOOKS],
    "falling": [(at, 4e9 - 1e6 * at) for at in LOOKS],
    "a saw tooth": [(at, 1e9 + 1e6 * (at % 225)) for at in LOOKS],
    "a burst": [(at, 1e9 + (5e8 if at > 850 else 0)) for at in LOOKS],
    "far away": [(at, 1e9 + 10 * at) for at in LOOKS],
    "just begun": [(at, 1e9 + 1e6 * at) for at in LOOKS[-60:]],
    "full of gaps": [(at, 1e9 + 1e6 * at) for at in LOOKS[::4]],
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_no_guess_is_made(name):
    values = UNKNOWN[name]
    assert seconds_to_limit(fit_of(values), 8e9, values[-1][0]) is None


def test_no_limit_no_forecast():
    fit = fit_of([(at, 1e9 + 1e6 * at) for at in LOOKS])
    assert seconds_to_limit(fit, 0, END) is None
    assert seconds_to_limit(None, 1e9, END) is None


def test_samples_are_completed():
    forecasts = Forecasts(5.0)
    for at in LOOKS:
        values = {"cgroup_bytes": 1e9 + 1e6 * at, "cgroup_limit_bytes": 4e9, "rss_bytes": 1e9}
        done = forecasts.completed(sample(at, **values))
    assert done.values["seconds_to_limit"] == pytest.approx(2100, rel=1e-6)
    forecasts.forget(worker())
    assert "seconds_to_limit" not in forecasts.completed(sample(END + 5, **values)).values


def test_without_a_group_the_resident_bytes_are_taken():
    forecasts = Forecasts(5.0)
    for at in LOOKS:
        done = forecasts.completed(sample(at, rss_bytes=1e9 + 1e6 * at, cgroup_limit_bytes=4e9))
    assert done.values["seconds_to_limit"] == pytest.approx(2100, rel=1e-6)
    assert "seconds_to_limit" not in forecasts.completed(sample(END + 5, rss_bytes=1e9)).values
    assert forecasts.completed(sample(END + 10, threads=3)).values == {"threads": 3}


def test_another_source_begins_anew():
    forecasts = Forecasts(5.0)
    for at in LOOKS:
        forecasts.completed(sample(at, rss_bytes=1e9 + 1e6 * at, cgroup_limit_bytes=4e9))
    done = forecasts.completed(sample(END + 5, cgroup_bytes=3e9, cgroup_limit_bytes=4e9))
    assert "seconds_to_limit" not in done.values
