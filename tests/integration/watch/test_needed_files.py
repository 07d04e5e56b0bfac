"""Files that settings name and that cannot be used: told before an alert or request needs them."""

from __future__ import annotations

import base64
import uuid
from typing import TYPE_CHECKING

import pytest

from helpers.cli import invoke
from helpers.daemon_settings import webhook, write_private, write_settings
from helpers.watching import running_daemon

if TYPE_CHECKING:
    from pathlib import Path

SECRET = "never-to-be-shown"
GOOD_KEY = "whsec_" + base64.b64encode(bytes(range(32))).decode()
HTTP = '[http]\nlisten = "127.0.0.1:0"\ntokens_file = "{folder}/tokens"\n'
TLS = '[http.tls]\ncertificate = "{folder}/pem"\nkey = "{folder}/pem"\nclient_ca = "{folder}/ca"\n'


def settings_of(folder: Path, more: str) -> Path:
    return write_settings(folder, f"files-{uuid.uuid4().hex}", more=more, warm_up="1h", do=())


def signed(folder: Path, address: str, key: str) -> Path:
    """Settings with one webhook that is signed."""
    write_private(folder / "url", address)
    write_private(folder / "key", key)
    return settings_of(folder, webhook("page", "url", 'secret_file = "{folder}/key"'))


def test_files_that_can_be_used_are_not_mentioned(tmp_path: Path):
    done = invoke("rules", "check", signed(tmp_path, "https://example.com/hook", GOOD_KEY))
    assert (done.code, done.stderr) == (0, "")


def test_check_names_a_key_that_is_none_and_never_shows_it(tmp_path: Path):
    settings = signed(tmp_path, f"ftp://{SECRET}", f"whsec_{SECRET}")
    done = invoke("rules", "check", settings, "--json")
    address, key = done.document["files"]
    assert done.code == 0
    assert f"what stands in {tmp_path}/url is no http or https address" in address
    assert "the key of the action page cannot be used" in key
    assert f"{tmp_path}/key is not base64" in key
    assert "/dev/urandom" in key
    assert SECRET not in done.stdout + done.stderr


def test_a_daemon_says_at_its_start_that_a_webhook_cannot_send(tmp_path: Path):
    settings = signed(tmp_path, "https://example.com/hook", GOOD_KEY)
    (tmp_path / "url").unlink()
    (tmp_path / "key").chmod(0o644)
    with running_daemon(settings) as daemon:
        lines = [line for line in daemon.lines if "a webhook cannot send anything" in line]
        assert daemon.end() == 0
    address, key = lines
    assert f"{tmp_path}/url: No such file or directory; look at it: ls -l" in address
    assert f"chmod 600 {tmp_path}/key" in key


@pytest.mark.parametrize(
    ("more", "texts"),
    [
        (HTTP, ["cannot read the tokens", "{folder}/tokens: No such file", "heapgraph token new"]),
        (
            HTTP + TLS,
            ["cannot read the tokens", "certificate of [http.tls]", "{folder}/pem: No such file"],
        ),
    ],
)
def test_what_the_endpoint_needs_is_named_by_check_and_at_the_start(
    tmp_path: Path, more: str, texts: list[str]
):
    settings = settings_of(tmp_path, more)
    checked = invoke("rules", "check", settings)
    assert checked.code == 0
    for text in texts:
        assert text.replace("{folder}", str(tmp_path)) in checked.stderr
    started = invoke("watch", "--config", settings)
    assert started.code == 2
    assert started.error[0] == "cannot read the tokens"
    assert started.error[1] == f"{tmp_path}/tokens: No such file or directory"
    assert started.error[2]


def test_a_broken_authority_of_clients_is_named_itself(tmp_path: Path):
    import trustme  # noqa: PLC0415 - makes keys, which takes time

    made = trustme.CA().issue_cert("localhost")
    made.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "pem"))
    write_private(tmp_path / "ca", "no certificate")
    write_private(tmp_path / "tokens", "")
    (told,) = invoke("rules", "check", settings_of(tmp_path, HTTP + TLS), "--json").document[
        "files"
    ]
    assert told.startswith(f"cannot use {tmp_path}/ca for the certificates of clients")
