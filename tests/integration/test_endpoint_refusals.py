"""What else is refused: other users, hosts, pages, ways out, too much, too slow, too many."""

from __future__ import annotations

import contextlib
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from heapgraph.errors import UsageError
from heapgraph.watch.audit.log import Actor
from heapgraph.watch.http.limits import Limits
from heapgraph.watch.http.served import (
    OverBudget,
    Profile,
    SnapshotRefused,
    SnapshotRunning,
    StoreFull,
)
from heapgraph.watch.http.tokens import new_token
from heapgraph.watch.settings.model import EXPOSURES, HttpSpec
from helpers.as_root import needs_root
from helpers.endpoint import census_of, read_all, running
from helpers.refused import assert_raw_refused, assert_refused

TOKEN, LINE = new_token("download")
AUTHORIZED = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture
def folder():
    """A folder on whose way every user may go."""
    path = Path(tempfile.mkdtemp())
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


def unix(folder: Path, **more) -> HttpSpec:
    return HttpSpec(f"unix:{folder}/socket", EXPOSURES, **more)


@pytest.fixture
def endpoint(folder):
    with running(unix(folder), folder) as one:
        yield one


@pytest.fixture
def over_tcp(folder):
    tokens = folder / "tokens"
    tokens.write_text(LINE)
    spec = HttpSpec("127.0.0.1:0", EXPOSURES, tokens, hosts=("heap.example",))
    with running(spec, folder) as one:
        yield one


AS_OTHER = """
import http.client, os, socket, sys
os.setgroups([])
os.setgid(4242)
os.setuid(4242)
one = socket.socket(socket.AF_UNIX)
try:
    one.connect(sys.argv[1])
except OSError as failure:
    print(failure.strerror)
    sys.exit()
connection = http.client.HTTPConnection("localhost")
connection.sock = one
connection.request("GET", "/v1/targets")
answer = connection.getresponse()
print(answer.status, answer.headers["Content-Type"], answer.read().decode())
"""


