"""The endpoint for other machines: TLS, and certificates of clients."""

from __future__ import annotations

import datetime as dt
import http.client
import ssl

import pytest
import trustme

from heapgraph.errors import UsageError
from heapgraph.watch.http.tokens import new_token
from heapgraph.watch.settings.model import EXPOSURES, HttpSpec, JwtSpec, TlsSpec
from helpers.endpoint import running
from helpers.refused import assert_refused

CA, CLIENTS, STRANGERS = trustme.CA(), trustme.CA(), trustme.CA()
SERVER = CA.issue_cert("localhost", "127.0.0.1")
YESTERDAY = dt.datetime.now(dt.UTC) - dt.timedelta(days=1)
LISTED = "cert:prometheus.example.com profiles\ncert:spiffe://cluster/pprof download\n"


def client(certificate=None, *, trusted=CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trusted.configure_trust(context)
    if certificate is not None:
        certificate.configure_cert(context)
    return context


@pytest.fixture
def tls(tmp_path) -> TlsSpec:
    certificate, key, ca = (tmp_path / name for name in ("server.pem", "server.key", "ca.pem"))
    SERVER.cert_chain_pems[0].write_to_path(str(certificate))
    SERVER.private_key_pem.write_to_path(str(key))
    CLIENTS.cert_pem.write_to_path(str(ca))
    return TlsSpec(certificate, key, ca)


@pytest.fixture
def spec(tmp_path, tls) -> HttpSpec:
    listed = tmp_path / "tokens"
    listed.write_text(LISTED)
    return HttpSpec("127.0.0.1:0", EXPOSURES, listed, tls=tls)


WRONG = {
    "none": lambda: None,
    "of another authority": lambda: STRANGERS.issue_cert("prometheus.example.com"),
    "of the server's authority": lambda: CA.issue_cert("prometheus.example.com"),
    "expired": lambda: CLIENTS.issue_cert("prometheus.example.com", not_after=YESTERDAY),
}


@pytest.mark.parametrize("certificate", WRONG.values(), ids=WRONG)
def test_a_client_without_a_certificate_of_ours_gets_no_further(tmp_path, spec, certificate):
    with running(spec, tmp_path, client_tls=client(certificate())) as endpoint:
        with pytest.raises((ssl.SSLError, ConnectionError, http.client.RemoteDisconnected)):
            endpoint.get("/healthz")
        record = endpoint.record("tls")
        assert record["outcome"] == "refused"
        reasons = ("PEER_DID_NOT_RETURN_A_CERTIFICATE", "CERTIFICATE_VERIFY_FAILED")
        assert record["detail"]["problem"].removeprefix("tls: ") in reasons


def test_no_http_where_tls_is_spoken(tmp_path, spec):
    with running(spec, tmp_path) as endpoint:
        with pytest.raises((OSError, http.client.HTTPException)):
            endpoint.get("/healthz")
        assert endpoint.record("tls")["detail"]["problem"] == "tls: HTTP_REQUEST"


def test_old_tls_is_refused(tmp_path, spec):
    context = client(CLIENTS.issue_cert("prometheus.example.com"))
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    with running(spec, tmp_path, client_tls=context) as endpoint:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            endpoint.get("/healthz")
        assert "UNSUPPORTED_PROTOCOL" in endpoint.record("tls")["detail"]["problem"]


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("prometheus.example.com", "profiles"),
        ("spiffe://cluster/pprof", "download"),
        ("somebody.example.com", "status"),
    ],
)
def test_a_certificate_allows_what_its_line_says_or_the_least(tmp_path, spec, name, wanted):
    certificate = issued(name)
    with running(spec, tmp_path, client_tls=client(certificate)) as endpoint:
        assert endpoint.get("/v1/targets").status == 200
        profile = endpoint.get("/debug/pprof/heap")
        if wanted == "status":
            assert_refused(endpoint, profile, 403, "scope")
            assert endpoint.record("scope")["actor"] == {"kind": "cert", "id": name}
        else:
            assert profile.status == 503
        assert (endpoint.get("/v1/snapshots/latest").status == 404) is (wanted == "download")
        # Then: a wrong token is not made good by a certificate
        wrong = endpoint.get("/v1/targets", Authorization="Bearer wrong")
        assert_refused(endpoint, wrong, 401, "no-access")


