"""JSON web tokens: one key, one algorithm, the audience, the issuer, and a time that has an end."""

from __future__ import annotations

import base64
import json
import time

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from heapgraph.errors import UsageError
from heapgraph.watch.settings.model import EXPOSURES, HttpSpec, JwtSpec
from helpers.endpoint import running
from helpers.refused import assert_refused

RSA, OTHER = (rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(2))


def public_pem(key) -> bytes:
    return key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def claims(**changes) -> dict:
    now = int(time.time())
    whole = {
        "sub": "prometheus",
        "aud": "heapgraph",
        "iss": "https://issuer.example",
        "exp": now + 600,
        "scope": "openid status",
    }
    whole |= changes
    return {name: value for name, value in whole.items() if value is not None}


def part(document: dict) -> str:
    return base64.urlsafe_b64encode(json.dumps(document).encode()).rstrip(b"=").decode()


def signed(key=RSA, algorithm="RS256", headers=None, **changes) -> str:
    return jwt.encode(claims(**changes), key, algorithm, headers)


def confused() -> str:
    """Signed with the public key, as if it were a shared secret."""
    import hashlib  # noqa: PLC0415
    import hmac  # noqa: PLC0415

    text = f"{part({'alg': 'HS256', 'typ': 'JWT'})}.{part(claims())}"
    mac = hmac.new(public_pem(RSA), text.encode(), hashlib.sha256).digest()
    return f"{text}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


def tampered() -> str:
    head, _, signature = signed().split(".")
    return f"{head}.{part(claims(scope='download'))}.{signature}"


def own_key() -> str:
    """Brings the key with which it is signed."""
    own = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(OTHER.public_key()))
    return signed(OTHER, headers={"jwk": own, "jku": "https://evil.example/keys", "kid": "../key"})


def of_kind(document: dict) -> str:
    return f"{part(document)}.{part(claims())}."


FORGED = {
    "expired": lambda: signed(exp=int(time.time()) - 60),
    "not yet valid": lambda: signed(nbf=int(time.time()) + 600),
    "alg none": lambda: of_kind({"alg": "none", "typ": "JWT"}),
    "alg None": lambda: of_kind({"alg": "None"}),
    "no alg": lambda: of_kind({"typ": "JWT"}),
    "other key": lambda: signed(OTHER),
    "its own key": own_key,
    "other algorithm": lambda: signed(algorithm="RS512"),
    "public key as secret": confused,
    "tampered": tampered,
    "other audience": lambda: signed(aud="billing"),
    "other issuer": lambda: signed(iss="https://evil.example"),
    "no end": lambda: signed(exp=None),
    "no audience": lambda: signed(aud=None),
    "no issuer": lambda: signed(iss=None),
    "end is no number": lambda: signed(exp="never"),
    "signature cut": lambda: signed()[:-40],
    "nonsense": lambda: "a.b.c",
    "empty parts": lambda: "..",
}


@pytest.fixture
def endpoint(tmp_path):
    key = tmp_path / "key.pem"
    key.write_bytes(public_pem(RSA))
    spec = JwtSpec(key, "RS256", "heapgraph", "https://issuer.example")
    with running(HttpSpec("127.0.0.1:0", EXPOSURES, jwt=spec), tmp_path) as one:
        yield one


@pytest.mark.parametrize("forged", FORGED.values(), ids=FORGED)
def test_a_token_that_is_not_valid_is_refused(endpoint, forged):
    token = forged()
    reply = endpoint.get("/v1/targets", Authorization=f"Bearer {token}")
    assert_refused(endpoint, reply, 401, "no-access")
    assert "invalid_token" in reply.headers["WWW-Authenticate"]
    # Then: nothing of it is in the answer or in the log
    for text in token.split("."):
        assert len(text) < 8 or text not in reply.body.decode() + str(endpoint.records())


def test_a_valid_token_is_let_in_as_far_as_its_scope_goes(endpoint):
    reply = endpoint.get("/v1/targets", Authorization=f"Bearer {signed()}")
    assert reply.status == 200
    refused = endpoint.get("/debug/pprof/heap", Authorization=f"Bearer {signed()}")
    assert_refused(endpoint, refused, 403, "scope")
    assert endpoint.record("scope")["actor"] == {"kind": "jwt", "id": "prometheus"}
    wide = signed(scope="status profiles", aud=["other", "heapgraph"])
    assert endpoint.get("/debug/pprof/heap", Authorization=f"Bearer {wide}").status == 503


@pytest.mark.parametrize("scope", [None, "", "admin", "heapgraph", ["download"], 7, "DOWNLOAD"])
def test_a_token_without_a_scope_of_ours_is_refused(endpoint, scope):
    reply = endpoint.get("/v1/targets", Authorization=f"Bearer {signed(scope=scope)}")
    assert_refused(endpoint, reply, 403, "no-scope")


@pytest.mark.parametrize("algorithm", ["ES256", "EdDSA", "HS256"])
def test_other_algorithms_can_be_the_one(tmp_path, algorithm):
    key = tmp_path / "key"
    secret: object = b"s" * 48
    if algorithm == "HS256":
        key.write_bytes(b"s" * 48 + b"\n")
    else:
        made = {"ES256": lambda: ec.generate_private_key(ec.SECP256R1())}
        secret = made.get(algorithm, ed25519.Ed25519PrivateKey.generate)()
        key.write_bytes(public_pem(secret))
    spec = JwtSpec(key, algorithm, "heapgraph", "https://issuer.example")
    with running(HttpSpec("127.0.0.1:0", jwt=spec), tmp_path) as one:
        token = signed(secret, algorithm)
        assert one.get("/v1/targets", Authorization=f"Bearer {token}").status == 200
        reply = one.get("/v1/targets", Authorization=f"Bearer {signed()}")
        assert_refused(one, reply, 401, "no-access")


@pytest.mark.parametrize(
    ("algorithm", "content", "mode"),
    [
        ("none", b"", 0o600),
        ("NONE", b"", 0o600),
        ("RS256", b"no key", 0o600),
        ("HS256", b"short", 0o600),
        ("RS256", public_pem(RSA), 0o666),
    ],
)
def test_a_key_that_proves_nothing_is_refused_at_the_start(tmp_path, algorithm, content, mode):
    key = tmp_path / "key"
    key.write_bytes(content)
    key.chmod(mode)
    spec = JwtSpec(key, algorithm, "heapgraph", "https://issuer.example")
    with (
        pytest.raises(UsageError) as failure,
        running(HttpSpec("127.0.0.1:0", jwt=spec), tmp_path, has_log=False),
    ):
        raise AssertionError
    assert len(failure.value.parts()) == 3
