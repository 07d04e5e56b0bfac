"""A heap like that of a service: customers with their orders, rendered pages, a log of visits.

As a program it is the target of a dump, with a heartbeat that measures from inside how long it
stood still; it runs on CPython 3.8 to 3.15:

    python benchmarks/service_heap.py OBJECTS

It prints "ready", then answers each line of its input: "pause" with the longest gap between two
heartbeats since the last question, in milliseconds; "quiet" with the longest gap in a second from
now, when nobody disturbs it; anything else ends it.
"""

from __future__ import annotations

import sys
import threading
import time
from collections import OrderedDict

OBJECTS_PER_CUSTOMER = 41
"""Objects that one customer adds; the tables give the number a dump really found."""

ORDERS_PER_CUSTOMER = 3
VISITS_PER_CUSTOMER = 2
HEARTBEAT_S = 0.001
QUIET_S = 1.0
FIRST_CUSTOMER = 1000
PRODUCTS = ["product-%d" % number for number in range(500)]  # noqa: UP031 - runs on 3.8 too


class Order:
    """A slotted class that refers back to its customer: the commonest cycle there is."""

    __slots__ = ("customer", "lines", "number", "total")

    def __init__(self, customer: Customer, number: int) -> None:
        """An order of two lines."""
        self.customer = customer
        self.number = number
        self.lines = [
            (PRODUCTS[(number + line) % len(PRODUCTS)], line + 1, number * 0.01 + line)
            for line in range(2)
        ]
        self.total = sum(quantity * price for _, quantity, price in self.lines)


class Customer:
    """A plain class, its attributes in the instance."""

    def __init__(self, number: int) -> None:
        """A customer with a profile, as it would come out of JSON, and some orders."""
        self.number = number
        self.name = f"customer {number}"
        self.email = f"{number}@example.org"
        self.balance = number * 0.5
        self.profile = {"city": f"city {number % 1000}", "points": number + 1000, "news": True}
        first = number * ORDERS_PER_CUSTOMER
        self.orders = [Order(self, first + index) for index in range(ORDERS_PER_CUSTOMER)]


class Service:
    """All state of the service, by what it is for."""

    def __init__(self, objects: int) -> None:
        """Build a heap of about `objects` objects."""
        self.customers: dict[int, Customer] = {}
        self.pages: OrderedDict[str, str] = OrderedDict()
        self.visits: list[tuple[int, float, str]] = []
        for number in range(FIRST_CUSTOMER, FIRST_CUSTOMER + objects // OBJECTS_PER_CUSTOMER):
            customer = Customer(number)
            self.customers[customer.number] = customer
            self.pages[f"/customers/{number}"] = f"<h1>{customer.name}</h1>" * 4
            for visit in range(VISITS_PER_CUSTOMER):
                self.visits.append((number * 1000 + visit, number + visit / 2, customer.email))


class Heartbeat:
    """A thread that wakes every millisecond and remembers the longest time it did not."""

    def __init__(self) -> None:
        """Start beating."""
        self._longest_gap = 0.0
        self._stop = threading.Event()
        threading.Thread(target=self._beat, name="heartbeat", daemon=True).start()

    def _beat(self) -> None:
        last = time.perf_counter()
        while not self._stop.wait(HEARTBEAT_S):
            now = time.perf_counter()
            self._longest_gap = max(self._longest_gap, now - last)
            last = now

    def longest_gap(self) -> float:
        """Seconds, since the last call."""
        gap, self._longest_gap = self._longest_gap, 0.0
        return gap

    def longest_quiet_gap(self) -> float:
        """Seconds, over QUIET_S from now: what the machine does to a program that nobody dumps."""
        self.longest_gap()
        self._stop.wait(QUIET_S)
        return self.longest_gap()


ANSWERS = {"pause": Heartbeat.longest_gap, "quiet": Heartbeat.longest_quiet_gap}
"""What the program can be asked, and the seconds it answers."""


def main() -> None:
    """Build the heap and answer until told to end."""
    heartbeat = Heartbeat()
    print("ready", flush=True)
    for line in sys.stdin:
        question = line.strip()
        if question not in ANSWERS:
            return
        print(ANSWERS[question](heartbeat) * 1000, flush=True)


if __name__ == "__main__":
    SERVICE = Service(int(sys.argv[1]))
    main()
