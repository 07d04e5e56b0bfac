"""The daemon's endpoint on a service's own port, by WSGI and by ASGI."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import io
import os
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

import pytest

from heapgraph.watch.mounts import asgi, wsgi
from heapgraph.watch.settings.model import EXPOSURES, HttpSpec
from helpers.cli import run_process
from helpers.endpoint import WEB, InMemory, census_of, running
from helpers.processes import listens, wait_until

SECRET = "hunter2_planted"


@dataclass
class Sent:
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


def service(environ, start):
    assert environ
    start("200 OK", [("Content-Type", "text/plain")])
    return [b"the service"]


async def async_service(scope, receive, send):
    assert scope
    assert receive
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"the service"})


def by_wsgi(path: str, method: str = "GET", query: str = "", headers=None, **mount) -> Sent:
    environ = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": query,
    }
    environ |= {f"HTTP_{n.upper().replace('-', '_')}": v for n, v in (headers or {}).items()}
    setup_testing_defaults(environ)
    sent = Sent()

    def start(status, pairs, failure=None):
        assert failure is None
        sent.status, sent.headers = int(status.split()[0]), {n.lower(): v for n, v in pairs}

    application = wsgi.mount(mount.pop("application", service), **mount)
    checked = validator(application) if method in ("GET", "HEAD", "POST") else application
    answer = checked(environ, start)
    sent.body = b"".join(answer)
    if hasattr(answer, "close"):
        answer.close()
    return sent


def by_asgi(path: str, method: str = "GET", query: str = "", headers=None, **mount) -> Sent:
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "root_path": "",
        "query_string": query.encode("latin-1"),
        "headers": [(n.lower().encode(), v.encode()) for n, v in (headers or {}).items()],
    }
    sent = Sent()

    async def send(message):
        if message["type"] == "http.response.start":
            sent.status = message["status"]
            sent.headers = {n.decode(): v.decode() for n, v in message["headers"]}
        else:
            sent.body += message["body"]

    async def receive():
        return {"type": "http.request", "body": b""}

    application = asgi.mount(mount.pop("application", async_service), **mount)
    asyncio.run(application(scope, receive, send))
    return sent


BOTH = pytest.mark.parametrize("ask", [by_wsgi, by_asgi])


@pytest.fixture
def endpoint(tmp_path):
    served = InMemory(word=SECRET, last_census=census_of(WEB, time.monotonic(), word=SECRET))
    with running(HttpSpec(f"unix:{tmp_path}/socket", EXPOSURES), tmp_path, served) as one:
        yield one


@BOTH
def test_what_is_below_the_prefix_is_asked_of_the_daemon(endpoint, ask):
    mount = {"socket": str(endpoint.socket_path), "allow": lambda _: "names"}
    sent = ask("/debug/heapgraph/v1/targets", **mount)
    assert (sent.status, sent.headers["content-type"]) == (200, "application/json")
    assert b"web/0" in sent.body
    assert sent.headers["cache-control"] == "no-store"
    assert "server" not in sent.headers
    assert ask("/debug/heapgraph/metrics", method="HEAD", **mount).body == b""
    assert ask("/other", **mount).body == b"the service"
    assert ask("/debug/heapgraphs", **mount).body == b"the service"
    mounted = ask("/heap/healthz", application=None, prefix="/heap", **mount)
    assert mounted.body == b"ok\n"


@BOTH
def test_a_profile_is_passed_on_with_its_age(endpoint, ask):
    mount = {"socket": str(endpoint.socket_path), "allow": lambda _: "profiles"}
    sent = ask("/debug/heapgraph/debug/pprof/heap", query="debug=1", **mount)
    assert sent.status == 200
    assert SECRET in sent.body.decode()
    assert int(sent.headers["age"]) >= 0
    old = ask("/debug/heapgraph/debug/pprof/heap", **mount)
    assert (old.status, old.headers["retry-after"]) == (503, "30")


@BOTH
def test_the_daemon_is_told_what_the_caller_may_see(endpoint, ask):
    mount = {"socket": str(endpoint.socket_path)}
    for granted in ("status", True):
        for path in ("/v1/targets", "/v1/rules", "/metrics"):
            sent = ask(f"/debug/heapgraph{path}", allow=lambda _, one=granted: one, **mount)
            assert sent.status == 200
            assert SECRET.encode() not in sent.body
        refused = ask("/debug/heapgraph/debug/pprof/heap", allow=lambda _: "status", **mount)
        assert refused.status == 403
    # Then: a header of the caller does not raise it
    headers = {"Heapgraph-Scope": "download", "Authorization": "Bearer x"}
    sent = ask("/debug/heapgraph/metrics", allow=lambda _: True, headers=headers, **mount)
    assert sent.status == 200
    assert SECRET.encode() not in sent.body


@BOTH
@pytest.mark.parametrize(
    "granted", [None, False, "", "root", "snapshot", "download", 1.5, ["status"]]
)
def test_who_is_not_allowed_is_refused_and_nobody_is_asked(tmp_path, ask, granted):
    sent = ask(
        "/debug/heapgraph/v1/targets", socket=str(tmp_path / "nothing"), allow=lambda _: granted
    )
    assert (sent.status, sent.headers["content-type"]) == (403, "application/problem+json")


@BOTH
def test_a_hook_that_fails_lets_nobody_in(tmp_path, ask):
    def allow(_):
        raise PermissionError("no session")

    with pytest.raises(PermissionError):
        ask("/debug/heapgraph/v1/targets", socket=str(tmp_path / "nothing"), allow=allow)


def test_a_hook_may_be_a_coroutine_function(endpoint):
    async def allow(scope):
        assert scope["path"] == "/debug/heapgraph/metrics"
        await asyncio.sleep(0)
        return "status"

    sent = by_asgi("/debug/heapgraph/metrics", socket=str(endpoint.socket_path), allow=allow)
    assert sent.status == 200


@pytest.mark.parametrize("module", [wsgi, asgi])
def test_without_a_hook_nothing_is_mounted(module):
    with pytest.raises(TypeError):
        module.mount(None, socket="/x")
    with pytest.raises(TypeError, match="allow has to be a function"):
        module.mount(None, socket="/x", allow=None)


REFUSED = {
    "snapshot": ("POST", "/v1/targets/web/0/snapshot", "", 405),
    "cancel": ("DELETE", "/v1/operations/ab12", "", 405),
    "download": ("GET", "/v1/snapshots/latest", "", 403),
    "way out": ("GET", "/v1/../../etc/passwd", "", 404),
    "dots": ("GET", "/v1/snapshots/a..b/summary", "", 404),
    "another address": ("GET", "/admin", "", 404),
    "another host": ("GET", "/http://evil.example/", "", 404),
    "line feed in the path": ("GET", "/v1/targets\r\nX: 1", "", 404),
    "line feed in the query": ("GET", "/v1/targets", "a=1 HTTP/1.1\r\nX: 1", 404),
    "no ASCII": ("GET", "/v1/targets/\xff", "", 404),
    "endless": ("GET", "/v1/targets", "a" * 5000, 404),
}


@BOTH
@pytest.mark.parametrize(("method", "path", "query", "status"), REFUSED.values(), ids=REFUSED)
def test_only_reading_is_passed_on(endpoint, ask, method, path, query, status):  # noqa: PLR0917
    mount = {"socket": str(endpoint.socket_path), "allow": lambda _: "profiles"}
    sent = ask(f"/debug/heapgraph{path}", method=method, query=query, **mount)
    assert sent.status == status
    assert endpoint.served.asked == []


@contextlib.contextmanager
def a_daemon_that(does, path):
    """A socket at which something else answers."""
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as listener:
        listener.bind(str(path))
        listener.listen(1)
        listener.settimeout(20)

        def run():
            with contextlib.closing(listener.accept()[0]) as one, contextlib.suppress(OSError):
                one.recv(1 << 16)
                does(one)

        thread = threading.Thread(target=run)
        thread.start()
        yield
        thread.join(20)


def endless(one: socket.socket) -> None:
    one.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        one.sendall(bytes(1 << 16))


def drip(one: socket.socket) -> None:
    one.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
    while True:
        one.sendall(b"x")


HARMFUL = {
    "endless": (endless, {"max_bytes": 1 << 20}),
    "dripping": (drip, {"timeout_s": 0.3}),
    "silent": (lambda one: one.recv(1), {"timeout_s": 0.3}),
    "no HTTP": (lambda one: one.sendall(b"\x00\x01\r\n"), {}),
    "gone": (socket.socket.close, {}),
}


@BOTH
@pytest.mark.parametrize(("does", "limits"), HARMFUL.values(), ids=HARMFUL)
def test_a_daemon_that_does_not_answer_well_does_not_hold_the_service(tmp_path, ask, does, limits):
    path = tmp_path / "socket"
    mount = {"socket": str(path), "allow": lambda _: "status", **limits}
    with a_daemon_that(does, path):
        sent = ask("/debug/heapgraph/metrics", **mount)
    assert sent.status == 502
    assert len(sent.body) < 500


@BOTH
def test_no_daemon_and_another_users_socket(endpoint, tmp_path, ask):
    nobody = ask("/debug/heapgraph/healthz", socket=str(tmp_path / "no"), allow=lambda _: "status")
    assert nobody.status == 502
    other = {"socket": str(endpoint.socket_path), "daemon_uid": os.geteuid() + 4242}
    assert ask("/debug/heapgraph/healthz", allow=lambda _: "status", **other).status == 502


def test_too_many_at_once_are_refused(endpoint):
    mount = {"socket": str(endpoint.socket_path), "allow": lambda _: "status", "at_once": 1}
    application = wsgi.mount(service, **mount)
    answers: list[int] = []

    def ask() -> None:
        environ: dict = {}
        setup_testing_defaults(environ)
        environ |= {"PATH_INFO": "/debug/heapgraph/metrics", "wsgi.input": io.BytesIO()}
        for _ in range(50):
            application(environ, lambda status, _: answers.append(int(status.split()[0])))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert set(answers) <= {200, 503}
    assert answers.count(200) > 0


def test_a_service_loads_nothing_but_the_standard_library():
    code = """
