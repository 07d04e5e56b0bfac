"""The store keeps its limits, and never deletes what is old before the new is whole."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from heapgraph.errors import HeapgraphError
from heapgraph.watch.model import ProcessKey, Worker, WorkerName
from heapgraph.watch.settings.model import StoreSpec
from heapgraph.watch.store.snapshots import SnapshotStore, StoreFull
from heapgraph.watch.store.state_file import load_state, save_state

if TYPE_CHECKING:
    from pathlib import Path

WORKER = Worker(WorkerName("web: é/../x", 3), ProcessKey(77, 1234, "boot"), "3.12.1", "/p", 0, 0)


@pytest.fixture
def spec(tmp_path: Path) -> StoreSpec:
    return StoreSpec(tmp_path / "store", files=3, bytes=1000, keep_free=0.0, per_rampup=100)


def put(store: SnapshotStore, size: int, worker: Worker = WORKER) -> str:
    name = store.new_id(worker)
    store.path_of(name).write_bytes(os.urandom(size))
    return store.add(name, worker, redacted=True, reason="rule x").id


def test_the_oldest_goes_when_the_new_one_is_whole(spec: StoreSpec):
    store = SnapshotStore(spec)
    names = [put(store, 10) for _ in range(5)]
    assert [one.id for one in store.snapshots()] == names[2:]
    assert sorted(path.name for path in store.folder.iterdir()) == sorted(
        name + suffix for name in names[2:] for suffix in (".heapgraph", ".json")
    )
    half = store.new_id(WORKER)
    store.path_of(half).write_bytes(b"half of it")
    assert [one.id for one in store.snapshots()] == names[2:]


def test_bytes_are_a_limit_and_the_new_one_stays(spec: StoreSpec):
    store = SnapshotStore(spec)
    put(store, 600)
    newest = put(store, 900)
    assert [one.id for one in store.snapshots()] == [newest]


def test_a_note_that_cannot_be_written_takes_its_snapshot_along(
    spec: StoreSpec, monkeypatch: pytest.MonkeyPatch
):
    store = SnapshotStore(spec)
    kept = [put(store, 10) for _ in range(3)]
    name = store.new_id(WORKER)
    store.path_of(name).write_bytes(b"x")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("heapgraph.watch.store.snapshots.write_private_file", full)
    with pytest.raises(OSError, match="No space left"):
        store.add(name, WORKER, redacted=True, reason="")
    assert [one.id for one in store.snapshots()] == kept
    assert not store.path_of(name).exists()


def test_what_a_killed_daemon_left_is_swept_and_what_is_not_ours_stays(spec: StoreSpec):
    store = SnapshotStore(spec)
    kept = put(store, 10)
    orphan = store.path_of(store.new_id(WORKER))
    orphan.write_bytes(b"no note")
    (store.folder / "README").write_text("mine")
    again = SnapshotStore(spec)
    assert again.sweep() == [orphan.name]
    assert [one.id for one in again.snapshots()] == [kept]
    assert (store.folder / "README").exists()


def test_no_room_is_said_before_anything_is_done(spec: StoreSpec):
    store = SnapshotStore(spec)
    with pytest.raises(StoreFull, match="may take"):
        store.check_room(WORKER, 1001)
    full = SnapshotStore(replace(spec, keep_free=1.0))
    with pytest.raises(StoreFull, match="free"):
        full.check_room(WORKER, 10)


def test_one_process_has_so_many_and_the_next_one_begins_anew(spec: StoreSpec):
    store = SnapshotStore(replace(spec, per_rampup=2))
    put(store, 10)
    put(store, 10)
    with pytest.raises(StoreFull, match="since its process started"):
        store.check_room(WORKER, 10)
    store.check_room(replace(WORKER, key=replace(WORKER.key, started=9)), 10)


@pytest.mark.parametrize("text", ["../x", "latest/..", "", "a" * 200, "x.heapgraph", "WEB-0"])
def test_what_is_no_id_is_no_path(spec: StoreSpec, text: str):
    store = SnapshotStore(spec)
    assert store.find(text) is None
    with pytest.raises(ValueError, match="no id"):
        store.path_of(text)


def test_a_folder_that_others_can_get_at_is_refused(tmp_path: Path):
    folder = tmp_path / "open"
    folder.mkdir()
    folder.chmod(0o777)
    with pytest.raises(HeapgraphError, match="not kept in"):
        SnapshotStore(StoreSpec(folder))
    folder.chmod(0o755)
    assert SnapshotStore(StoreSpec(folder)).folder.stat().st_mode & 0o777 == 0o700
    link = tmp_path / "link"
    link.symlink_to(tmp_path)
    with pytest.raises(HeapgraphError, match="not kept in"):
        SnapshotStore(StoreSpec(link))


def test_state_survives_and_a_damaged_one_is_kept_aside(tmp_path: Path):
    tmp_path.chmod(0o700)
    assert load_state(tmp_path) == ({}, "")
    save_state(tmp_path, {"slots": {"web": {"0": 5}}})
    assert load_state(tmp_path)[0]["slots"] == {"web": {"0": 5}}
    for damage in (b"", b"{", b"[1]", b'{"version": 99}', b"[" * 100_000):
        (tmp_path / "state.json").write_bytes(damage)
        state, why = load_state(tmp_path)
        assert state == {}
        assert "cannot be used" in why
        assert (tmp_path / "state.unusable").read_bytes() == damage


def test_what_is_no_regular_file_is_not_waited_for(tmp_path: Path, spec: StoreSpec):
    """Given a pipe or a folder where the state or a note should be, the daemon begins anew."""
    tmp_path.chmod(0o700)
    os.mkfifo(tmp_path / "state.json")
    state, why = load_state(tmp_path)
    assert (state, "regular file" in why) == ({}, True)
    (tmp_path / "state.json").unlink()
    (tmp_path / "state.json").mkdir()
    assert load_state(tmp_path)[0] == {}
    store = SnapshotStore(spec)
    os.mkfifo(store.folder / "web-0-20260101t000000-abcdef.json")
    (store.folder / "web-1-20260101t000000-abcdef.json").write_text("[" * 60_000)
    assert SnapshotStore(spec).snapshots() == []


@pytest.mark.parametrize("is_link", [True, False])
def test_a_store_that_was_replaced_is_not_written_to(spec: StoreSpec, *, is_link: bool):
    """Given another folder, or a link, where the store was, no snapshot is begun there."""
    store = SnapshotStore(spec)
    assert store.is_in_place()
    moved = spec.path.with_name("moved")
    spec.path.rename(moved)
    assert not store.is_in_place()
    if is_link:
        spec.path.symlink_to(moved)
    else:
        spec.path.mkdir(mode=0o700)
    with pytest.raises(StoreFull, match="is not the store that was opened"):
        store.check_room(WORKER, 1)
    (spec.path.unlink if is_link else spec.path.rmdir)()
    moved.rename(spec.path)
    store.check_room(WORKER, 1)


DAMAGE = {
    "created": 5,
    "size": "10",
    "slot": "../../x",
    "pid": True,
    "redacted": 1,
    "sha256": "a\r\nX-Evil: 1",
    "reason": ["x"],
    "pause_ms": float("inf"),
    "objects": None,
    "id": "web-9-20260101t000000-abcdef",
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_note_is_set_aside_once_with_its_snapshot(spec: StoreSpec, name: str):
    """Given a wrong type in a note, it is never listed, nothing is deleted, and it is said once."""
    store = SnapshotStore(spec)
    kept, bad = put(store, 10), put(store, 10)
    note = store.path_of(bad).with_suffix(".json")
    note.write_text(json.dumps({**json.loads(note.read_text()), name: DAMAGE[name]}))
    again = SnapshotStore(spec)
    assert again.set_aside == [note.name]
    assert again.sweep() == []
    assert [one.id for one in again.snapshots()] == [kept]
    assert store.path_of(bad).with_name(f"{bad}.heapgraph.unusable").stat().st_size == 10
    assert note.with_name(f"{note.name}.unusable").exists()
    assert SnapshotStore(spec).set_aside == []


def test_a_link_in_place_of_a_snapshot_is_not_one(spec: StoreSpec, tmp_path: Path):
    store = SnapshotStore(spec)
    file = store.path_of(put(store, 10))
    file.unlink()
    (tmp_path / "secret").write_text("secret")
    file.symlink_to(tmp_path / "secret")
    assert SnapshotStore(spec).snapshots() == []
