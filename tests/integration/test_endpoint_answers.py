"""What the endpoint answers about snapshots and profiles, and what it keeps back."""

from __future__ import annotations

import gzip
import hashlib
import http.client
import json
import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from heapgraph.export.pprof import write_pprof
from heapgraph.export.profiles.messages import unpacked
from heapgraph.watch.http.limits import Limits
from heapgraph.watch.http.served import Profile, StoredSnapshot
from heapgraph.watch.http.tokens import new_token
from heapgraph.watch.settings.model import EXPOSURES, HttpSpec
from helpers.app_heap import app_heap, graph_of, items, module, set_global
from helpers.cli import invoke
from helpers.endpoint import WEB, InMemory, UnixConnection, census_of, running
from helpers.graphviz_program import needs_dot
from helpers.heaps import HeapBuilder
from helpers.refused import assert_refused

if TYPE_CHECKING:
    from pathlib import Path

QUESTIONS = ("summary", "histogram", "dominators", "suspects", "threads", "waste", "memory")


def stored(file: Path, name: str = "web-0-1", *, redacted: bool = True) -> StoredSnapshot:
    content = file.read_bytes()
    return StoredSnapshot(
        name,
        WEB,
        "2026-02-01T03:00:00+00:00",
        len(content),
        hashlib.sha256(content).hexdigest(),
        1000,
        redacted,
    )


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory) -> Path:
    return app_heap().write(tmp_path_factory.mktemp("snapshot") / "app.heapgraph")


@pytest.fixture
def served(snapshot) -> InMemory:
    return InMemory(stored={"web-0-1": (stored(snapshot), snapshot)})


@pytest.fixture
def spec(tmp_path) -> HttpSpec:
    return HttpSpec(f"unix:{tmp_path}/socket", EXPOSURES)


@pytest.fixture
def endpoint(tmp_path, spec, served):
    with running(spec, tmp_path, served) as one:
        yield one


def test_questions_are_answered_as_the_command_line_does(endpoint, snapshot):
    for question in QUESTIONS:
        reply = endpoint.get(f"/v1/snapshots/web-0-1/{question}")
        assert (reply.status, reply.headers["Content-Type"]) == (200, "application/json"), (
            reply.body
        )
        assert reply.document == invoke(question, snapshot, "--json").document
        assert reply.document == endpoint.get(f"/v1/snapshots/latest/{question}").document


def test_a_path(endpoint, snapshot):
    reply = endpoint.get("/v1/snapshots/latest/path?objects=app.sessions.CACHE")
    assert reply.document == invoke("path", snapshot, "app.sessions.CACHE", "--json").document


@needs_dot
def test_a_picture(endpoint):
    picture = endpoint.get("/v1/snapshots/latest/picture.svg?object=app.sessions.CACHE")
    assert picture.status == 200, picture.body
    assert picture.headers["Content-Type"] == "image/svg+xml"
    assert "sandbox" in picture.headers["Content-Security-Policy"]
    assert picture.body.lstrip().startswith(b"<")
    assert b"CACHE" in picture.body


def test_parameters_are_those_of_the_question(endpoint):
    reply = endpoint.get("/v1/snapshots/latest/histogram?limit=1&exact=yes")
    assert len(reply.document["types"]) == 1
    for wrong in (
        "histogram?limit=0",
        "histogram?limit=-1",
        "histogram?limit=x",
        "histogram?limit=1&limit=2",
        "histogram?exact=1",
        "histogram?output=/etc/passwd",
        "path",
        "path?objects=a%00b",
        "picture.svg",
        "picture.svg?object=app.sessions.CACHE&force=yes",
        "summary?limit=1",
    ):
        refused = endpoint.get(f"/v1/snapshots/latest/{wrong}")
        assert_refused(endpoint, refused, 400, "bad-parameter")


@pytest.mark.parametrize("text", ["--help", "-o", "--output=/tmp/x", "no.such.thing", "@99999999"])
def test_an_object_that_is_none_is_no_option_of_the_program(endpoint, text):
    reply = endpoint.get(f"/v1/snapshots/latest/path?objects={text}")
    assert_refused(endpoint, reply, 400, "bad-question")
    assert reply.document["title"]
    assert reply.document["next"]


def test_an_answer_is_made_once(endpoint, tmp_path):
    first = endpoint.get("/v1/snapshots/latest/summary")
    (kept,) = (tmp_path / "answers").iterdir()
    made = kept.stat().st_ino
    again = endpoint.get("/v1/snapshots/latest/summary")
    assert again.body == first.body
    assert kept.stat().st_ino == made
    assert kept.stat().st_mode & 0o077 == 0
    known = endpoint.get("/v1/snapshots/latest/summary", If_None_Match=first.headers["ETag"])
    assert (known.status, known.body) == (304, b"")


