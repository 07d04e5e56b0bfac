"""Where a drill takes place: a private folder, targets, daemons and receivers of its own."""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from heapgraph.watch.audit.verify import verify
from heapgraph.watch.drill.daemon import DrillDaemon
from heapgraph.watch.drill.processes import state_of
from heapgraph.watch.drill.receivers import Receiver, take
from heapgraph.watch.drill.target import DrillTarget

if TYPE_CHECKING:
    from collections.abc import Callable

    from heapgraph.watch.audit.verify import Verification
    from heapgraph.watch.drill.findings import Findings
    from heapgraph.watch.drill.receivers import Handler

PREFIX = "heapgraph-drill-"
"""Of the private folder, in the place for temporary files."""

RULE = "too-large"
GROWTH_MIB = 24
"""What a target is told to keep, so that the rule fires."""

INTERVAL_S = 0.5
LINES_SHOWN = 12

_LIMIT = GROWTH_MIB // 2 << 20

_SETTINGS = """
[watch]
targets = [{{ name = "web", match = "{marker}" }}]
interval = "500ms"
census = "1h"
warm_up = "{warm_up}"
tell_within = "5m"
budget = {{ max_pause = "2s", cpu = 0.9, headroom = 0.0 }}

[store]
path = "{store}"
limits = {{ keep_free = {keep_free} }}

[audit]
path = "{audit}"

[[rule]]
name = "{rule}"
metric = "rss_bytes"
above = {limit}
times = {times}
do = [{do}]
"""

_ACTION = """
[[action]]
name = "{name}"
kind = "webhook"
url_file = "{file}"
timeout = "{timeout}"
"""


class Stage:
    """Makes what a drill needs, and ends all of it. A context manager.

    Attributes:
        folder: private, empty.
        marker: a text in the command line of every target.
        store, audit: folders of the daemon, not made yet.
    """

    def __init__(self) -> None:
        """Make the folder."""
        self.folder = Path(tempfile.mkdtemp(prefix=PREFIX))
        self.marker = f"drill-{uuid.uuid4().hex}"
        self.store, self.audit = self.folder / "store", self.folder / "audit"
        self._targets: list[DrillTarget] = []
        self._daemons: list[DrillDaemon] = []
        self._receivers: list[Receiver] = []

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """End all that was started, the daemons first; remove the folder."""
        with contextlib.ExitStack() as closing:
            closing.callback(shutil.rmtree, self.folder, ignore_errors=True)
            for target in self._targets:
                closing.callback(_end_target, target)
            for receiver in self._receivers:
                closing.callback(receiver.close)
            for daemon in self._daemons:
                closing.callback(daemon.close)

    def target(self) -> DrillTarget:
        """Start a target."""
        target = DrillTarget(self.marker)
        self._targets.append(target)
        return target

    def receiver(self, answer: Callable[[Handler], None] = take, *, is_up: bool = True) -> Receiver:
        """Start a receiver of webhooks."""
        receiver = Receiver(answer, is_up=is_up)
        self._receivers.append(receiver)
        return receiver

    def settings(
        self,
        base_rss: int,
        *hooks: Receiver,
        snapshot: bool = True,
        times: int = 2,
        warm_up: str = "0s",
        keep_free: float = 0.0,
        timeout: str = "5s",
        name: str = "heapgraph.toml",
    ) -> Path:
        """Write settings with one rule: a target that grew by half of `GROWTH_MIB` is too large.

        Args:
            base_rss: of the target now.
            *hooks: who is told.
            snapshot: whether one is taken when the rule fires.
            times: looks in a row.
            warm_up: as in the settings.
            keep_free: share of the store's file system.
            timeout: of a webhook.
            name: of the file.
        """
        does = ["snapshot"] if snapshot else []
        does += [f"page-{number}" for number in range(len(hooks))]
        text = _SETTINGS.format(
            marker=self.marker,
            warm_up=warm_up,
            store=self.store,
            keep_free=keep_free,
            audit=self.audit,
            rule=RULE,
            limit=base_rss + _LIMIT,
            times=times,
            do=", ".join(f'"{each}"' for each in does),
        )
        for number, hook in enumerate(hooks):
            file = self.folder / f"url-{number}"
            self._write(file, hook.url)
            text += _ACTION.format(name=f"page-{number}", file=file, timeout=timeout)
        return self._write(self.folder / name, text)

    def daemon(self, config: Path, *options: str, is_recorded: bool = False) -> DrillDaemon:
        """Start a daemon and wait until it watches; it may write its looks down."""
        record = self.folder / f"looks-{len(self._daemons)}.jsonl" if is_recorded else None
        daemon = DrillDaemon(config, *options, record=record)
        self._daemons.append(daemon)
        daemon.wait_ready()
        return daemon

    def failing_daemon(self, config: Path) -> DrillDaemon:
        """Start a daemon of which it is expected that it refuses to begin."""
        daemon = DrillDaemon(config)
        self._daemons.append(daemon)
        return daemon

    def steady(
        self, findings: Findings, target: DrillTarget, config: Path, *, is_recorded: bool = False
    ) -> DrillDaemon:
        """A daemon that watches a target, and a rule that has nothing to say."""
        daemon = self.daemon(config, is_recorded=is_recorded)
        daemon.wait_for(f"process {target.pid}, CPython")
        target.forget_gaps()
        is_quiet = not daemon.said(f"{RULE} is ")
        findings.must(is_quiet, "steady: the target is watched, and no rule fires")
        return daemon

    def grow(self, target: DrillTarget) -> None:
        """Have a target grow beyond the limit of the rule."""
        target.ask(f"hold {GROWTH_MIB}")

    def swell(self, target: DrillTarget, *, is_large: bool) -> None:
        """Have a target be beyond the limit, or below it again: its memory follows at once."""
        target.ask(f"map {GROWTH_MIB}" if is_large else "unmap")

    def last_lines(self) -> list[str]:
        """What the last daemon said last, for who wants to know why a drill failed."""
        return self._daemons[-1].lines[-LINES_SHOWN:] if self._daemons else []

    def snapshots(self) -> list[Path]:
        """Files in the store that have the name of a snapshot."""
        return sorted(self.store.glob("*.heapgraph"))

    def left_overs(self) -> list[str]:
        """What lies in the store and is neither whole nor the daemon's own state."""
        whole = {path.stem for path in self.snapshots() if path.with_suffix(".json").exists()}
        found = []
        for path in self.store.iterdir():
            is_half = path.name.startswith(".") and path.is_file()
            is_without_note = path.suffix == ".heapgraph" and path.stem not in whole
            if is_half or is_without_note:
                found.append(path.name)
        return sorted(found)

    def state(self) -> dict[str, Any]:
        """What the daemon keeps over a restart; empty where it has written nothing."""
        with contextlib.suppress(FileNotFoundError):
            document: dict[str, Any] = json.loads((self.store / "state.json").read_bytes())
            return document
        return {}

    def write_state(self, state: dict[str, Any]) -> None:
        """Change what the daemon has kept, while none runs."""
        self._write(self.store / "state.json", json.dumps(state))

    def verified_audit(self) -> Verification:
        """The audit log, read to its end."""
        return verify(self.audit)

    def check_unharmed(self, findings: Findings) -> None:
        """Every target that the drill has not ended itself is as it was."""
        for target in self._targets:
            target.check_unharmed(findings)

    @staticmethod
    def _write(path: Path, text: str) -> Path:
        path.write_text(text)
        path.chmod(0o600)
        return path


def _end_target(target: DrillTarget) -> None:
    if state_of(target.pid) not in ("", "Z") or target.process.returncode is None:
        target.kill()
