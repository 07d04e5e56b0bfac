"""What the services keep: the kinds of objects that fill real heaps. Runs on CPython 3.8 too."""

from __future__ import annotations

import json


class Session:
    """Somebody who is logged in."""

    def __init__(self, number):
        self.key = "session-%d" % number
        self.user = {"id": number, "name": "user %d" % number, "roles": ["reader"]}
        self.values = {}


class Order:
    """A slotted record with a list of parts."""

    __slots__ = ("lines", "number", "total")

    def __init__(self, number):
        self.number = number
        self.lines = [{"sku": number % 97, "tags": ["new"]}, {"sku": number % 89, "tags": ["old"]}]
        self.total = number * 1.5


class Point:
    """A small slotted record without parts that the collector tracks."""

    __slots__ = ("x", "y")

    def __init__(self, number):
        self.x = number
        self.y = number * 0.5


class Job:
    """Work that refers to what it was made for."""

    def __init__(self, number):
        self.number = number
        self.payload = document(number)
        self.steps = []
        self.done = False


class View:
    """Something with a method that others call back."""

    def __init__(self, number):
        self.number = number
        self.seen = []

    def refresh(self, *_):
        self.seen.append(1)


def document(number):
    """What a request's body is parsed to."""
    return json.loads('{"id": %d, "items": [{"n": 1}, {"n": 2}], "meta": {"ok": [true]}}' % number)


def make_filter(number):
    """A function that remembers."""
    allowed = {number, number + 1}
    history = []

    def is_allowed(value):
        history.append(value)
        return value in allowed

    return is_allowed


def failure(number):
    """An exception with its traceback."""
    try:
        raise ValueError({"number": number})
    except ValueError as error:
        return error