def test_the_oldest_answers_go_when_they_are_too_many(tmp_path, spec, served):
    with running(spec, tmp_path, served, limits=Limits(cache_bytes=1)) as endpoint:
        for question in QUESTIONS[:3]:
            assert endpoint.get(f"/v1/snapshots/latest/{question}").status == 200
            assert len(list((tmp_path / "answers").iterdir())) == 1


LIMITS = {
    "time": (Limits(child_s=0), 504, "too-slow"),
    "bytes": (Limits(answer_bytes=10), 500, "too-large"),
    "memory": (Limits(child_bytes=1 << 20), 500, None),
    "waiting": (Limits(children=0, waiting=0), 503, "busy"),
}


@pytest.mark.parametrize("case", LIMITS)
def test_a_question_has_limits(tmp_path, spec, served, case):
    limits, status, name = LIMITS[case]
    with running(spec, tmp_path, served, limits=limits) as endpoint:
        reply = endpoint.get("/v1/snapshots/latest/dominators")
        assert reply.status == status, reply.body
        assert name is None or reply.document["type"].endswith(f":{name}")
        assert list((tmp_path / "answers").iterdir()) == []


def test_a_damaged_snapshot_is_said_to_be_one(tmp_path, spec, snapshot):
    damaged = tmp_path / "damaged.heapgraph"
    damaged.write_bytes(snapshot.read_bytes()[:2000])
    served = InMemory(stored={"one": (stored(damaged, "one"), damaged)})
    with running(spec, tmp_path, served) as endpoint:
        reply = endpoint.get("/v1/snapshots/one/summary")
        assert reply.status == 500
        assert reply.document["type"].endswith(":damaged")


def test_what_has_values_is_a_download(tmp_path, snapshot):
    tokens = {scope: new_token(scope) for scope in ("names", "snapshot", "download")}
    file = tmp_path / "tokens"
    file.write_text("\n".join(line for _, line in tokens.values()))
    served = InMemory(stored={"web-0-1": (stored(snapshot, redacted=False), snapshot)})
    spec = HttpSpec("127.0.0.1:0", EXPOSURES, file)

    with running(spec, tmp_path, served) as endpoint:

        def ask(scope: str, question: str):
            authorization = f"Bearer {tokens[scope][0]}"
            path = f"/v1/snapshots/latest/{question}"
            return endpoint.get(path, Authorization=authorization)

        assert ask("names", "histogram").status == 200
        assert_refused(endpoint, ask("snapshot", "dominators"), 403, "scope")
        assert ask("download", "dominators").status == 200
    lines = [one for one in endpoint.records() if one["event"] == "download"]
    asked = [(one["detail"]["question"], one["outcome"]) for one in lines]
    assert asked[-2:] == [("dominators", "intent"), ("dominators", "done")]


def test_a_snapshot_is_downloaded_whole_and_in_parts(endpoint, snapshot):
    content = snapshot.read_bytes()
    whole = endpoint.get("/v1/snapshots/latest")
    tag = f'"{hashlib.sha256(content).hexdigest()}"'
    assert (whole.status, whole.body, whole.headers["ETag"]) == (200, content, tag)
    for asked, expected in (
        ("bytes=0-9", content[:10]),
        ("bytes=10-", content[10:]),
        ("bytes=-7", content[-7:]),
        (f"bytes=5-{len(content) * 2}", content[5:]),
    ):
        part = endpoint.get("/v1/snapshots/latest", Range=asked)
        assert (part.status, part.body) == (206, expected)
        assert part.headers["Content-Range"].endswith(f"/{len(content)}")
    assert endpoint.get("/v1/snapshots/latest", Range="lines=1-2").status == 200
    changed = endpoint.get("/v1/snapshots/latest", Range="bytes=0-9", If_Range='"other"')
    assert (changed.status, changed.body) == (200, content)
    known = endpoint.get("/v1/snapshots/web-0-1", If_None_Match=f'W/"x", {tag}')
    assert (known.status, known.body) == (304, b"")
    head = endpoint.ask("HEAD", "/v1/snapshots/latest")
    assert (head.status, head.headers["Content-Length"]) == (200, str(len(content)))
    beyond = endpoint.get("/v1/snapshots/latest", Range=f"bytes={len(content)}-")
    assert_refused(endpoint, beyond, 416, "no-range")
    nothing = endpoint.get("/v1/snapshots/latest", Range="bytes=-0")
    assert_refused(endpoint, nothing, 416, "no-range")
    # Then: each is written down before and after, HEAD and what was known already are not
    lines = [one for one in endpoint.records() if one["event"] == "download"]
    assert [one["outcome"] for one in lines] == ["intent", "done"] * 7
    assert lines[1]["detail"]["sha256"] == tag.strip('"')
    assert lines[1]["actor"]["kind"] == "peer"