class _WithUri:
    """trustme makes no names that are URIs: one of its certificates, made again with one."""

    def __init__(self, name: str) -> None:
        from cryptography import x509  # noqa: PLC0415
        from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415

        base = CLIENTS.issue_cert("x.example")
        certificate = x509.load_pem_x509_certificate(base.cert_chain_pems[0].bytes())
        key = serialization.load_pem_private_key(CLIENTS.private_key_pem.bytes(), None)
        builder = (
            x509.CertificateBuilder()
            .subject_name(certificate.subject)
            .issuer_name(certificate.issuer)
            .public_key(certificate.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(certificate.not_valid_before_utc)
            .not_valid_after(certificate.not_valid_after_utc)
        )
        for extension in certificate.extensions:
            value = extension.value
            if isinstance(value, x509.SubjectAlternativeName):
                value = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(name)])
            builder = builder.add_extension(value, extension.critical)
        made = builder.sign(key, hashes.SHA256())
        self._pem = base.private_key_pem.bytes() + made.public_bytes(serialization.Encoding.PEM)

    def configure_cert(self, context: ssl.SSLContext) -> None:
        with trustme.Blob(self._pem).tempfile() as path:
            context.load_cert_chain(path)


def issued(name: str):
    return _WithUri(name) if "://" in name else CLIENTS.issue_cert(name)


def refused_starts(tmp_path, tls: TlsSpec) -> dict[str, HttpSpec]:
    tokens = tmp_path / "more-tokens"
    tokens.write_text(new_token("status")[1])
    key = tmp_path / "hmac"
    key.write_bytes(b"k" * 40)
    jwt = JwtSpec(key, "HS256", "a", "i")
    certificate_alone = TlsSpec(tls.certificate, tls.key)
    open_key = tmp_path / "open.key"
    open_key.write_bytes(tls.key.read_bytes())
    open_key.chmod(0o666)
    return {
        "everywhere, nothing": HttpSpec("0.0.0.0:0"),
        "everywhere, tokens": HttpSpec("0.0.0.0:0", tokens_file=tokens),
        "everywhere, JWT without TLS": HttpSpec("0.0.0.0:0", jwt=jwt),
        "everywhere, TLS alone": HttpSpec("[::]:0", tls=certificate_alone),
        "everywhere, TLS and tokens": HttpSpec(
            "0.0.0.0:0", tokens_file=tokens, tls=certificate_alone
        ),
        "loopback, nothing": HttpSpec("127.0.0.1:0"),
        "loopback of IPv6, nothing": HttpSpec("[::1]:0"),
        "loopback, TLS alone": HttpSpec("127.0.0.1:0", tls=certificate_alone),
        "key that others can write": HttpSpec(
            "127.0.0.1:0", tokens_file=tokens, tls=TlsSpec(tls.certificate, open_key)
        ),
        "key of another certificate": HttpSpec(
            "127.0.0.1:0", tokens_file=tokens, tls=TlsSpec(tls.client_ca, tls.key)
        ),
        "a name": HttpSpec("localhost:0", tokens_file=tokens),
        "nonsense": HttpSpec("9000"),
    }


def test_an_endpoint_that_strangers_could_use_does_not_start(tmp_path, tls):
    for case, spec in refused_starts(tmp_path, tls).items():
        with pytest.raises(UsageError) as failure, running(spec, tmp_path, has_log=False):
            raise AssertionError(case)
        assert len(failure.value.parts()) == 3, case


def test_over_a_network_a_token_alone_is_not_believed(tmp_path, tls):
    token, line = new_token("download")
    tokens = tmp_path / "tokens"
    tokens.write_text(line)
    key = tmp_path / "hmac"
    key.write_bytes(b"k" * 40)
    spec = HttpSpec(
        "0.0.0.0:0",
        EXPOSURES,
        tokens,
        hosts=("localhost",),
        tls=TlsSpec(tls.certificate, tls.key),
        jwt=JwtSpec(key, "HS256", "a", "i"),
    )
    with running(spec, tmp_path, client_tls=client()) as endpoint:
        reply = endpoint.get("/v1/targets", Authorization=f"Bearer {token}")
        assert_refused(endpoint, reply, 401, "no-access")
        foreign = endpoint.get("/healthz", Host="evil.example")
        assert_refused(endpoint, foreign, 421, "other-host")
