"""Leaks that do not come evenly: slow, in bursts, late, stopped. Runs on CPython 3.8 too."""

from __future__ import annotations

import functools
import random
from collections import OrderedDict

from benchmarks.growth_programs.service import LOADED, TURNING, Service
from benchmarks.growth_programs.things import Job, Order, Point, Session, View, document


class SlowLeak(Service):
    requests = 40000

    def __init__(self):
        self.store = []

    def request(self, number):
        if number % 50 == 7:
            self.store.append(View(number))


class RareErrors(Service):
    requests = 20000

    def __init__(self):
        self.store = {}

    def request(self, number):
        if random.random() < 0.02:
            self.store[number] = document(number)


class WrongKeyEviction(Service):
    """Every twentieth entry is put under a key that the eviction does not know."""

    requests = 8000

    def __init__(self):
        self.store = {}

    def request(self, number):
        self.store[str(number) if number % 20 == 0 else number] = Job(number)
        self.store.pop(number - 1500, None)


class HalfUnsubscribed(Service):
    def __init__(self):
        self.store = []

    def request(self, number):
        view = View(number)
        self.store.append(view)
        if random.random() < 0.5:
            self.store.remove(view)


class NightlyBatches(Service):
    requests = 6000

    def __init__(self):
        self.store = []

    def request(self, number):
        if number % 500 == 250:
            self.store.extend([Order(number + row) for row in range(300)])


class FewImports(Service):
    requests = 6000

    def __init__(self):
        self.store = {}

    def request(self, number):
        if number % 900 == 400:
            for row in range(600):
                self.store[number, row] = document(row)


class UnevenBatches(Service):
    requests = 6000

    def __init__(self):
        self.store = {}

    def request(self, number):
        if random.random() < 0.004:
            for row in range(random.randrange(30, 400)):
                self.store[number + row / 1000] = Session(number)


class BeganLate(Service):
    requests = 8000

    def __init__(self):
        self.store = []

    def request(self, number):
        if number > 5600:
            self.store.append(Job(number))


class BeganInTheMiddle(Service):
    requests = 6000

    def __init__(self):
        self.store = {}

    def request(self, number):
        if number > 2400:
            self.store[number] = Order(number)


class GotWorse(Service):
    """A few a hundred requests at first, every request after an upgrade."""

    requests = 6000

    def __init__(self):
        self.store = []

    def request(self, number):
        if number > 3000 or number % 12 == 0:
            self.store.append(document(number))


class LoadedThenGrew(Service):
    """A table that was loaded at start, to which requests add."""

    requests = 5000

    def __init__(self):
        self.store = {number: Order(number) for number in range(2000)}

    def request(self, number):
        self.store[number + 2000] = Order(number)


class StoppedHalfway(Service):
    verdicts = (LOADED,)
    requests = 8000

    def __init__(self):
        self.store = []

    def request(self, number):
        if number < 4000:
            self.store.append(Job(number))


class StoppedLately(Service):
    verdicts = (LOADED,)
    requests = 8000

    def __init__(self):
        self.store = {}

    def request(self, number):
        if number < 6000:
            self.store[number] = Point(number)


class UnlimitedMethodCache(Service):
    where = "__main__.SERVICE.render"

    def __init__(self):
        self.render = functools.lru_cache(maxsize=None)(document)

    def request(self, number):
        self.render(number)
        self.render(number // 2)


class LeakBehindLimit(Service):
    """The limit is checked for one kind of entry only: the other kind gathers."""

    requests = 8000

    def __init__(self):
        self.store = OrderedDict()
        self.pages = 0

    def request(self, number):
        if number % 3:
            self.store[number] = Job(number)
            self.pages += 1
            if self.pages > 1000:
                for key, entry in self.store.items():
                    if isinstance(entry, Job):
                        del self.store[key]
                        self.pages -= 1
                        break
                    self.store.move_to_end(key)
                    break
        else:
            self.store[number] = Order(number)


class FullThenLeftAlone(Service):
    """A cache that takes what comes until it is full, and then nothing: like popitem()."""

    verdicts = (LOADED, TURNING)
    requests = 9000

    def __init__(self):
        self.store = {}

    def request(self, number):
        if len(self.store) < 3000:
            self.store[number] = Job(number)


class MemoOfMethod(Service):
    def __init__(self):
        self.store = {}

    def request(self, number):
        key = (number // 2, "full")
        if key not in self.store:
            self.store[key] = [[number, number], [number]]