def test_a_download_that_is_broken_off_is_written_down(tmp_path, spec):
    large = tmp_path / "large.heapgraph"
    with large.open("wb") as file:
        file.truncate(64 << 20)
    about = StoredSnapshot("big", WEB, "", 64 << 20, "0" * 64, 1, redacted=True)
    served = InMemory(stored={"big": (about, large)})
    with running(spec, tmp_path, served, limits=Limits(write_s=0.3)) as endpoint:
        with closing(endpoint.connect()) as one:
            one.sendall(b"GET /v1/snapshots/big HTTP/1.1\r\nHost: x\r\n\r\n")
            # Nobody reads on: after a while the daemon leaves.
            deadline = time.monotonic() + 20
            while [r["outcome"] for r in endpoint.records() if r["event"] == "download"] != [
                "intent",
                "failed",
            ]:
                assert time.monotonic() < deadline
        assert endpoint.get("/healthz").status == 200


def test_nothing_is_sent_that_cannot_be_written_down(endpoint, tmp_path):
    for file in (tmp_path / "audit").iterdir():
        file.chmod(0o666)
        file.rename(file.with_suffix(".gone"))
    (tmp_path / "audit" / "audit-000000000001-2026-01-01.jsonl").mkdir()
    reply = endpoint.get("/v1/snapshots/latest")
    assert reply.status == 503, reply.body[:100]
    assert reply.document["type"].endswith(":no-audit")
    (tmp_path / "audit" / "audit-000000000001-2026-01-01.jsonl").rmdir()


def test_a_snapshot_is_begun_and_cancelled(endpoint):
    begun = endpoint.ask("POST", "/v1/targets/web/0/snapshot")
    assert (begun.status, begun.headers["Location"]) == (202, "/v1/operations/ab12")
    assert endpoint.get("/v1/operations/ab12").document["state"] == "running"
    assert endpoint.ask("DELETE", "/v1/operations/ab12").document["state"] == "cancelled"
    assert [one["state"] for one in endpoint.get("/v1/operations").document["operations"]] == [
        "cancelled"
    ]
    assert [(what, actor.kind) for what, actor, _ in endpoint.served.asked] == [
        ("start", "peer"),
        ("cancel", "peer"),
    ]


def with_profiles(served: InMemory, tmp_path: Path, *ages: float) -> None:
    now = time.monotonic()
    served.last_census = census_of(WEB, now - ages[0])
    for number, age in enumerate(ages):
        file = tmp_path / f"{number}.pb.gz"
        file.write_bytes(gzip.compress(b"profile %d" % number))
        served.kept.append(Profile(file, now - age))


@pytest.mark.parametrize("address", ["heap", "allocs", "heap?worker=web/0"])
def test_the_profile_of_the_last_census_is_served_with_its_age(tmp_path, endpoint, address):
    with_profiles(endpoint.served, tmp_path, 20.0, 200.0)
    reply = endpoint.get(f"/debug/pprof/{address}")
    assert (reply.status, gzip.decompress(reply.body)) == (200, b"profile 0")
    assert 20 <= int(reply.headers["Age"]) < 60
    assert reply.headers["Content-Type"] == "application/octet-stream"
    text = endpoint.get("/debug/pprof/heap?debug=1")
    assert "app.SESSIONS[*]" in text.body.decode()
    assert "app.Session" in text.body.decode()
    assert b"/debug/pprof/heap?worker=web/0" in endpoint.get("/debug/pprof/").body


def test_an_old_profile_is_not_served_and_no_target_is_stopped_for_a_new_one(tmp_path, endpoint):
    with_profiles(endpoint.served, tmp_path, 301.0)
    for query in ("", "?debug=1", "?seconds=10"):
        reply = endpoint.get(f"/debug/pprof/heap{query}")
        assert reply.status == 503
        assert reply.document["type"].endswith(":no-census")
        assert reply.headers["Retry-After"] == "30"
    assert endpoint.served.asked == []


