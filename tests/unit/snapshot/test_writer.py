"""A snapshot has its final name when it is whole, and at no other time."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Any, BinaryIO

import pyarrow as pa
import pytest

from heapgraph.errors import SnapshotWriteFailed
from heapgraph.snapshot import check_output, open_snapshot, write_snapshot
from heapgraph.snapshot.pending_file import PendingFile
from heapgraph.snapshot.write_errors import write_error
from helpers.snapshot_files import sample_heap, without_privileges

if TYPE_CHECKING:
    from pathlib import Path


def left_in(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def write_sample(path: Path, **options: Any) -> None:
    heap = sample_heap()
    write_snapshot(path, heap.manifest(), heap.tables(), **options)


@pytest.mark.parametrize("function", [check_output, write_sample])
def test_an_existing_file_is_kept_unless_forced(tmp_path: Path, function: Any):
    """Given a file of that name, then it is refused with --force as the way out."""
    path = tmp_path / "a.heapgraph"
    path.write_bytes(b"precious")
    with pytest.raises(SnapshotWriteFailed, match="exists") as failure:
        function(path)
    assert "--force" in failure.value.hint
    assert path.read_bytes() == b"precious"
    assert left_in(tmp_path) == ["a.heapgraph"]
    function(path, force=True)
    assert left_in(tmp_path) == ["a.heapgraph"]


def test_force_replaces_the_file_while_a_reader_keeps_the_old_one(tmp_path: Path):
    """Given an open snapshot, when it is replaced, then the reader still sees the old content."""
    path = sample_heap().write(tmp_path / "a.heapgraph", snapshot_id="aaaaaaaa")
    with open_snapshot(path) as old:
        sample_heap().write(path, force=True, snapshot_id="bbbbbbbb")
        old.verify_all()
        assert old.manifest["snapshot_id"] == "aaaaaaaa"
    with open_snapshot(path) as new:
        assert new.manifest["snapshot_id"] == "bbbbbbbb"


@pytest.mark.parametrize("kind", ["folder", "link", "dangling link", "pipe"])
@pytest.mark.parametrize("function", [check_output, write_sample])
def test_force_replaces_nothing_but_a_file(tmp_path: Path, function: Any, kind: str):
    """Given something else of that name, as /dev/null is, then even force does not replace it."""
    path, other = tmp_path / "a.heapgraph", tmp_path / "other"
    other.write_bytes(b"precious")
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to(other if kind == "link" else tmp_path / "nothing")
    before = path.lstat()
    with pytest.raises(SnapshotWriteFailed, match="not a regular file"):
        function(path, force=True)
    assert path.lstat() == before
    assert left_in(tmp_path) == ["a.heapgraph", "other"]
    assert other.read_bytes() == b"precious"


@pytest.mark.parametrize("function", [check_output, write_sample])
def test_a_missing_folder_is_named(tmp_path: Path, function: Any):
    """Given a path in no folder, then the hint creates it."""
    with pytest.raises(SnapshotWriteFailed) as failure:
        function(tmp_path / "no" / "a.heapgraph")
    assert failure.value.hint == f"create it first: mkdir -p {tmp_path / 'no'}"


@pytest.mark.parametrize("function", [check_output, write_sample])
def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path: Path, function: Any):
    """Given a path below a file, then that is said."""
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(SnapshotWriteFailed, match="Not a directory"):
        function(tmp_path / "file" / "a.heapgraph")


@pytest.mark.parametrize("function", [check_output, write_sample])
def test_a_folder_that_is_not_writable_is_refused(tmp_path: Path, function: Any):
    """Given a folder without write permission and an ordinary user."""
    folder = tmp_path / "locked"
    folder.mkdir(mode=0o555)
    with without_privileges(), pytest.raises(SnapshotWriteFailed) as failure:
        function(folder / "a.heapgraph")
    assert "may not create files" in failure.value.cause
    folder.chmod(0o755)
    assert left_in(folder) == []


@pytest.mark.parametrize("name", ["a\0b", "n" * 300])
def test_an_impossible_name_is_refused(tmp_path: Path, name: str):
    """Given a name no file can have, then it is a clear error before anything is written."""
    with pytest.raises(SnapshotWriteFailed):
        check_output(tmp_path / name)
    with pytest.raises(SnapshotWriteFailed):
        write_sample(tmp_path / name)
    assert left_in(tmp_path) == []


def test_too_little_space_is_found_before_the_target_is_stopped(tmp_path: Path):
    """Given an estimate no disk holds, then the free bytes are named and nothing is left."""
    with pytest.raises(SnapshotWriteFailed, match=r"has .*B free, but .* needs about 8.00 EiB"):
        check_output(tmp_path / "a.heapgraph", expected_bytes=2**63)
    check_output(tmp_path / "a.heapgraph", expected_bytes=1)
    assert left_in(tmp_path) == []


@pytest.mark.parametrize("name", ["/", ".", ".."])
def test_a_path_without_a_name_is_refused_at_once(name: str):
    """Given the folder itself, then it is refused by the check before the target is stopped."""
    with pytest.raises(SnapshotWriteFailed, match="not a regular file"):
        check_output(name)


class FailingFile:
    """The pending file, whose disk is full after some writes."""

    def __init__(self, file: BinaryIO, writes: int, error: BaseException) -> None:
        self._file, self._left, self._error = file, writes, error

    def write(self, data: bytes) -> int:
        if self._left == 0:
            raise self._error
        self._left -= 1
        return self._file.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def fail_after(monkeypatch: pytest.MonkeyPatch, writes: int, error: BaseException) -> None:
    original = PendingFile.__enter__

    def failing(self: PendingFile) -> PendingFile:
        original(self)
        self.file = FailingFile(self.file, writes, error)  # type: ignore[assignment]
        return self

    monkeypatch.setattr(PendingFile, "__enter__", failing)


def writes_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    for count in range(0, 10_000, 8):
        with monkeypatch.context() as patch:
            fail_after(patch, count, OSError(errno.ENOSPC, "full"))
            try:
                write_sample(tmp_path / "a.heapgraph")
            except SnapshotWriteFailed:
                continue
            (tmp_path / "a.heapgraph").unlink()
            return count
    raise AssertionError("the snapshot is never written")


def test_a_disk_full_at_any_write_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Given a disk that is full after 0, 1, 2... writes, then the error says how much is free."""
    last = writes_needed(tmp_path, monkeypatch)
    assert last > 16
    for count in range(0, last - 8, 3):
        with monkeypatch.context() as patch:
            fail_after(patch, count, OSError(errno.ENOSPC, "full"))
            with pytest.raises(SnapshotWriteFailed, match=r"No space left.*B free in") as failure:
                write_sample(tmp_path / "a.heapgraph")
        assert len(failure.value.parts()) == 3
        assert left_in(tmp_path) == []


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(143), MemoryError()])
@pytest.mark.parametrize("writes", [0, 1, 5, 20])
def test_an_interruption_goes_on_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException, writes: int
):
    """Given Ctrl-C or a termination during a write, then it reaches the caller as it is."""
    fail_after(monkeypatch, writes, error)
    with pytest.raises(type(error)):
        write_sample(tmp_path / "a.heapgraph")
    assert left_in(tmp_path) == []


