"""A snapshot that is not taken in leaves no file, however its dump ended."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from heapgraph.errors import TargetError
from heapgraph.watch.children import Finished
from heapgraph.watch.daemon import dumping
from heapgraph.watch.settings.model import StoreSpec
from heapgraph.watch.store.snapshots import SnapshotStore
from helpers.watched import process, worker

WORKER = process(worker(), 4711, 0.0)


def write(path: Path) -> None:
    path.write_bytes(b"whole")


def files_after(
    folder: Path, monkeypatch: pytest.MonkeyPatch, *, code: int | None
) -> tuple[list[str], type[BaseException] | None]:
    """What is in the store after a dump that has named its file and then ends so, or goes on."""
    store = SnapshotStore(StoreSpec(folder / "store"))
    begun = asyncio.Event()

    async def run_child(command: list[str], **_: Any) -> Finished:
        write(Path(command[command.index("-o") + 1]))
        begun.set()
        if code is None:
            await asyncio.Event().wait()
        return Finished(code or 0, b"{}", b"")

    monkeypatch.setattr(dumping, "run_child", run_child)
    monkeypatch.setattr(dumping, "is_of_process", lambda *_: True)

    async def run() -> None:
        work = asyncio.ensure_future(
            dumping.dump_into(store, WORKER, max_pause_ms=1.0, reason="test", own=set())
        )
        await begun.wait()
        if code is None:
            work.cancel()
        await work

    failed: type[BaseException] | None = None
    try:
        asyncio.run(run())
    except (asyncio.CancelledError, TargetError) as error:
        failed = type(error)
    return [one.name for one in store.folder.iterdir()], failed


def test_a_cancelled_dump_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Given a DELETE, or the daemon's end, once the file has its name, it goes."""
    assert files_after(tmp_path, monkeypatch, code=None) == ([], asyncio.CancelledError)


@pytest.mark.parametrize("code", [0, 1, -15])
def test_a_dump_that_failed_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
):
    """Given an exit code, a signal, or an answer that says nothing, the file goes."""
    files, failed = files_after(tmp_path, monkeypatch, code=code)
    assert files == []
    assert failed is not None
    assert issubclass(failed, TargetError)
