"""The audit log: what is written, where, by whom alone, and what happens when it cannot be."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from heapgraph.watch.audit.log import (
    Actor,
    AuditLocked,
    AuditLog,
    AuditUnavailable,
    Entry,
    NoLog,
    Reason,
    TargetRef,
    open_audit,
)
from heapgraph.watch.audit.verify import verify
from heapgraph.watch.settings.model import AuditSpec

if TYPE_CHECKING:
    from pathlib import Path

DAY = 86400.0
RULE = Actor("rule", "near-limit")
DUMP = Entry("dump", RULE, target=TargetRef("web/3", 4711, 99, "/usr/bin/python3", "host"))


class Clocks:
    """Both clocks of a machine, which only move when they are told."""

    def __init__(self) -> None:
        self.now, self.steady = 1_800_000_000.0, 1000.0

    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        self.steady += seconds

    def log(self, folder: Path, **more) -> AuditLog:
        return AuditLog(folder, clock=lambda: self.now, steady=lambda: self.steady, **more)


def lines(folder: Path) -> list[bytes]:
    return [
        line for file in sorted(folder.iterdir()) for line in file.read_bytes().splitlines(True)
    ]


def records(folder: Path) -> list[dict]:
    return [json.loads(line) for line in lines(folder)]


def events(folder: Path) -> list[str]:
    return [record["event"] for record in records(folder)]


def test_each_line_has_the_hash_of_the_one_before(tmp_path):
    log = AuditLog(tmp_path / "log")
    with log.begin(Entry("dump", RULE, "", DUMP.target, Reason("rss_bytes", 2e9, 1e9, 3))) as act:
        act.end("done", {"pause_ms": 1.5, "objects": 10})
    log.close()
    written, found = lines(tmp_path / "log"), records(tmp_path / "log")
    assert [one["seq"] for one in found] == [1, 2, 3, 4]
    assert [one["prev"] for one in found] == [
        "0" * 64,
        *(hashlib.sha256(line).hexdigest() for line in written[:-1]),
    ]
    assert [one["event"] for one in found] == ["audit.opened", "dump", "dump", "audit.closed"]
    assert [one["outcome"] for one in found] == ["", "intent", "done", ""]
    assert found[2]["target"]["name"] == "web/3"
    assert found[2]["reason"] == {"metric": "rss_bytes", "value": 2e9, "limit": 1e9, "times": 3}
    assert found[2]["detail"] == {"pause_ms": 1.5, "objects": 10, "intent": 2}


def test_nobody_else_can_read_it(tmp_path):
    os.umask(0o022)
    AuditLog(tmp_path / "log").close()
    assert stat.S_IMODE((tmp_path / "log").stat().st_mode) == 0o700
    assert {stat.S_IMODE(one.stat().st_mode) for one in (tmp_path / "log").iterdir()} == {0o600}


def test_an_act_that_fails_has_an_outcome_without_the_text_of_the_exception(tmp_path):
    log = AuditLog(tmp_path / "log")
    with pytest.raises(ValueError, match="secret"), log.begin(DUMP):
        raise ValueError("secret value of the target")
    log.close()
    failed = records(tmp_path / "log")[2]
    assert (failed["outcome"], failed["detail"]["error"]) == ("failed", "ValueError")
    assert b"secret" not in b"".join(lines(tmp_path / "log"))


def test_a_new_day_is_a_new_file_and_the_chain_goes_on(tmp_path):
    clocks = Clocks()
    log = clocks.log(tmp_path / "log")
    for step in (DAY, DAY, -5 * DAY):  # a clock may be put back
        clocks.pass_time(step)
        log.write(DUMP)
    log.close()
    assert len(list((tmp_path / "log").iterdir())) == 4
    result = verify(tmp_path / "log")
    assert result.is_intact
    assert result.lines == 5


def test_old_files_go_after_a_line_that_says_so(tmp_path):
    clocks = Clocks()
    log = clocks.log(tmp_path / "log", keep_s=10 * DAY)
    for _ in range(30):
        clocks.pass_time(DAY)
        log.write(DUMP)
    log.close()
    names = sorted(one.name for one in (tmp_path / "log").iterdir())
    assert 10 <= len(names) <= 12
    result = verify(tmp_path / "log")
    assert result.is_intact, result.damage
    assert result.first_seq > 10
    assert result.cut["last_seq"] == result.first_seq - 1
    # Then: the same without the oldest file is damage, because no line says that it was deleted
    (tmp_path / "log" / names[0]).unlink()
    damage = verify(tmp_path / "log").damage
    assert damage.kind == "start"


def test_a_clock_that_jumps_deletes_nothing(tmp_path):
    clocks = Clocks()
    log = clocks.log(tmp_path / "log", keep_s=10 * DAY)
    log.write(DUMP)
    clocks.now += 1000 * DAY
    for _ in range(3):
        log.write(DUMP)
        clocks.pass_time(600.0)
    log.close()
    assert verify(tmp_path / "log").first_seq == 1
    assert len(list((tmp_path / "log").iterdir())) == 2


def test_a_log_is_taken_up_where_it_ended(tmp_path):
    for _ in range(3):
        log = AuditLog(tmp_path / "log")
        log.write(DUMP)
        log.close()
    result = verify(tmp_path / "log")
    assert result.is_intact
    assert (result.lines, result.files) == (9, 1)


def test_a_second_daemon_is_refused_whether_the_log_is_required_or_not(tmp_path):
    log = AuditLog(tmp_path / "log")
    for required in (True, False):
        with pytest.raises(AuditLocked, match="another process writes"):
            AuditLog(tmp_path / "log", required=required)
    log.close()
    AuditLog(tmp_path / "log").close()
    assert verify(tmp_path / "log").is_intact


def test_threads_write_one_line_after_another(tmp_path):
    log = AuditLog(tmp_path / "log")
    threads = [
        threading.Thread(target=lambda: [log.write(DUMP) for _ in range(20)]) for _ in range(4)
    ]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    log.close()
    result = verify(tmp_path / "log")
    assert result.is_intact
    assert result.lines == 82


def test_an_act_that_a_kill_ended_is_open(tmp_path):
    code = f"""
