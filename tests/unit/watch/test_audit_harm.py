"""The audit log, harmed: torn, full, in the hands of others, changed while it is written."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from heapgraph.watch.audit.log import Actor, AuditLog, AuditUnavailable, Entry
from heapgraph.watch.audit.verify import verify
from helpers.as_root import needs_root

DUMP = Entry("dump", Actor("rule", "near-limit"))


def lines(folder: Path) -> list[bytes]:
    return [
        line for file in sorted(folder.iterdir()) for line in file.read_bytes().splitlines(True)
    ]


TORN = {
    "cut": b'{"v":1,"seq":3,"ti',
    "zeros": bytes(4096),
    "lost block": bytes(300) + b'"prev":"00"}\n',
    "lost block and a part": bytes(300) + b'"prev":"00"}\n{"v":1',
}


@pytest.mark.parametrize("torn", TORN.values(), ids=TORN)
def test_a_torn_end_stays_where_it_is_and_is_recorded(tmp_path, torn):
    folder = tmp_path / "log"
    log = AuditLog(folder)
    log.write(DUMP)
    log.close()
    (file,) = folder.iterdir()
    with file.open("ab") as end:
        end.write(torn)
    before = file.read_bytes()
    assert verify(folder).damage.kind in ("torn", "unreadable")
    # When: the daemon starts again
    AuditLog(folder).close()
    # Then: the file is as it was, and the next one begins with what is in it
    assert file.read_bytes() == before
    first = json.loads(sorted(folder.iterdir())[1].read_bytes().splitlines()[0])
    assert first["event"] == "audit.torn"
    assert first["detail"] == {
        "file": file.name,
        "bytes": len(torn),
        "sha256": hashlib.sha256(torn).hexdigest(),
    }
    result = verify(folder)
    assert result.is_intact, result.damage
    assert [one["bytes"] for one in result.torn] == [len(torn)]
    # And: nobody can change or remove the torn end unseen
    file.write_bytes(before[:-1])
    assert verify(folder).damage is not None
    file.write_bytes(before[: -len(torn)])
    assert verify(folder).damage.kind == "changed"


def test_a_torn_first_line_of_a_new_file_is_recorded_too(tmp_path):
    folder = tmp_path / "log"
    AuditLog(folder).close()
    (file,) = folder.iterdir()
    with file.open("ab") as end:
        end.write(b'{"v"')
    second = folder / file.name.replace("000000000001", "000000000003")
    second.write_bytes(b'{"v":1,"seq"')
    second.chmod(0o600)
    AuditLog(folder).close()
    result = verify(folder)
    assert result.is_intact, result.damage
    assert [one["file"] for one in result.torn] == [file.name, second.name]


def refusals(tmp_path) -> dict:
    def as_link(folder: Path) -> None:
        (tmp_path / "elsewhere").mkdir()
        folder.symlink_to(tmp_path / "elsewhere")

    def open_to_all(folder: Path) -> None:
        folder.mkdir()
        folder.chmod(0o777)

    def link_in_it(folder: Path) -> None:
        folder.mkdir(0o700)
        (tmp_path / "victim").write_text("")
        (folder / "audit-000000000001-2026-01-01.jsonl").symlink_to(tmp_path / "victim")

    def writable_file(folder: Path) -> None:
        folder.mkdir(0o700)
        file = folder / "audit-000000000001-2026-01-01.jsonl"
        file.write_text("")
        file.chmod(0o666)

    def no_folder(folder: Path) -> None:
        folder.write_text("a file")

    def another_user(folder: Path) -> None:
        folder.mkdir(0o700)
        os.chown(folder, 4242, 4242)

    def not_ours(folder: Path) -> None:
        folder.mkdir(0o700)
        file = folder / "audit-000000000001-2026-01-01.jsonl"
        file.write_text("one\ntwo\nthree\n")
        file.chmod(0o600)

    return {
        one.__name__: one
        for one in (
            as_link,
            open_to_all,
            link_in_it,
            writable_file,
            no_folder,
            another_user,
            not_ours,
        )
    }


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(name, marks=[needs_root] if name == "another_user" else [])
        for name in refusals(Path())
    ],
)
def test_a_log_in_which_others_have_a_hand_is_refused(tmp_path, case):
    refusals(tmp_path)[case](tmp_path / "log")
    with pytest.raises(AuditUnavailable) as failure:
        AuditLog(tmp_path / "log")
    assert len(failure.value.parts()) == 3
    if case == "link_in_it":
        assert (tmp_path / "victim").read_bytes() == b""
    # And: where it is not required, the daemon goes on, and counts
    log = AuditLog(tmp_path / "log", required=False)
    assert log.begin(DUMP).end() == 0
    assert log.not_written == 3


SHORT = """
import os, resource, sys
from pathlib import Path
from heapgraph.watch.audit.log import *

