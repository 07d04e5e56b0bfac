"""Every output: private, whole or not there, never in the place of something else."""

from __future__ import annotations

import fcntl
import os
import stat
from pathlib import Path

import pytest

from heapgraph.errors import OutputNotWritten
from heapgraph.snapshot.pending_file import PendingFile, write_whole

LEFT = ".heapgraph-0123456789abcdef.partial"


def left_in(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def test_an_output_is_private_whatever_the_umask(tmp_path):
    before = os.umask(0)
    try:
        write_whole(tmp_path / "x.svg", b"values")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "x.svg").stat().st_mode) == 0o600
    assert (tmp_path / "x.svg").read_bytes() == b"values"
    assert left_in(tmp_path) == ["x.svg"]


def test_an_existing_output_is_replaced_only_by_force(tmp_path):
    path = tmp_path / "x.svg"
    path.write_bytes(b"precious")
    path.chmod(0o644)
    with pytest.raises(OutputNotWritten, match="exists") as failure:
        write_whole(path, b"new")
    assert "--force" in failure.value.hint
    assert path.read_bytes() == b"precious"
    write_whole(path, b"new", force=True)
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("force", [False, True])
def test_no_link_is_followed(tmp_path, force):
    other = tmp_path / "other"
    other.write_bytes(b"precious")
    for number, goal in enumerate((other, tmp_path / "nothing")):
        link = tmp_path / f"link{number}"
        link.symlink_to(goal)
        with pytest.raises(OutputNotWritten):
            write_whole(link, b"new", force=force)
        assert link.is_symlink()
    assert other.read_bytes() == b"precious"
    assert left_in(tmp_path) == ["link0", "link1", "other"]


def test_force_with_a_free_name_needs_no_other_name(tmp_path, monkeypatch):
    names = []
    original = os.link

    def record(source, name, **options):
        names.append(name)
        original(source, name, **options)

    monkeypatch.setattr(os, "link", record)
    write_whole(tmp_path / "x.svg", b"new", force=True)
    assert names == ["x.svg"]


def test_what_a_killed_writer_left_is_removed_by_the_next(tmp_path):
    (tmp_path / LEFT).write_bytes(b"half")
    write_whole(tmp_path / "x.svg", b"new")
    assert left_in(tmp_path) == ["x.svg"]


def test_what_another_writer_still_writes_stays(tmp_path, monkeypatch):
    refuse_nameless_files(monkeypatch)
    with PendingFile(tmp_path / "a") as first:
        write_whole(tmp_path / "b", b"new")
        first.file.write(b"whole")
        first.publish()
    assert left_in(tmp_path) == ["a", "b"]


def test_a_file_that_is_taken_for_a_left_one_is_made_again(tmp_path, monkeypatch):
    """Given somebody who tidies up between the making of the file and its lock."""
    refuse_nameless_files(monkeypatch)
    original, removed = fcntl.flock, []

    def late(descriptor, how):
        if not removed:
            removed.extend(left_in(tmp_path))
            for name in removed:
                (tmp_path / name).unlink()
        original(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", late)
    write_whole(tmp_path / "a", b"whole")
    assert len(removed) == 1
    assert (tmp_path / "a").read_bytes() == b"whole"
    assert left_in(tmp_path) == ["a"]


@pytest.mark.parametrize(
    ("name", "make"),
    [
        (LEFT, os.mkfifo),
        (LEFT, os.mkdir),
        (LEFT, lambda path: path.symlink_to("x.svg")),
        (".heapgraph-0123.partial", Path.touch),
        ("heapgraph-0123456789abcdef.partial", Path.touch),
        (f"{LEFT}.gz", Path.touch),
        pytest.param(
            LEFT,
            lambda path: (path.touch(), os.chown(path, 12345, 12345)),
            marks=pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away"),
        ),
    ],
)
def test_nothing_else_is_tidied_away(tmp_path, name, make):
    make(tmp_path / name)
    write_whole(tmp_path / "x.svg", b"new")
    assert left_in(tmp_path) == sorted([name, "x.svg"])


def refuse_nameless_files(monkeypatch):
    original = os.open

    def refuse(path, flags, *arguments, **options):
        if flags & os.O_TMPFILE == os.O_TMPFILE:
            raise OSError(95, os.strerror(95))
        return original(path, flags, *arguments, **options)

    monkeypatch.setattr(os, "open", refuse)