import os, signal
from pathlib import Path
from heapgraph.watch.audit.log import *
log = AuditLog(Path({str(tmp_path / "log")!r}))
log.begin(Entry("dump", Actor("cli", "x")))
os.kill(os.getpid(), signal.SIGKILL)
"""
    subprocess.run([sys.executable, "-c", code], timeout=60, check=False)
    AuditLog(tmp_path / "log").close()
    result = verify(tmp_path / "log")
    assert result.is_intact
    assert result.open_intents == (2,)


def test_long_texts_are_cut_and_no_line_steers_a_terminal(tmp_path):
    log = AuditLog(tmp_path / "log")
    exe = "/tmp/\x1b[2J\x7f\u202e\udcff" + "x" * 100_000
    log.write(
        Entry("dump", RULE, target=TargetRef("web/0", 1, 2, exe, "h"), detail={"n": [1.0, "y"]})
    )
    with pytest.raises(AuditUnavailable):
        log.write(Entry("dump", RULE, detail={f"k{n}": "\u202e" * 1000 for n in range(64)}))
    log.close()
    written = b"".join(lines(tmp_path / "log"))
    assert all(32 <= byte < 127 or byte == 10 for byte in written)
    assert max(map(len, lines(tmp_path / "log"))) < 5000
    assert verify(tmp_path / "log").is_intact


def test_settings_without_a_folder_have_no_log(tmp_path):
    log = open_audit(AuditSpec())
    assert isinstance(log, NoLog)
    assert log.begin(DUMP).end() == 0
    log.close()
    real = open_audit(AuditSpec(path=tmp_path / "log"))
    assert real.write(DUMP) == 2
    real.close()