def as_other_user(path: Path) -> str:
    return subprocess.run(
        [sys.executable, "-c", AS_OTHER, str(path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout


@needs_root
def test_the_kernel_keeps_other_users_from_the_socket(endpoint):
    assert stat.S_IMODE(endpoint.socket_path.stat().st_mode) == 0o600
    assert as_other_user(endpoint.socket_path) == "Permission denied\n"


@needs_root
def test_a_user_who_is_not_named_is_refused_where_others_are(folder):
    with running(unix(folder, users=(1234,)), folder) as endpoint:
        answer = as_other_user(endpoint.socket_path)
        assert answer.startswith("403 application/problem+json")
        assert endpoint.record("other-user")["detail"]["status"] == 403
    with running(unix(folder, users=(4242,)), folder / "again") as endpoint:
        assert as_other_user(endpoint.socket_path).startswith("200 application/json")


HOSTS = [
    "evil.example",
    "evil.example:{port}",
    "127.0.0.1:1",
    "127.0.0.2:{port}",
    "",
    "heap.example.evil",
]


@pytest.mark.parametrize("host", HOSTS)
def test_another_name_is_refused(over_tcp, host):
    reply = over_tcp.get("/v1/targets", Host=host.format(port=over_tcp.port), **AUTHORIZED)
    assert_refused(over_tcp, reply, 421, "other-host")


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:{port}", "127.0.0.1", "heap.example:80"])
def test_its_own_names_are_answered(over_tcp, host):
    reply = over_tcp.get("/v1/targets", Host=host.format(port=over_tcp.port), **AUTHORIZED)
    assert reply.status == 200


@pytest.mark.parametrize("lines", ["", "Host: 127.0.0.1\r\nHost: evil.example\r\n"])
def test_no_name_and_two_names_are_refused(over_tcp, lines):
    sent = f"GET /v1/targets HTTP/1.1\r\n{lines}Authorization: Bearer {TOKEN}\r\n"
    answer = over_tcp.raw(f"{sent}Connection: close\r\n\r\n".encode())
    if answer.split()[1] == b"400":
        assert_raw_refused(over_tcp, answer, 400, "bad-request")
    else:
        assert_raw_refused(over_tcp, answer, 421, "other-host")


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Origin": "http://127.0.0.1", "Sec_Fetch_Site": "same-origin"},
    ],
)
def test_pages_of_a_browser_are_refused(over_tcp, headers):
    for method in ("GET", "OPTIONS", "POST"):
        path = "/v1/targets/web/0/snapshot" if method == "POST" else "/v1/targets"
        reply = over_tcp.ask(method, path, **headers, **AUTHORIZED)
        assert_refused(over_tcp, reply, 403, "other-origin")
    assert over_tcp.served.asked == []


WAYS_OUT = [
    "/v1/snapshots/..",
    "/v1/snapshots/../../etc/passwd",
    "/v1/snapshots/..%2f..%2fetc%2fpasswd",
    "/v1/snapshots/%2e%2e%2f%2e%2e%2fetc%2fpasswd",
    "/v1/snapshots/%252e%252e",
    "/v1/snapshots/a%00b",
    "/v1/snapshots/%2Fetc%2Fpasswd",
    "/v1/snapshots/-rf",
    "/v1/snapshots/latest/../../tokens",
    "/v1/snapshots/latest/sum;mary",
    "/v1/snapshots/" + "a" * 200,
    "/v1/targets/../0/census",
    "/v1/targets/web/-1/census",
    "/v1/targets/web/99999999999/census",
    "/v1/operations/..%2fab12",
    "/debug/pprof/../../etc/passwd",
    "//etc/passwd",
]


@pytest.mark.parametrize("path", WAYS_OUT)
def test_no_address_leads_out(endpoint, path):
    assert_refused(endpoint, endpoint.get(path), 404, "no-such-address")


def test_what_is_not_there_is_not_found(endpoint):
    for path, name in (
        ("/v1/snapshots/unknown", "no-snapshot"),
        ("/v1/snapshots/latest/summary", "no-snapshot"),
        ("/v1/snapshots/latest/sql", "no-question"),
        ("/v1/operations/unknown", "no-operation"),
        ("/v1/targets/other/0/census", "no-worker"),
        ("/debug/pprof/heap?worker=web/7", "no-worker"),
        ("/debug/pprof/cmdline", "no-such-address"),
    ):
        assert_refused(endpoint, endpoint.get(path), 404, name)


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "POST", "OPTIONS", "TRACE"])
def test_other_methods_are_refused(endpoint, method):
    reply = endpoint.ask(method, "/v1/targets")
    assert_refused(endpoint, reply, 405, "other-method")
    assert reply.headers["Allow"] == "GET, HEAD"


@pytest.mark.parametrize(
    "query", ["gc=1", "gc=2", "debug=2", "seconds=0", "seconds=-1", "seconds=x", "other=1",
              "worker=jobs", "worker=../0", "debug=0&debug=0"],
)  # fmt: skip
def test_parameters_that_mean_nothing_are_refused(endpoint, query):

    endpoint.served.last_census = census_of(endpoint.served.workers[0], time.monotonic())
    endpoint.served.kept = [Profile(endpoint.log, time.monotonic())]
    reply = endpoint.get(f"/debug/pprof/heap?{query}")
    name = "no-collection" if query == "gc=1" else "bad-parameter"
    assert_refused(endpoint, reply, 400, name)


@pytest.mark.parametrize("part", EXPOSURES)
def test_a_part_is_off_until_it_is_listed(folder, part):
    paths = {
        "status": "/v1/targets",
        "metrics": "/metrics",
        "names": "/v1/targets/web/0/census",
        "profiles": "/debug/pprof/heap",
        "snapshot": "/v1/targets/web/0/snapshot",
        "download": "/v1/snapshots/latest",
    }
    others = tuple(one for one in EXPOSURES if one != part)
    with running(HttpSpec(f"unix:{folder}/socket", others), folder) as endpoint:
        reply = endpoint.ask("POST" if part == "snapshot" else "GET", paths[part])
        assert_refused(endpoint, reply, 404, "not-exposed")
        assert endpoint.served.asked == []


