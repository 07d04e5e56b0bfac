"""Sessions, pools and windows: as much goes as comes. Runs on CPython 3.8 too."""

from __future__ import annotations

import heapq
import random
import weakref
from collections import OrderedDict, deque

from benchmarks.growth_programs.service import TURNING, Service
from benchmarks.growth_programs.things import Job, Order, Session, View, document


class RecentEvents(Service):
    verdicts = (TURNING,)
    requests = 8000

    def __init__(self):
        self.store = deque(maxlen=2000)

    def request(self, number):
        self.store.append(document(number))


class RingOfSamples(Service):
    verdicts = (TURNING,)
    requests = 9000

    def __init__(self):
        self.store = [None] * 2000

    def request(self, number):
        self.store[number % 2000] = Order(number)


class ActiveTransfers(Service):
    verdicts = (TURNING,)
    requests = 12000

    def __init__(self):
        self.store = set()
        self.ends = []

    def request(self, number):
        transfer = Session(number)
        self.store.add(transfer)
        heapq.heappush(self.ends, (number + random.expovariate(1 / 2000), number, transfer))
        while self.ends[0][0] <= number:
            self.store.discard(heapq.heappop(self.ends)[2])


class ConnectionPool(Service):
    """Connections are lent and given back, and replaced after so many uses."""

    verdicts = (TURNING,)
    requests = 9000

    class Connection:
        def __init__(self):
            self.uses = random.randrange(6)
            self.buffers = [bytearray(8), {}]

    def __init__(self):
        self.store = [self.Connection() for _ in range(2000)]

    def request(self, number):
        connection = self.store.pop(random.randrange(len(self.store)))
        connection.uses += 1
        if connection.uses > 6:
            connection = self.Connection()
        self.store.append(connection)


class SessionStore(Service):
    verdicts = (TURNING,)
    requests = 12000

    def __init__(self):
        self.store = {}

    def request(self, number):
        self.store["s%d" % number] = (number + random.randrange(500, 4500), Session(number))
        if number % 200 == 0:
            for key in [key for key, entry in self.store.items() if entry[0] < number]:
                del self.store[key]


class LoyalSessions(Service):
    """A tenth of the users stay all day."""

    verdicts = (TURNING,)
    requests = 12000

    def __init__(self):
        self.store = {number: Session(number) for number in range(200)}
        self.leaving = deque()

    def request(self, number):
        self.store[number + 200] = Session(number)
        self.leaving.append(number + 200)
        if len(self.leaving) > 2000:
            del self.store[self.leaving.popleft()]


class RecentPictures(Service):
    verdicts = (TURNING,)
    where = "__main__.SERVICE.store.data"
    requests = 8000

    def __init__(self):
        self.store = weakref.WeakValueDictionary()
        self.kept = deque(maxlen=2000)

    def request(self, number):
        picture = Job(number)
        self.store[number] = picture
        self.kept.append(picture)


class LastOfEachUser(Service):
    verdicts = (TURNING,)
    requests = 12000

    def __init__(self):
        self.store = {number: deque(maxlen=20) for number in range(150)}

    def request(self, number):
        self.store[random.randrange(150)].append(document(number))


class LatestPerDevice(Service):
    """The devices stay, what is known of each is replaced."""

    verdicts = (TURNING,)
    requests = 12000

    def __init__(self):
        self.store = {}

    def request(self, number):
        self.store[random.randrange(2500)] = document(number)


class FetchedResults(Service):
    verdicts = (TURNING,)
    requests = 10000

    def __init__(self):
        self.store = {}
        self.waiting = []

    def request(self, number):
        self.store[number] = Order(number)
        self.waiting.append(number)
        if len(self.waiting) > 2200:
            place = random.randrange(len(self.waiting))
            self.waiting[place], self.waiting[-1] = self.waiting[-1], self.waiting[place]
            del self.store[self.waiting.pop()]


class UndoStacks(Service):
    """Oldest steps fall off an OrderedDict of documents, each with its own list."""

    verdicts = (TURNING,)
    requests = 9000

    def __init__(self):
        self.store = OrderedDict()

    def request(self, number):
        self.store.setdefault(number // 3, []).append({"step": [number]})
        if len(self.store) > 800:
            self.store.popitem(last=False)


class ListenersComeAndGo(Service):
    """A list of those who listen now; each leaves when it likes."""

    verdicts = (TURNING,)
    requests = 9000

    def __init__(self):
        self.store = []

    def request(self, number):
        self.store.append(View(number))
        if len(self.store) > 2000:
            del self.store[random.randrange(len(self.store))]
