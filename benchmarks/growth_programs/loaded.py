"""Tables that are loaded, warmed or reloaded, and then only read. Runs on CPython 3.8 too."""

from __future__ import annotations

import json
import random
from collections import OrderedDict

from benchmarks.growth_programs.service import LOADED, TURNING, Service
from benchmarks.growth_programs.things import Job, Order, Point, Session, document, make_filter


class Countries(Service):
    verdicts = (LOADED,)

    def __init__(self):
        self.store = {number: Session(number) for number in range(3000)}


class ProductList(Service):
    verdicts = (LOADED,)

    def __init__(self):
        self.store = [Order(number) for number in range(6000)]


class IndexOfRows(Service):
    """The rows are there before the index of them."""

    verdicts = (LOADED,)

    def __init__(self):
        rows = [Job(number) for number in range(3000)]
        self.store = {row.number: row for row in rows}


class ParsedConfiguration(Service):
    verdicts = (LOADED,)

    def __init__(self):
        text = json.dumps({"key-%d" % number: {"v": [number, {}]} for number in range(4000)})
        self.store = json.loads(text)


class ReplacedPrices(Service):
    """Read anew now and then, and put in the place of the old table."""

    verdicts = (LOADED, TURNING)
    requests = 6000

    def __init__(self):
        self.load()

    def load(self):
        self.store = {number: Order(number) for number in range(3000)}

    def request(self, number):
        if number in (1500, 3000, 4500):
            self.load()


class RefilledPrices(Service):
    """The same dict, emptied and filled."""

    verdicts = (LOADED, TURNING)
    requests = 6000

    def __init__(self):
        self.store = {}
        self.load()

    def load(self):
        self.store.clear()
        self.store.update((number, document(number)) for number in range(2500))

    def request(self, number):
        if number in (1500, 3000, 4500):
            self.load()


class WarmedLazily(Service):
    """Each key is loaded when it is first asked for; after a while all are there."""

    verdicts = (LOADED,)
    requests = 24000

    def __init__(self):
        self.store = {}

    def request(self, number):
        key = random.randrange(2000)
        if key not in self.store and number < 14000:
            self.store[key] = Order(key)


class WarmedQuickly(Service):
    verdicts = (LOADED,)
    requests = 8000

    def __init__(self):
        self.store = {}

    def request(self, number):
        if number % 2000 not in self.store:
            self.store[number % 2000] = [document(number)]


class LoadedOnFirstUse(Service):
    """Nobody needed the table for half of the run."""

    verdicts = (LOADED,)
    requests = 6000

    def __init__(self):
        self.store = []

    def request(self, number):
        if number == 3000:
            self.store = [Session(row) for row in range(4000)]


class LoadedInTwoParts(Service):
    verdicts = (LOADED,)
    requests = 6000

    def __init__(self):
        self.store = {number: Job(number) for number in range(2000)}

    def request(self, number):
        if number == 2500:
            self.store.update((row, Job(row)) for row in range(2000, 4000))


class WordTrie(Service):
    verdicts = (LOADED,)

    def __init__(self):
        self.store = {}
        for number in range(1500):
            node = self.store
            for letter in "%06x" % (number * 7919):
                node = node.setdefault(letter, {})
            node["end"] = [number]


class StopWords(Service):
    verdicts = (LOADED,)

    def __init__(self):
        self.store = {Point(number) for number in range(5000)}


class RouteTable(Service):
    verdicts = (LOADED,)

    def __init__(self):
        self.store = OrderedDict(("/r/%d" % row, make_filter(row)) for row in range(2500))


class Matrix(Service):
    verdicts = (LOADED,)

    def __init__(self):
        self.store = [[[row, column] for column in range(10)] for row in range(400)]


class CountersOfRows(Service):
    """The rows stay; what is in them is counted up and replaced."""

    verdicts = (LOADED,)

    def __init__(self):
        self.store = {number: Order(number) for number in range(3000)}

    def request(self, number):
        self.store[number % 3000].total += 1