START = "/v1/targets/web/0/snapshot"
REFUSED = {
    "running": (SnapshotRunning("one runs", "it began", "wait", operation="ab12"), 409, "running"),
    "over budget": (
        OverBudget("too dear", "0.02 of a CPU", retry_after_s=90.2),
        429,
        "over-budget",
    ),
    "store full": (StoreFull("no room", "20 files", "delete one"), 507, "store-full"),
    "not possible": (SnapshotRefused("no right to trace", "ptrace_scope"), 409, "refused"),
}


@pytest.mark.parametrize(("failure", "status", "name"), REFUSED.values(), ids=REFUSED)
def test_a_snapshot_is_refused_for_a_reason(endpoint, failure, status, name):
    endpoint.served.refusal = failure
    reply = endpoint.ask("POST", START)
    assert_refused(endpoint, reply, status, name)
    assert (reply.document["title"], reply.document["detail"]) == (failure.what, failure.cause)
    if name == "running":
        assert reply.document["operation"] == "/v1/operations/ab12"
    if name == "over-budget":
        assert reply.headers["Retry-After"] == "91"


def test_an_operation_that_has_ended_cannot_be_cancelled(endpoint):
    assert endpoint.ask("POST", START).status == 202
    assert endpoint.ask("DELETE", "/v1/operations/ab12").document["state"] == "cancelled"
    reply = endpoint.ask("DELETE", "/v1/operations/ab12")
    assert_refused(endpoint, reply, 409, "ended")
    reply = endpoint.ask("DELETE", "/v1/operations/unknown")
    assert_refused(endpoint, reply, 404, "no-operation")


