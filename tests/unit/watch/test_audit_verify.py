"""`heapgraph audit verify`: the first broken line, and what is wrong with it."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import pytest

from heapgraph.watch.audit.log import Actor, AuditLog, Entry
from heapgraph.watch.audit.verify import Expected, verify
from helpers.cli import invoke

if TYPE_CHECKING:
    from pathlib import Path

ENTRY = Entry("command", Actor("rule", "r"), detail={"argv": 3})


@pytest.fixture
def folder(tmp_path) -> Path:
    """Seven lines: opened, five commands, closed."""
    log = AuditLog(tmp_path / "log")
    for _ in range(5):
        log.write(ENTRY)
    log.close()
    return tmp_path / "log"


def file_of(folder: Path) -> Path:
    (file,) = folder.iterdir()
    return file


def change(folder: Path, change) -> None:
    file = file_of(folder)
    lines = file.read_bytes().splitlines(True)
    change(lines)
    file.write_bytes(b"".join(lines))


def edited(number: int, old: bytes, new: bytes):
    def change(lines: list[bytes]) -> None:
        assert old in lines[number - 1]
        lines[number - 1] = lines[number - 1].replace(old, new, 1)

    return change


def with_other_prev(lines: list[bytes]) -> None:
    record = json.loads(lines[3])
    lines[3] = lines[3].replace(record["prev"].encode(), b"f" * 64)


def forged(lines: list[bytes]) -> None:
    """Change line 3, and the hash in line 4 with it."""
    lines[2] = lines[2].replace(b"rule", b"peer")
    prev = json.loads(lines[3])["prev"].encode()
    lines[3] = lines[3].replace(prev, hashlib.sha256(lines[2]).hexdigest().encode())


def move(lines: list[bytes]) -> None:
    lines[2], lines[4] = lines[4], lines[2]


DAMAGES = {
    "changed": (edited(3, b"rule", b"peer"), 3, "changed"),
    "changed prev": (with_other_prev, 4, "changed"),
    "forged": (forged, 4, "changed"),
    "taken out": (lambda lines: lines.pop(2), 3, "missing"),
    "two taken out": (lambda lines: [lines.pop(2), lines.pop(2)], 3, "missing"),
    "first taken out": (lambda lines: lines.pop(0), 1, "order"),
    "put in": (lambda lines: lines.insert(3, lines[1]), 4, "order"),
    "moved": (move, 3, "missing"),
    "no JSON": (edited(3, b"{", b"<"), 3, "unreadable"),
    "not of ours": (lambda lines: lines.insert(2, b"{}\n"), 3, "unreadable"),
    "endless": (lambda lines: lines.insert(2, b"x" * 200_000 + b"\n"), 3, "unreadable"),
    "no line feed": (lambda lines: lines.append(b'{"v":1'), 8, "torn"),
}


@pytest.mark.parametrize(("damage", "line", "kind"), DAMAGES.values(), ids=DAMAGES)
def test_the_first_damage_is_named(folder, damage, line, kind):
    assert verify(folder).is_intact
    change(folder, damage)
    found = verify(folder).damage
    assert (found.line, found.kind) == (line, kind), found
    outcome = invoke("audit", "verify", folder)
    assert outcome.code == 1
    assert f"line {line}: " in outcome.error[0]


def test_every_changed_bit_is_found_when_the_last_line_is_known(folder):
    file = file_of(folder)
    whole = file.read_bytes()
    last = Expected(7, hashlib.sha256(whole.splitlines(True)[-1]).hexdigest())
    assert verify(folder, last).is_intact
    unseen = []
    for place in range(len(whole)):
        changed = bytearray(whole)
        changed[place] ^= 1 << (place % 7)
        file.write_bytes(changed)
        if verify(folder, last).is_intact:
            unseen.append(place)
    assert unseen == []


def test_an_end_that_was_cut_off_shows_only_to_who_has_noted_it(folder):
    noted = verify(folder)
    change(folder, lambda lines: lines.pop())
    assert verify(folder).is_intact
    damage = verify(folder, Expected(noted.last_seq, noted.last_hash)).damage
    assert (damage.kind, damage.line) == ("end", 6)
    outcome = invoke("audit", "verify", folder, "--expect", f"7:{noted.last_hash}")
    assert outcome.code == 1
    assert "cut off" in outcome.error[0]


def test_a_log_that_was_written_anew_shows_to_who_has_noted_a_line(folder):
    noted = verify(folder)
    for file in folder.iterdir():
        file.unlink()
    log = AuditLog(folder)
    for _ in range(9):
        log.write(ENTRY)
    log.close()
    assert verify(folder).is_intact
    assert verify(folder, Expected(noted.last_seq, noted.last_hash)).damage.kind == "changed"


def test_one_file_of_a_log_can_be_verified(folder):
    file = file_of(folder)
    lines = file.read_bytes().splitlines(True)
    file.write_bytes(b"".join(lines[3:]))
    part = folder / "part.jsonl"
    file.rename(part)
    result = verify(part)
    assert result.is_intact
    assert (result.first_seq, result.last_seq) == (4, 7)


def test_the_command_says_what_holds(folder):
    last = hashlib.sha256(file_of(folder).read_bytes().splitlines(True)[-1]).hexdigest()
    outcome = invoke("audit", "verify", folder)
    assert outcome.code == 0
    assert outcome.stdout.splitlines() == ["7 lines hold, numbers 1 to 7", f"last: 7:{last}"]
    document = invoke("audit", "verify", folder, "--json").document
    assert document["schema"] == "heapgraph.audit-verify/1"
    assert (document["intact"], document["lines"], document["damage"]) == (True, 7, None)
    change(folder, edited(3, b"rule", b"peer"))
    broken = invoke("audit", "verify", folder, "--json")
    assert broken.code == 1
    assert broken.document["damage"]["line"] == 3
    assert broken.document["intact"] is False


@pytest.mark.parametrize(
    "words", [["nowhere"], ["."], [".", "--expect", "7"], [".", "--expect", "0:" + "0" * 64]]
)
def test_what_is_no_log_is_a_usage_error(tmp_path, monkeypatch, words):
    monkeypatch.chdir(tmp_path)
    outcome = invoke("audit", "verify", *words)
    assert outcome.code == 2
    assert len(outcome.error) == 3


@pytest.mark.parametrize(
    ("damage", "whole"), [(edited(3, b"rule", b"peer"), 2), (edited(1, b"opened", b"closed"), 0)]
)
def test_a_line_that_was_changed_is_not_counted_among_those_that_hold(folder, damage, whole):
    change(folder, damage)
    found = verify(folder)
    assert (found.damage.seq, found.lines, found.last_seq) == (whole + 1, whole, whole)
    assert (found.first_seq, bool(found.last_hash)) == (min(whole, 1), whole > 0)


def test_a_last_line_that_is_not_as_noted_is_not_counted(folder):
    noted = verify(folder)
    found = verify(folder, Expected(noted.last_seq, "0" * 64))
    assert (found.damage.seq, found.lines) == (noted.last_seq, noted.last_seq - 1)


def test_a_huge_file_that_is_no_log_is_not_read_to_its_end(tmp_path):
    """Given a sparse file of a terabyte, which nobody could read within the limit of a test."""
    file = tmp_path / "sparse"
    with file.open("wb") as stream:
        stream.truncate(1 << 40)
    done = invoke("audit", "verify", file)
    assert done.code == 1
    assert "what begins at byte 0 is no line of an audit log" in done.error[0]
    assert "no line feed comes within 65,536 bytes" in done.error[0]


def test_a_log_that_ends_in_a_huge_hole_is_said_to_at_its_byte(folder):
    file = file_of(folder)
    size = file.stat().st_size
    with file.open("r+b") as stream:
        stream.truncate(1 << 40)
    found = verify(folder)
    assert found.lines == 7
    assert found.damage is not None
    assert (found.damage.kind, found.damage.line) == ("unreadable", 8)
    assert f"byte {size:,} is no line" in found.damage.text


def test_old_files_with_a_huge_hole_are_not_read_for_what_was_deleted(folder):
    """Given a log whose first line is not number 1, every file is searched for why, up to there."""
    change(folder, lambda lines: lines.pop(0))
    with file_of(folder).open("r+b") as stream:
        stream.truncate(1 << 40)
    found = verify(folder)
    assert found.damage is not None
    assert found.damage.kind in ("start", "order")


def test_what_cannot_be_read_is_said_with_its_byte():
    done = invoke("audit", "verify", "/proc/self/mem")
    assert done.code == 1
    assert done.error[0] == "mem cannot be read from byte 0 on: Input/output error"
    assert len(done.error) == 3