log = AuditLog(Path(sys.argv[1]))
act = log.begin(Entry("dump", Actor("cli", "x")))
(file,) = Path(sys.argv[1]).iterdir()
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
resource.setrlimit(resource.RLIMIT_FSIZE, (file.stat().st_size + 50, hard))
for _ in range(2):
    try:
        log.begin(Entry("download", Actor("cli", "x")))
    except AuditUnavailable as failure:
        print("refused", failure.parts())
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
act.end()
log.close()
"""


def test_a_line_that_was_written_in_part_is_recorded_when_there_is_room_again(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", SHORT, str(tmp_path / "log")],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout.count("refused") == 2, done.stderr
    result = verify(tmp_path / "log")
    assert result.is_intact, result.damage
    assert result.open_intents == ()
    # The second attempt began a new file, under the same limit.
    assert result.torn[0]["bytes"] == 50
    assert len(result.torn) == 2
    resumed = [one for one in map(json.loads, _whole(tmp_path)) if one["event"] == "audit.resumed"]
    assert [one["detail"]["not_written"] for one in resumed] == [2]


def _whole(tmp_path: Path) -> list[bytes]:
    return [line for line in lines(tmp_path / "log") if line.endswith(b"}\n")]


FULL = """
import os, sys
from pathlib import Path
from heapgraph.watch.audit.log import *
from heapgraph.watch.audit.verify import verify

log = AuditLog(Path(sys.argv[1]) / "log")
act = log.begin(Entry("dump", Actor("cli", "x")))
with open(Path(sys.argv[1]) / "ballast", "wb", buffering=0) as ballast:
    try:
        while True:
            ballast.write(bytes(4096))
    except OSError as failure:
        print(failure.strerror)
refused = 0
for _ in range(2000):
    try:
        log.begin(Entry("dump", Actor("cli", "x")))
    except AuditUnavailable as failure:
        refused += 1
        break
print("refused" if refused else "never refused")
act.end("done")
log.close()
print(verify(Path(sys.argv[1]) / "log").is_intact)
"""


@needs_root
def test_on_a_full_disk_nothing_is_begun_and_what_was_begun_is_finished(tmp_path):
    script = 'mount -t tmpfs -o size=1m small "$1" && exec "$2" -c "$3" "$1"'
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", script, "sh", str(tmp_path), sys.executable, FULL],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout.split("\n")[:3] == ["No space left on device", "refused", "True"], done


@pytest.mark.parametrize("harm", ["truncate", "delete", "append"])
def test_a_log_that_is_changed_while_it_is_written_shows_it(tmp_path, harm):
    folder = tmp_path / "log"
    log = AuditLog(folder)
    for _ in range(5):
        log.write(DUMP)
    (file,) = folder.iterdir()
    whole = file.read_bytes().splitlines(True)
    if harm == "truncate":
        os.truncate(file, len(b"".join(whole[:3])))
    elif harm == "append":
        file.write_bytes(b"".join([*whole, whole[2]]))
    else:
        file.unlink()
    log.write(DUMP)
    log.close()
    assert verify(folder).damage.kind in ("missing", "start", "order", "unreadable")
    told = [json.loads(one) for one in lines(folder) if b"audit.resumed" in one]
    assert "somebody else" in told[0]["detail"]["error"]