def test_the_progress_callback_can_stop_the_writing(tmp_path: Path):
    """Given a callback that raises, then nothing is left; else it hears of every row."""
    heard: list[tuple[str, int, int]] = []
    write_sample(tmp_path / "a.heapgraph", progress=lambda *step: heard.append(step))
    phase, done, total = heard[-1]
    assert (phase, done) == ("write", total)
    assert total == sum(table.num_rows for table in sample_heap().tables().values())

    def stop(*_step: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_sample(tmp_path / "b.heapgraph", progress=stop)
    assert left_in(tmp_path) == ["a.heapgraph"]


@pytest.mark.parametrize("has_links", [True, False])
def test_a_name_taken_meanwhile_is_not_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_links: bool
):
    """Given another program that takes the name during the writing, then its file stays."""
    path = tmp_path / "a.heapgraph"
    if not has_links:
        refuse_links(monkeypatch)

    def take_name(*_step: object) -> None:
        path.write_bytes(b"precious")

    with pytest.raises(SnapshotWriteFailed, match="exists"):
        write_sample(path, progress=take_name)
    assert path.read_bytes() == b"precious"
    assert left_in(tmp_path) == ["a.heapgraph"]


def refuse_links(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: object, **_options: object) -> None:
        raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))

    monkeypatch.setattr(os, "link", refuse)


