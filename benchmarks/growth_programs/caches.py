"""Caches that are full: what comes puts something else out. Runs on CPython 3.8 too."""

from __future__ import annotations

import functools
import random
from collections import OrderedDict

from benchmarks.growth_programs.service import LOADED, TURNING, Service
from benchmarks.growth_programs.things import Job, Order, Session, document

SIZE = 2000


def popular():
    """A key as people ask for them: a few very often, most rarely."""
    return int(random.random() ** 2 * 20011)


class OldestOut(Service):
    verdicts = (TURNING,)
    requests = 8000

    def __init__(self):
        self.store = {}

    def request(self, number):
        if len(self.store) >= SIZE:
            del self.store[next(iter(self.store))]
        self.store[number] = document(number)


class NewestOut(Service):
    """popitem() takes the newest: the first entries stay for good."""

    verdicts = (TURNING, LOADED)
    requests = 8000

    def __init__(self):
        self.store = {}

    def request(self, number):
        if len(self.store) >= SIZE:
            self.store.popitem()
        self.store[number] = Job(number)


class RandomOut(Service):
    verdicts = (TURNING,)
    requests = 10000

    def __init__(self):
        self.store = {}
        self.keys = []

    def request(self, number):
        if len(self.keys) >= SIZE:
            place = random.randrange(SIZE)
            del self.store[self.keys[place]]
            self.keys[place] = number
        else:
            self.keys.append(number)
        self.store[number] = Session(number)


class OrderedOldestOut(Service):
    verdicts = (TURNING,)
    requests = 8000

    def __init__(self):
        self.store = OrderedDict()

    def request(self, number):
        self.store[number] = Order(number)
        if len(self.store) > SIZE:
            self.store.popitem(last=False)


class LeastRecentlyUsed(Service):
    verdicts = (TURNING,)
    requests = 20000

    def __init__(self):
        self.store = OrderedDict()

    def request(self, number):
        key = popular()
        if key in self.store:
            self.store.move_to_end(key)
            return
        self.store[key] = Job(key)
        if len(self.store) > SIZE:
            self.store.popitem(last=False)


class FunctionCache(Service):
    verdicts = (TURNING,)
    where = "__main__.SERVICE.load"
    requests = 20000

    def __init__(self):
        self.load = functools.lru_cache(maxsize=SIZE)(document)

    def request(self, number):
        self.load(popular())


class FunctionCacheOfObjects(Service):
    verdicts = (TURNING,)
    where = "__main__.SERVICE.load"
    requests = 9000

    def __init__(self):
        self.load = functools.lru_cache(maxsize=SIZE)(Session)

    def request(self, number):
        self.load(number)


class TimeToLive(Service):
    """Entries end after a time; who asks for one that ended loads it anew."""

    verdicts = (TURNING,)
    requests = 14000

    def __init__(self):
        self.store = {}

    def request(self, number):
        key = random.randrange(4000)
        entry = self.store.get(key)
        if entry is None or entry["until"] < number:
            self.store[key] = {"until": number + 3000, "value": document(number)}
        if number % 100 == 0:
            for key in [key for key, entry in self.store.items() if entry["until"] < number]:
                del self.store[key]


class TwoGenerations(Service):
    """When the young half is full it becomes the old one, which is thrown away."""

    verdicts = (TURNING,)
    requests = 11000

    def __init__(self):
        self.store, self.old = {}, {}

    def request(self, number):
        self.store[number] = Job(number)
        if len(self.store) > 3000:
            self.old, self.store = self.store, {}


class DirectMapped(Service):
    verdicts = (TURNING,)
    requests = 12000

    def __init__(self):
        self.store = [None] * 2500

    def request(self, number):
        key = popular() + number // 4
        self.store[key * 2654435761 % 2500] = [key, document(key)]


class LeastOftenUsed(Service):
    verdicts = (TURNING,)
    requests = 12000

    def __init__(self):
        self.store = {}

    def request(self, number):
        key = number if number % 2 else popular() % 3000
        entry = self.store.get(key)
        if entry:
            entry["uses"] += 1
            return
        self.store[key] = {"uses": 0, "value": Order(key)}
        if len(self.store) > SIZE:
            some = random.sample(range(max(number - 3000, 1), number + 1), 12)
            some = [key for key in some if key in self.store] or [key]
            del self.store[min(some, key=lambda key: self.store[key]["uses"])]


class LinkedLru(Service):
    """A dict of nodes in a ring, like the caches of many libraries."""

    verdicts = (TURNING,)
    requests = 9000

    class Node:
        __slots__ = ("after", "before", "key", "value")

    def __init__(self):
        self.store = {}
        self.root = self.Node()
        self.root.before = self.root.after = self.root

    def request(self, number):
        key = number if number % 3 else max(number - random.randrange(1000), 0)
        node = self.store.pop(key, None)
        if node is None:
            node = self.Node()
            node.key, node.value = key, Job(key)
        else:
            node.before.after, node.after.before = node.after, node.before
        last = self.root.before
        node.before, node.after = last, self.root
        last.after = self.root.before = node
        self.store[key] = node
        if len(self.store) > SIZE:
            oldest = self.root.after
            self.root.after, oldest.after.before = oldest.after, self.root
            del self.store[oldest.key]


class HotAndCold(Service):
    """Half of the entries are asked for so often that they never go."""

    verdicts = (TURNING,)
    requests = 12000

    def __init__(self):
        self.store = {}
        self.cold = []

    def request(self, number):
        if number < 1000:
            self.store[number] = Session(number)
            return
        self.store[number] = Session(number)
        self.cold.append(number)
        if len(self.cold) > 1000:
            place = random.randrange(1000)
            self.cold[place], self.cold[-1] = self.cold[-1], self.cold[place]
            del self.store[self.cold.pop()]
