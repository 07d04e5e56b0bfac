"""What else goes on in a process, beside the container in question. Runs on CPython 3.8 too."""

from __future__ import annotations

import heapq
import importlib
import random

from benchmarks.growth_programs.things import Session, document

LAZY_MODULES = (
    "xml.dom.minidom", "zipfile", "tarfile", "sqlite3", "csv", "configparser", "decimal",
    "fractions", "statistics", "difflib", "html.parser", "http.cookies", "http.cookiejar",
    "imaplib", "smtplib", "ftplib", "poplib", "mailbox", "pickletools", "pprint", "sched", "shelve",
    "unittest.mock", "wave", "xmlrpc.client", "zipapp", "plistlib", "netrc", "optparse", "cmd",
    "code", "codeop", "colorsys", "filecmp", "fileinput", "getopt", "gettext", "graphlib", "bz2",
    "lzma", "pdb", "profile", "pstats", "timeit", "trace", "turtledemo", "doctest", "ipaddress",
    "multiprocessing.managers", "concurrent.futures.process", "email.mime.text", "json.tool",
    "logging.config", "logging.handlers", "wsgiref.simple_server", "urllib.robotparser",
)  # fmt: skip


class Background:
    """Serves its own part of each request."""

    def __init__(self, requests):
        self.requests = requests

    def request(self, number):
        """Every request makes what does not survive it, now and then in a cycle."""
        body = document(number)
        body["self"] = body if number % 10 == 0 else None
        return {"status": 200, "headers": {"length": [len(body)]}}


class Garbage(Background):
    """Nothing but that."""


class Sessions(Background):
    """Users come and stay for long, one in ten for good; connections come and go."""

    per_requests = 5

    def __init__(self, requests):
        super().__init__(requests)
        self.sessions = {}
        self.ends = []
        self.connections = []

    def request(self, number):
        super().request(number)
        if number % self.per_requests == 0:
            self.sessions[number] = Session(number)
            end = number + random.expovariate(6 / self.requests)
            heapq.heappush(self.ends, (self.requests * 2 if number % 50 == 0 else end, number))
        if number % self.per_requests == 1 and len(self.connections) < 60:
            self.connections.append([bytearray(16), {"peer": ["host", number]}])
        elif self.connections and random.random() < 0.2:
            self.connections.pop(random.randrange(len(self.connections)))
        while self.ends and self.ends[0][0] <= number:
            del self.sessions[heapq.heappop(self.ends)[1]]


class SecondTable(Sessions):
    """And an audit log that nobody empties."""

    per_requests = 9

    def __init__(self, requests):
        super().__init__(requests)
        self.audit = []

    def request(self, number):
        super().request(number)
        if number % 8 == 0:
            self.audit.append({"at": number, "who": [number]})


class Imports(Background):
    """Modules are imported when they are first needed; connections come and go."""

    def __init__(self, requests):
        super().__init__(requests)
        self.every = max(requests // (len(LAZY_MODULES) + 1), 1)
        self.modules = list(LAZY_MODULES)
        self.connections = []

    def request(self, number):
        super().request(number)
        if self.modules and number % self.every == self.every // 2:
            try:
                importlib.import_module(self.modules.pop())
            except ImportError:
                pass
        if number % 20 == 0:
            self.connections.append([bytearray(16), {"peer": ["host", number]}])
            if len(self.connections) > 30:
                del self.connections[random.randrange(30)]


class Mixed(SecondTable):
    """All of it, and handlers that are added at times."""

    per_requests = 12

    def __init__(self, requests):
        super().__init__(requests)
        self.imports = Imports(requests)
        self.handlers = []

    def request(self, number):
        super().request(number)
        if number % 4 == 0:
            self.imports.request(number // 4 * 2)
        if number % 150 == 0:
            self.handlers.append(lambda event: (number, event))


BACKGROUNDS = {
    "sessions": Sessions,
    "second-table": SecondTable,
    "imports": Imports,
    "mixed": Mixed,
    "garbage": Garbage,
}