def test_which_worker_is_meant_has_to_be_said(tmp_path, endpoint):
    endpoint.served.workers = (WEB, type(WEB)("web", 1))
    with_profiles(endpoint.served, tmp_path, 1.0)
    reply = endpoint.get("/debug/pprof/heap")
    assert_refused(endpoint, reply, 400, "which-worker")
    assert reply.document["workers"] == ["web/0", "web/1"]
    assert endpoint.get("/debug/pprof/heap?worker=web/0").status == 200


def test_seconds_need_a_census_that_is_older(tmp_path, endpoint):
    with_profiles(endpoint.served, tmp_path, 1.0, 20.0)
    reply = endpoint.get("/debug/pprof/heap?seconds=60")
    assert (reply.status, reply.headers["Retry-After"]) == (503, "60")


def test_a_connection_may_be_used_again(endpoint):
    connection = UnixConnection(endpoint.socket_path)
    with closing(connection):
        for _ in range(3):
            connection.request("GET", "/v1/targets")
            answer = connection.getresponse()
            assert answer.status == 200
            assert json.loads(answer.read())["targets"]


SECRET = "hunter2_planted"


def test_the_scope_status_has_no_names_of_the_target(tmp_path):
    token, line = new_token("status")
    names_token, names_line = new_token("names")
    file = tmp_path / "tokens"
    file.write_text(f"{line}\n{names_line}\n")
    served = InMemory(word=SECRET, last_census=census_of(WEB, time.monotonic(), word=SECRET))
    paths = (
        *("/healthz", "/readyz", "/metrics", "/v1/targets", "/v1/rules", "/v1/operations"),
        *("/v1/snapshots", "/v1/targets/web/0/census", "/debug/pprof/heap?debug=1"),
    )
    with running(HttpSpec("127.0.0.1:0", EXPOSURES, file), tmp_path, served) as endpoint:

        def ask(path: str, one: str) -> bytes:
            reply = endpoint.get(path, Authorization=f"Bearer {one}")
            return reply.body + str(reply.headers).encode()

        leaks = [path for path in paths if SECRET.encode() in ask(path, token)]
        assert leaks == []
        # And: the names were there to be told
        told = [path for path in paths if SECRET.encode() in ask(path, names_token)]
        assert told == ["/metrics", "/v1/targets", "/v1/rules", "/v1/targets/web/0/census"]
    assert SECRET not in str(endpoint.records())


def test_what_is_not_exposed_is_not_in_metrics_either(tmp_path):
    served = InMemory(word=SECRET)
    spec = HttpSpec(f"unix:{tmp_path}/socket", ("status", "metrics"))
    with running(spec, tmp_path, served) as endpoint:
        for path in ("/metrics", "/v1/targets", "/v1/rules"):
            assert SECRET.encode() not in endpoint.get(path).body


def test_a_defect_is_not_told_to_the_peer(endpoint, monkeypatch):
    def broken() -> list:
        raise RuntimeError(SECRET)

    monkeypatch.setattr(endpoint.served, "targets", broken)
    reply = endpoint.get("/v1/targets")
    assert reply.status == 500
    assert SECRET.encode() not in reply.body
    assert isinstance(reply.headers, http.client.HTTPMessage)


def users_profile(path: Path, count: int) -> Path:
    """A profile of a heap in which `app.USERS` has so many users."""
    heap = HeapBuilder()
    module(heap, "app", "/srv/app.py")
    users = heap.object("list", size=10_000)
    set_global(heap, "app", "USERS", users)
    items(heap, users, *(heap.object("app.User", size=1000) for _ in range(count)))
    with path.open("wb") as file:
        write_pprof(graph_of(heap), file, min_size=1)
    return path


def test_seconds_give_what_was_added_between_two_censuses(tmp_path, endpoint):
    now = time.monotonic()
    endpoint.served.kept = [
        Profile(users_profile(tmp_path / "new.pb.gz", 30), now - 5),
        Profile(users_profile(tmp_path / "mid.pb.gz", 20), now - 50),
        Profile(users_profile(tmp_path / "old.pb.gz", 10), now - 500),
    ]
    added = {}
    for seconds in (40, 100):
        reply = endpoint.get(f"/debug/pprof/heap?seconds={seconds}")
        assert reply.status == 200, reply.body
        profile = unpacked(reply.body, "delta")
        kinds = [profile.string_table[one.type] for one in profile.sample_type]
        objects = kinds.index("inuse_objects")
        added[seconds] = sum(sample.value[objects] for sample in profile.sample)
    assert added == {40: 10, 100: 20}