HEAD = "GET /v1/targets HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
TOO_MUCH = {
    "line": (f"GET /{'a' * 9000} HTTP/1.1\r\n\r\n", 431, "too-long"),
    "header": (f"{HEAD}X: {'a' * 20_000}\r\n\r\n", 431, "too-long"),
    "name of a header": (f"{HEAD}{'a' * 20_000}: 1\r\n\r\n", 431, "too-long"),
    "headers": (HEAD + "X: 1\r\n" * 500 + "\r\n", 400, "bad-request"),
    "body": (f"{HEAD}Content-Length: 9999999999\r\n\r\n", 413, "body"),
    "chunks": (f"{HEAD}Transfer-Encoding: chunked\r\n\r\nfffffff\r\n", 413, "body"),
    "two lengths": (HEAD + "Content-Length: 0\r\nContent-Length: 5\r\n\r\n", 400, "bad-request"),
    "length and chunks": (
        f"{HEAD}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
        "bad-request",
    ),
    "no HTTP": ("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400, "bad-request"),
    "control characters": ("GET /\x01 HTTP/1.1\r\nHost: x\r\n\r\n", 400, "bad-request"),
}  # fmt: skip


@pytest.mark.parametrize(("sent", "status", "name"), TOO_MUCH.values(), ids=TOO_MUCH)
def test_requests_that_are_too_much_or_none_are_refused(endpoint, sent, status, name):
    assert_raw_refused(endpoint, endpoint.raw(sent.encode("latin-1")), status, name)


def test_a_body_is_refused_with_a_snapshot_too(endpoint):
    reply = endpoint.ask("POST", START, body=b'{"reason": "why"}')
    assert_refused(endpoint, reply, 413, "body")
    assert endpoint.served.asked == []


@pytest.mark.parametrize("sent", [b"G", HEAD.encode(), HEAD.encode() + b"X: "])
def test_a_client_that_is_slow_is_told_so_and_left(folder, sent):
    with running(unix(folder), folder, limits=Limits(request_s=0.2)) as endpoint:
        answer = endpoint.raw(sent)
        assert_raw_refused(endpoint, answer, 408, "slow")


def test_a_client_that_drips_is_left_all_the_same(folder):
    with (
        running(unix(folder), folder, limits=Limits(request_s=0.5)) as endpoint,
        contextlib.closing(endpoint.connect()) as one,
    ):
        one.settimeout(0.05)
        one.sendall(b"GET / HTTP/1.1\r\nX: ")
        answer = b""
        while not answer:
            with contextlib.suppress(BrokenPipeError):
                one.sendall(b"G")
            with contextlib.suppress(TimeoutError):
                answer = one.recv(1 << 16)
        assert_raw_refused(endpoint, answer, 408, "slow")


def test_a_client_that_says_nothing_is_left_without_a_word(folder):
    with running(unix(folder), folder, limits=Limits(request_s=0.2)) as endpoint:
        assert endpoint.raw(b"") == b""
        # And: one that was answered, and says nothing more
    quick = Limits(request_s=0.2, write_s=0.2)
    with running(unix(folder), folder / "2", limits=quick) as endpoint:
        answer = endpoint.raw(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert answer.count(b"HTTP/1.1") == 1
        assert answer.endswith(b"ok\n")


def test_one_connection_too_many_is_refused_and_the_others_go_on(folder):
    limits = Limits(connections=4, connections_of_peer=3)
    with running(unix(folder), folder, limits=limits) as endpoint, contextlib.ExitStack() as stack:
        several = [stack.enter_context(contextlib.closing(endpoint.connect())) for _ in range(3)]
        assert_raw_refused(endpoint, endpoint.raw(b""), 503, "busy")
        several[0].sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert read_all(several[0]).endswith(b"ok\n")
        assert endpoint.get("/healthz").status == 200  # there is room again


def test_too_many_requests_of_one_caller_are_refused(folder):
    with running(unix(folder), folder, limits=Limits(requests_of_caller=0)) as endpoint:
        reply = endpoint.get("/v1/targets")
        assert_refused(endpoint, reply, 429, "too-many")
        assert reply.headers["Retry-After"] == "1"


def test_refusals_that_come_again_are_counted_and_not_written_each(folder):
    with running(unix(folder), folder) as endpoint:
        for _ in range(50):
            assert endpoint.get("/v1/nothing").status == 404
        assert endpoint.endpoint.refused == 50
    lines = [one for one in endpoint.records() if one["event"] == "http.refused"]
    assert [one["detail"].get("times") for one in lines] == [None, 49]


def test_many_kinds_of_refusals_are_few_lines(folder, monkeypatch):
    monkeypatch.setattr("heapgraph.watch.http.refusals.MAX_KINDS", 3)
    with running(unix(folder), folder) as endpoint:
        for number in range(20):
            endpoint.endpoint._refusals.note(f"kind-{number}", 400, "unix", Actor("nobody"))
    lines = [one for one in endpoint.records() if one["event"] == "http.refused"]
    assert len(lines) == 5
    assert lines[-1]["detail"]["times"] == 16


def test_a_socket_of_a_daemon_that_was_killed_is_taken_over_and_nothing_else(folder):
    with (
        running(unix(folder), folder),
        pytest.raises(UsageError, match="another process listens"),
        running(unix(folder), folder / "2"),
    ):
        raise AssertionError

    one = socket.socket(socket.AF_UNIX)
    one.bind(str(folder / "socket"))
    one.close()
    with running(unix(folder), folder / "3") as endpoint:
        assert endpoint.get("/healthz").status == 200
    assert not (folder / "socket").exists()
    (folder / "socket").write_text("mine")
    with pytest.raises(UsageError), running(unix(folder), folder / "4"):
        raise AssertionError
    assert (folder / "socket").read_text() == "mine"
    (folder / "socket").unlink()