import sys
before = set(sys.modules)
import heapgraph.watch.mounts.asgi, heapgraph.watch.mounts.wsgi
new = {name.partition(".")[0] for name in set(sys.modules) - before}
print(sorted(new - set(sys.stdlib_module_names)))
"""
    assert run_process(code=code).stdout == "['heapgraph']\n"


GUNICORN = """
import heapgraph.watch.mounts.wsgi as heap

def service(environ, start):
    assert environ
    start("200 OK", [("Content-Type", "text/plain")])
    return [b"the service"]

def allow(environ):
    return "status" if environ.get("HTTP_X_OPERATOR") == "yes" else None

application = heap.mount(service, socket={socket!r}, allow=allow)
"""


def test_any_worker_of_a_server_answers_for_the_daemon(endpoint, tmp_path):
    (tmp_path / "app_module.py").write_text(GUNICORN.format(socket=str(endpoint.socket_path)))
    place = tmp_path / "gunicorn"
    command = ["-m", "gunicorn", "-w", "2", "-b", f"unix:{place}", "app_module:application"]
    with subprocess.Popen(
        [sys.executable, *command, "--chdir", str(tmp_path)], stderr=subprocess.DEVNULL
    ) as server:
        try:
            wait_until(lambda: listens(place), "gunicorn listens")
            statuses = []
            for headers in [{"X-Operator": "yes"}] * 6 + [{}] * 2:
                connection = http.client.HTTPConnection("localhost", timeout=60)
                connection.sock = socket.socket(socket.AF_UNIX)
                connection.sock.connect(str(place))
                connection.request("GET", "/debug/heapgraph/v1/targets", headers=headers)
                answer = connection.getresponse()
                statuses.append(answer.status)
                answer.read()
                connection.close()
            assert statuses == [200] * 6 + [403] * 2
        finally:
            server.terminate()
            server.wait(20)
