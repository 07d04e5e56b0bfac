"""Containers to which every request adds, and nobody takes away. Runs on CPython 3.8 too."""

from __future__ import annotations

import bisect
import heapq
import random
import weakref
from collections import OrderedDict, defaultdict, deque

from benchmarks.growth_programs.service import Service
from benchmarks.growth_programs.things import (
    Job,
    Order,
    Point,
    Session,
    View,
    document,
    failure,
    make_filter,
)


class EventLog(Service):
    def __init__(self):
        self.store = []

    def request(self, number):
        self.store.append({"at": number, "event": document(number)})


class ResultsById(Service):
    def __init__(self):
        self.store = {}

    def request(self, number):
        self.store["request-%d" % number] = Job(number)


class SeenTokens(Service):
    def __init__(self):
        self.store = set()

    def request(self, number):
        self.store.add(Session(number))


class OrderedResults(Service):
    def __init__(self):
        self.store = OrderedDict()

    def request(self, number):
        self.store[number] = Order(number)


class HistoryByUser(Service):
    def __init__(self):
        self.store = defaultdict(list)

    def request(self, number):
        self.store[random.randrange(1 + number // 4)].append(Point(number))


class DeadLetters(Service):
    def __init__(self):
        self.store = deque()

    def request(self, number):
        self.store.append(Job(number))


class ListenersByTopic(Service):
    def __init__(self):
        self.store = {"topic-%d" % number: [] for number in range(30)}

    def request(self, number):
        self.store["topic-%d" % random.randrange(30)].append(View(number).refresh)


class RoomMessages(Service):
    class Room:
        def __init__(self):
            self.messages = []

    def __init__(self):
        self.store = [self.Room() for _ in range(40)]

    def request(self, number):
        random.choice(self.store).messages.append({"text": "hello %d" % number, "to": []})


class NewestFirstChain(Service):
    class Entry:
        def __init__(self, previous, value):
            self.previous = previous
            self.value = value

    def __init__(self):
        self.store = None

    def request(self, number):
        self.store = self.Entry(self.store, [number])


class OldestFirstChain(Service):
    class Entry:
        def __init__(self, value):
            self.value = value
            self.next = None

    def __init__(self):
        self.store = self.last = self.Entry([0])

    def request(self, number):
        self.last.next = self.Entry([number])
        self.last = self.last.next


class KeptThumbnails(Service):
    where = "__main__.SERVICE.store.data"

    def __init__(self):
        self.store = weakref.WeakValueDictionary()
        self.pages = []

    def request(self, number):
        picture = Job(number)
        self.store[number] = picture
        self.pages.append(picture)


class WidgetsOfClass(Service):
    where = "benchmarks.growth_programs.growing.WidgetsOfClass.instances"
    instances = []

    def request(self, number):
        WidgetsOfClass.instances.append(View(number))


class Registrations(Service):
    where = "__main__.SERVICE.register.__closure__[0].cell_contents"

    def __init__(self):
        waiting = []

        def register(callback):
            waiting.append(callback)

        self.register = register

    def request(self, number):
        self.register(make_filter(number))


class KeptFailures(Service):
    requests = 2500

    def __init__(self):
        self.store = []

    def request(self, number):
        self.store.append(failure(number))


class EndlessSessions(Service):
    def __init__(self):
        self.store = {}

    def request(self, number):
        session = Session(number)
        self.store[session.key] = session
        old = self.store["session-%d" % random.randrange(number + 1)]
        old.values["last"] = {"page": number}


class Shards(Service):
    def __init__(self):
        self.store = [{} for _ in range(16)]

    def request(self, number):
        self.store[number % 16][number] = document(number)


class SpanTree(Service):
    class Span:
        def __init__(self, name):
            self.name = name
            self.children = []

    def __init__(self):
        self.store = self.Span("root")
        self.spans = [self.store]

    def request(self, number):
        span = self.Span(number)
        self.spans[-1 - random.randrange(min(len(self.spans), 50))].children.append(span)
        self.spans = self.spans[-50:] + [span]


class CancelledTimers(Service):
    def __init__(self):
        self.store = []

    def request(self, number):
        heapq.heappush(self.store, (number + random.random() * 9000, number, Job(number)))


class SortedBids(Service):
    class Bid:
        def __init__(self, price, bidder):
            self.price = price
            self.bidder = bidder

        def __lt__(self, other):
            return self.price < other.price

    def __init__(self):
        self.store = []

    def request(self, number):
        bisect.insort(self.store, self.Bid(random.random(), {"id": number}))


class UnfinishedGenerators(Service):
    def __init__(self):
        self.store = set()

    def request(self, number):
        def rows():
            page = [number]
            yield page
            yield document(number)

        cursor = rows()
        next(cursor)
        self.store.add(cursor)


class MetricLabels(Service):
    def __init__(self):
        self.store = {}

    def request(self, number):
        label = ("GET", "/user/%d" % (number - number % 2), 200)
        self.store.setdefault(label, Order(number)).total += 1
