"""The endpoint on loopback: who has no token, a wrong one, or one that allows less, is refused."""

from __future__ import annotations

import base64

import pytest

from heapgraph.watch.http.tokens import new_token
from heapgraph.watch.settings.model import EXPOSURES, SCOPES, HttpSpec
from helpers.endpoint import running
from helpers.refused import assert_raw_refused, assert_refused

TOKENS = {scope: new_token(scope, f"of-{scope}") for scope in SCOPES}
BEARER = {scope: f"Bearer {token}" for scope, (token, _) in TOKENS.items()}


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@pytest.fixture
def tokens_file(tmp_path):
    file = tmp_path / "tokens"
    file.write_text("# who may ask\n\n" + "\n".join(line for _, line in TOKENS.values()) + "\n")
    file.chmod(0o600)
    return file


@pytest.fixture
def endpoint(tmp_path, tokens_file):
    spec = HttpSpec("127.0.0.1:0", EXPOSURES, tokens_file)
    with running(spec, tmp_path) as one:
        yield one


WRONG = {
    "none": {},
    "unknown": {"Authorization": f"Bearer {new_token('download')[0]}"},
    "empty": {"Authorization": "Bearer "},
    "the hash": {"Authorization": f"Bearer {TOKENS['download'][1].split()[0]}"},
    "cut short": {"Authorization": BEARER["download"][:-1]},
    "of another kind": {"Authorization": f"Digest {TOKENS['download'][0]}"},
    "wrong password": {"Authorization": basic("user", "wrong")},
    "token as user": {"Authorization": basic(TOKENS["download"][0], "")},
    "no base64": {"Authorization": "Basic !!!"},
    "no text": {"Authorization": "Basic " + base64.b64encode(b"\xff:\xff").decode()},
    "as a cookie": {"Cookie": f"token={TOKENS['download'][0]}"},
    "JWT where none is believed": {"Authorization": "Bearer a.b.c"},
}


@pytest.mark.parametrize("headers", WRONG.values(), ids=WRONG)
def test_who_has_no_token_is_refused(endpoint, headers):
    assert_refused(endpoint, endpoint.get("/v1/targets", **headers), 401, "no-access")
    reply = endpoint.get("/v1/snapshots/latest", **headers)
    assert_refused(endpoint, reply, 401, "no-access")
    assert reply.headers["WWW-Authenticate"] == 'Bearer realm="heapgraph"'
    assert endpoint.record("no-access")["actor"] == {"kind": "nobody", "id": ""}


def test_a_token_in_the_address_is_none(endpoint):
    reply = endpoint.get(f"/v1/targets?token={TOKENS['download'][0]}")
    assert_refused(endpoint, reply, 401, "no-access")
    assert TOKENS["download"][0] not in str(endpoint.records())


def test_two_tokens_are_refused(endpoint):
    sent = f"GET /v1/targets HTTP/1.1\r\nHost: 127.0.0.1:{endpoint.port}\r\nConnection: close\r\n"
    for scope in ("status", "download"):
        sent += f"Authorization: {BEARER[scope]}\r\n"
    assert_raw_refused(endpoint, endpoint.raw((sent + "\r\n").encode()), 401, "no-access")


NEEDS = [
    ("GET", "/v1/targets", "status"),
    ("GET", "/v1/rules", "status"),
    ("GET", "/metrics", "status"),
    ("GET", "/v1/operations", "status"),
    ("GET", "/v1/snapshots", "status"),
    ("GET", "/v1/targets/web/0/census", "names"),
    ("GET", "/debug/pprof/", "profiles"),
    ("GET", "/debug/pprof/heap", "profiles"),
    ("GET", "/debug/pprof/allocs", "profiles"),
    ("POST", "/v1/targets/web/0/snapshot", "snapshot"),
    ("DELETE", "/v1/operations/ab12", "snapshot"),
    ("GET", "/v1/snapshots/latest", "download"),
]
TOO_LITTLE = [
    (method, path, scope)
    for method, path, needed in NEEDS
    for scope in SCOPES[: SCOPES.index(needed)]
]


@pytest.mark.parametrize(("method", "path", "scope"), TOO_LITTLE)
def test_a_token_that_allows_less_is_refused(endpoint, method, path, scope):
    reply = endpoint.ask(method, path, Authorization=BEARER[scope])
    assert_refused(endpoint, reply, 403, "scope")
    assert endpoint.record("scope")["actor"] == {"kind": "token", "id": f"of-{scope}"}
    assert endpoint.served.asked == []


@pytest.mark.parametrize(("method", "path", "needed"), NEEDS)
def test_a_token_that_allows_it_is_not_refused(endpoint, method, path, needed):
    reply = endpoint.ask(method, path, Authorization=BEARER[needed])
    assert reply.status not in (401, 403)


def test_a_token_is_a_password_too(endpoint):
    reply = endpoint.get("/v1/targets", Authorization=basic("pprof", TOKENS["status"][0]))
    assert reply.status == 200


def test_who_asks_for_less_gets_less(endpoint):
    headers = {"Authorization": BEARER["download"], "Heapgraph-Scope": "status"}
    assert endpoint.get("/v1/targets", **headers).status == 200
    assert_refused(endpoint, endpoint.get("/debug/pprof/heap", **headers), 403, "scope")
    more = {"Authorization": BEARER["status"], "Heapgraph-Scope": "download"}
    assert endpoint.get("/debug/pprof/heap", **more).status == 403
    wrong = {"Authorization": BEARER["status"], "Heapgraph-Scope": "root"}
    assert_refused(endpoint, endpoint.get("/v1/targets", **wrong), 400, "bad-scope")


def test_a_token_is_withdrawn_without_a_restart(endpoint, tokens_file):
    headers = {"Authorization": BEARER["names"]}
    assert endpoint.get("/v1/targets", **headers).status == 200
    lines = tokens_file.read_text().splitlines()
    tokens_file.write_text("\n".join(line for line in lines if "of-names" not in line))
    assert_refused(endpoint, endpoint.get("/v1/targets", **headers), 401, "no-access")


@pytest.mark.parametrize("harm", ["nonsense", "writable", "gone"])
def test_a_tokens_file_that_is_not_trusted_any_more_lets_nobody_in(endpoint, tokens_file, harm):
    if harm == "nonsense":
        tokens_file.write_text("sha256:12 root me\n")
    elif harm == "writable":
        tokens_file.chmod(0o666)
    else:
        tokens_file.unlink()
    reply = endpoint.get("/v1/targets", Authorization=BEARER["download"])
    assert reply.status == 503
    assert reply.document["type"].endswith(":no-tokens")


def test_probes_need_no_token_and_say_one_word(endpoint):
    endpoint.served.reason = "the store /var/lib/x is full"
    assert endpoint.get("/healthz").body == b"ok\n"
    unready = endpoint.get("/readyz")
    assert unready.status == 503
    assert b"store" not in unready.body
    told = endpoint.get("/readyz", Authorization=BEARER["status"])
    assert told.document["detail"] == "the store /var/lib/x is full"
    # Then: who shows a wrong token is told so
    wrong = endpoint.get("/healthz", Authorization="Bearer wrong")
    assert_refused(endpoint, wrong, 401, "no-access")
