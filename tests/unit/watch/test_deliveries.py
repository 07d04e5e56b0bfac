"""What the log of the daemon says of messages: good ends as well as bad ones."""

from __future__ import annotations

from heapgraph.watch.actions.outbox import Delivery
from heapgraph.watch.daemon import deliveries as module
from heapgraph.watch.daemon.deliveries import Deliveries
from helpers.alerts import alert


def test_the_log_says_that_a_message_was_delivered_and_what_it_told():
    said: list[str] = []
    deliveries = Deliveries((), said.append)
    deliveries.add(alert(id="m1"), ["page"])
    deliveries.report(Delivery("page", "m1", "retried", "answered 503", 1))
    deliveries.report(Delivery("page", "m1", "delivered", "answered 204", 2))
    assert said == [
        "page: retried: answered 503 (web/0 near-limit firing)",
        "page: delivered at try 2: answered 204 (web/0 near-limit firing)",
    ]


def test_of_a_message_of_an_earlier_daemon_the_log_has_the_id(monkeypatch):
    said: list[str] = []
    monkeypatch.setattr(module, "MOST_KNOWN", 1)
    deliveries = Deliveries((), said.append)
    for number in range(2):
        deliveries.add(alert(id=f"m{number}"), ["page"])
    deliveries.report(Delivery("page", "m0", "delivered", "answered 200", 1))
    assert said == ["page: delivered: answered 200 (message m0)"]
