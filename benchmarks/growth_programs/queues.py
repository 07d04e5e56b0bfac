"""Queues and buffers: what comes waits for its turn. Runs on CPython 3.8 too."""

from __future__ import annotations

import heapq
import queue
import random
from collections import deque

from benchmarks.growth_programs.service import TURNING, Service
from benchmarks.growth_programs.things import Job, Order, View


class WorkQueue(Service):
    verdicts = (TURNING,)
    where = "__main__.SERVICE.inbox.queue"
    requests = 8000

    def __init__(self):
        self.inbox = queue.Queue()

    def request(self, number):
        self.inbox.put(Job(number))
        if self.inbox.qsize() > 2000:
            self.inbox.get()


class WavesInQueue(Service):
    """The consumer stops now and then and catches up; it rises at the end."""

    verdicts = (TURNING,)
    requests = 9500

    def __init__(self):
        self.store = deque()

    def request(self, number):
        self.store.append(Job(number))
        if (number - self.requests + 9500) % 2500 > 1500:
            for _ in range(min(3, len(self.store))):
                self.store.popleft()


class SlidingWindow(Service):
    verdicts = (TURNING,)
    requests = 10000

    def __init__(self):
        self.store = deque()

    def request(self, number):
        self.store.append({"at": number, "value": [number]})
        while self.store[0]["at"] < number - 2500:
            self.store.popleft()


class WriteBuffer(Service):
    """Flushed as a whole when it is full."""

    verdicts = (TURNING,)
    requests = 11500

    def __init__(self):
        self.store = []

    def request(self, number):
        self.store.append(Order(number))
        if len(self.store) == 4000:
            self.store.clear()


class DeadlineHeap(Service):
    verdicts = (TURNING,)
    requests = 9000

    def __init__(self):
        self.store = []

    def request(self, number):
        heapq.heappush(self.store, (number + random.random() * 4000, number, Job(number)))
        while self.store[0][0] < number:
            heapq.heappop(self.store)


class InFlight(Service):
    """Requests wait for their answers; the load has its ups and downs."""

    verdicts = (TURNING,)
    requests = 12000

    def __init__(self):
        self.store = {}

    def request(self, number):
        self.store[number] = Job(number)
        limit = 2000 + 600 * (number // 1500 % 2)
        while len(self.store) > limit:
            del self.store[next(iter(self.store))]


class DedupeWindow(Service):
    verdicts = (TURNING,)
    requests = 9000

    def __init__(self):
        self.store = set()
        self.order = deque()

    def request(self, number):
        view = View(number)
        self.store.add(view)
        self.order.append(view)
        if len(self.order) > 2000:
            self.store.remove(self.order.popleft())


class BufferByKey(Service):
    """Written out and cleared when it is full, and filled again."""

    verdicts = (TURNING,)
    requests = 11000

    def __init__(self):
        self.store = {}

    def request(self, number):
        self.store[number] = Job(number)
        if len(self.store) == 3000:
            self.store.clear()


class SlowConsumer(Service):
    """Takes four of seven: the backlog grows."""

    requests = 7000

    def __init__(self):
        self.store = deque()

    def request(self, number):
        self.store.append(Job(number))
        if number % 7 < 4:
            self.store.popleft()