@pytest.mark.parametrize("nameless", [True, False])
def test_a_file_system_without_hard_links_will_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nameless: bool
):
    """Given FAT, then the snapshot is whole under its name and nothing else is left."""
    refuse_links(monkeypatch)
    if not nameless:
        refuse_nameless_files(monkeypatch)
    write_sample(tmp_path / "a.heapgraph")
    with open_snapshot(tmp_path / "a.heapgraph") as snapshot:
        snapshot.verify_all()
    assert left_in(tmp_path) == ["a.heapgraph"]


def refuse_nameless_files(monkeypatch: pytest.MonkeyPatch) -> None:
    original = os.open

    def refuse(path: str, flags: int, *arguments: Any, **options: Any) -> int:
        if flags & os.O_TMPFILE == os.O_TMPFILE:
            raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))
        return original(path, flags, *arguments, **options)

    monkeypatch.setattr(os, "open", refuse)


@pytest.mark.parametrize("nameless", [True, False])
def test_the_file_is_on_the_disk_before_it_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nameless: bool
):
    """Given the order of system calls, then the file is synced, then named, then its folder."""
    events: list[str] = []
    for name in ("fsync", "link", "unlink"):
        original = getattr(os, name)

        def record(
            *arguments: Any, _name: str = name, _call: Any = original, **options: Any
        ) -> Any:
            events.append(_name)
            return _call(*arguments, **options)

        monkeypatch.setattr(os, name, record)
    if not nameless:
        refuse_nameless_files(monkeypatch)
    write_sample(tmp_path / "a.heapgraph")
    assert events == ["fsync", "link", *([] if nameless else ["unlink"]), "fsync"]


def test_a_file_being_written_has_no_name(tmp_path: Path):
    """Given a writer that is killed at any moment, then nothing can be left of it."""
    seen: list[list[str]] = []
    write_sample(tmp_path / "a.heapgraph", progress=lambda *_step: seen.append(left_in(tmp_path)))
    assert seen
    assert not any(seen)


@pytest.mark.parametrize(
    "code",
    ["ENOSPC", "EDQUOT", "EEXIST", "ENOENT", "ENOTDIR", "EACCES", "EROFS", "EFBIG", "EIO"],
)
def test_every_refusal_has_three_parts(tmp_path: Path, code: str):
    """Given any errno, then what, cause and hint are there and the path is named."""
    error = write_error(tmp_path / "a.heapgraph", OSError(getattr(errno, code), "text"))
    assert len(error.parts()) == 3
    assert str(tmp_path) in error.what
    assert error.exit_code == 3


def test_tables_that_do_not_fit_are_an_error_of_the_program(tmp_path: Path):
    """Given a missing table, other columns or types, a null or bad text, none is written."""
    heap = sample_heap()
    tables = heap.tables()
    names = tables["names"]
    not_utf8 = pa.array([b"\xff"]).view(pa.string())
    wrong = [
        {name: table for name, table in tables.items() if name != "maps"},
        tables | {"names": names.rename_columns(["text"])},
        tables | {"names": pa.table({"name": [1]})},
        tables | {"names": pa.table({"name": pa.array([None], pa.string())})},
        tables | {"names": pa.table({"name": not_utf8})},
    ]
    for case in wrong:
        with pytest.raises(ValueError, match=r"maps|names|UTF8"):
            write_snapshot(tmp_path / "a.heapgraph", heap.manifest(), case)
    assert left_in(tmp_path) == []


@pytest.mark.parametrize("key", ["snapshot_id", "target", "quality"])
def test_a_manifest_that_is_not_complete_is_not_written(tmp_path: Path, key: str):
    """Given a missing key, then the message names it."""
    heap = sample_heap()
    manifest = heap.manifest()
    del manifest[key]
    with pytest.raises(ValueError, match=f"{key} is missing"):
        write_snapshot(tmp_path / "a.heapgraph", manifest, heap.tables())
    assert left_in(tmp_path) == []
