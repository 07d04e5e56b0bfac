"""Members that the collector does not track, and so nobody can date. Runs on CPython 3.8 too."""

from __future__ import annotations

import functools
from collections import OrderedDict, deque, namedtuple

from benchmarks.growth_programs.service import LOADED, TURNING, Service

Place = namedtuple("Place", "name country")


class UntrackedService(Service, is_base=True):
    has_tracked_members = False


class NamesSeen(UntrackedService):
    def __init__(self):
        self.store = []

    def request(self, number):
        self.store.append("name %d" % number)


class CountsByName(UntrackedService):
    def __init__(self):
        self.store = {}

    def request(self, number):
        self.store["name %d" % number] = number * 1000


class IdsSeen(UntrackedService):
    def __init__(self):
        self.store = set()

    def request(self, number):
        self.store.add("id-%d" % number)


class PairsSeen(UntrackedService):
    def __init__(self):
        self.store = []

    def request(self, number):
        self.store.append((number * 1000, number * 0.5))


class PlacesByName(Service):
    def __init__(self):
        self.store = {}

    def request(self, number):
        self.store["place %d" % number] = Place("n%d" % number, "c")


class TextsOldestOut(UntrackedService):
    verdicts = (TURNING,)
    requests = 8000

    def __init__(self):
        self.store = {}

    def request(self, number):
        self.store["k%d" % number] = "text %d" % number
        if len(self.store) > 2000:
            del self.store[next(iter(self.store))]


class LastLatencies(UntrackedService):
    verdicts = (TURNING,)
    requests = 8000

    def __init__(self):
        self.store = deque(maxlen=2000)

    def request(self, number):
        self.store.append(number * 0.001)


class BytesRecentlyUsed(UntrackedService):
    verdicts = (TURNING,)
    requests = 9000

    def __init__(self):
        self.store = OrderedDict()

    def request(self, number):
        self.store[number % 5000] = b"%d" % number
        self.store.move_to_end(number % 5000)
        if len(self.store) > 2000:
            self.store.popitem(last=False)


class ActiveIds(UntrackedService):
    verdicts = (TURNING,)
    requests = 8000

    def __init__(self):
        self.store = set()

    def request(self, number):
        self.store.add(number * 1000)
        self.store.discard((number - 2000) * 1000)


class CachedTexts(UntrackedService):
    verdicts = (TURNING,)
    where = "__main__.SERVICE.text"
    requests = 8000

    def __init__(self):
        self.text = functools.lru_cache(maxsize=2000)(str)

    def request(self, number):
        self.text(number)


class Postcodes(UntrackedService):
    verdicts = (LOADED,)

    def __init__(self):
        self.store = {"%05d" % number: b"town %d" % number for number in range(5000)}


class Boundaries(UntrackedService):
    verdicts = (LOADED,)

    def __init__(self):
        self.store = [(number * 1000, number * 0.1) for number in range(5000)]
