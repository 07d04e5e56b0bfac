"""A real Prometheus, and a server of metrics that it scrapes."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

needs_prometheus = pytest.mark.skipif(
    not (shutil.which("prometheus") and shutil.which("promtool")) and "CI" not in os.environ,
    reason="Prometheus is not installed: apt-get install prometheus",
)
DEADLINE_S = 60.0
_BETWEEN_LOOKS_S = 0.2

CONFIGURATION = """
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: [{rules}]
scrape_configs:
  - job_name: heapgraph
    static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
    {token}
"""


class Prometheus:
    """One that runs; `url` is where it answers."""

    def __init__(self, url: str) -> None:
        self.url = url

    def ask(self, path: str, **query: str) -> Any:
        """The data of its answer."""
        text = urllib.parse.urlencode(query)
        try:
            with urllib.request.urlopen(f"{self.url}{path}?{text}", timeout=10) as response:
                return json.load(response)["data"]
        except urllib.error.HTTPError as failure:
            raise AssertionError(f"{query}: {failure.read().decode()}") from failure

    def series(self, expression: str) -> list[dict[str, Any]]:
        """The result of a query now."""
        found: list[dict[str, Any]] = self.ask("/api/v1/query", query=expression)["result"]
        return found

    def until(self, condition: Callable[[], Any]) -> Any:
        """Wait until something holds, and return it."""
        deadline = time.monotonic() + DEADLINE_S
        while not (found := condition()):
            assert time.monotonic() < deadline, "Prometheus has not come that far"
            threading.Event().wait(_BETWEEN_LOOKS_S)
        return found


@contextmanager
def prometheus(
    folder: Path, port: int, rules: Path, token_file: Path | None = None
) -> Iterator[Prometheus]:
    """Start one that scrapes 127.0.0.1:port every second.

    Args:
        folder: for its data.
        port: of the metrics.
        rules: file with its alert rules.
        token_file: with the token that it shows.
    """
    configuration = folder / "prometheus.yml"
    configuration.write_text(
        CONFIGURATION.format(
            rules=rules,
            port=port,
            token=""
            if token_file is None
            else f"authorization: {{credentials_file: {token_file}}}",
        )
    )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        own = free.getsockname()[1]
    log = folder / "log"
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [
                "prometheus",
                f"--config.file={configuration}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{own}",
            ],
            stdout=stream,
            stderr=subprocess.STDOUT,
        )
    try:
        server = Prometheus(f"http://127.0.0.1:{own}")

        def is_ready() -> bool:
            assert process.poll() is None, log.read_text()
            try:
                with urllib.request.urlopen(f"{server.url}/-/ready", timeout=5) as response:
                    return bool(response.status == 200)
            except OSError:
                return False

        server.until(is_ready)
        yield server
    finally:
        process.kill()
        process.wait()


@contextmanager
def metrics_server(render: Callable[[str], tuple[bytes, str]]) -> Iterator[int]:
    """Serve what `render(accept header)` gives; the port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body, content_type = render(self.headers.get("Accept", ""))
            self.send_response(200)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as there
            """Nothing is printed."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()
