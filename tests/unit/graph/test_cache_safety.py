"""What another user, or the maker of a file, could have put into the cache is not believed."""

from __future__ import annotations

import os
import shutil
import stat
import zipfile
from typing import TYPE_CHECKING

import numpy as np
import pytest

from heapgraph.graph.cache import CACHE_VARIABLE, ArrayCache
from heapgraph.graph.heap_graph import HeapGraph
from helpers.app_heap import app_heap
from helpers.cli import invoke

if TYPE_CHECKING:
    from pathlib import Path

IDENTITY = "00c0ffee00c0ffee"
ARRAYS = {"idom": np.arange(3, dtype=np.uint32)}
SHAPES = {"idom": (np.uint32, 3)}
OTHER = 54321

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


@pytest.fixture
def root(tmp_path, monkeypatch) -> Path:
    """The folder named as the cache; not made."""
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache"


def kept_file(root: Path) -> Path:
    (path,) = (root / IDENTITY).iterdir()
    return path


def test_what_is_kept_is_private_whatever_the_umask(root):
    before = os.umask(0)
    try:
        ArrayCache(IDENTITY).store(ARRAYS)
    finally:
        os.umask(before)
    modes = {stat.S_IMODE(p.stat().st_mode) for p in (root, root / IDENTITY)}
    assert modes == {0o700}
    assert stat.S_IMODE(kept_file(root).stat().st_mode) == 0o600
    assert ArrayCache(IDENTITY).load(SHAPES) is not None


def replace_by_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def replace_by_link(path: Path) -> None:
    path.rename(path.parent.parent / "elsewhere")
    path.symlink_to(path.parent.parent / "elsewhere")


FILES = {
    "a named pipe": replace_by_pipe,
    "a link to the same": replace_by_link,
    "one that others can write": lambda path: path.chmod(0o606),
    "another user's": lambda path: os.chown(path, OTHER, OTHER),
}


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "change",
    [
        pytest.param(f, id=n, marks=needs_root if n.startswith("another") else ())
        for n, f in FILES.items()
    ],
)
def test_a_file_somebody_else_could_have_made_is_not_read(root, change):
    ArrayCache(IDENTITY).store(ARRAYS)
    change(kept_file(root))
    assert ArrayCache(IDENTITY).load(SHAPES) is None


def linked_root(root: Path) -> None:
    moved = root.parent / "moved"
    moved.mkdir(mode=0o700)
    root.symlink_to(moved)


def linked_folder(root: Path) -> None:
    moved = root.parent / "moved"
    moved.mkdir(mode=0o700)
    root.mkdir(mode=0o700)
    (root / IDENTITY).symlink_to(moved)


def foreign_root(root: Path) -> None:
    root.mkdir(mode=0o700)
    os.chown(root, OTHER, OTHER)


def open_root(root: Path) -> None:
    root.mkdir()
    root.chmod(0o770)


def foreign_parent(root: Path) -> None:
    root.mkdir(mode=0o700)
    os.chown(root.parent, OTHER, OTHER)


def open_parent(root: Path) -> None:
    root.parent.chmod(0o777)


def link_of_somebody_else(root: Path) -> None:
    """The way leads through a link that its owner can turn anywhere."""
    real = root.parent / "real"
    real.mkdir(mode=0o700)
    link = root.parent / "home"
    link.symlink_to(real)
    os.chown(link, OTHER, OTHER, follow_symlinks=False)
    os.environ[CACHE_VARIABLE] = str(link / "cache")


FOLDERS = [linked_root, linked_folder, open_root, open_parent] + [
    pytest.param(change, marks=needs_root)
    for change in (foreign_root, foreign_parent, link_of_somebody_else)
]


@pytest.mark.parametrize("change", FOLDERS)
def test_a_folder_somebody_else_could_have_a_hand_in_is_left_alone(root, change):
    change(root)
    before = sorted(map(str, root.parent.rglob("*")))
    cache = ArrayCache(IDENTITY)
    cache.store(ARRAYS)
    assert cache.load(SHAPES) is None
    assert cache.refusal
    assert sorted(map(str, root.parent.rglob("*"))) == before


def test_nothing_foreign_is_tidied_away(root):
    """Given a linked folder with parts of somebody else, then they stay."""
    moved = root.parent / "moved"
    moved.mkdir()
    (moved / "precious.part").write_bytes(b"x")
    root.mkdir(mode=0o700)
    (root / ("ab" * 8)).symlink_to(moved)
    ArrayCache(IDENTITY).store(ARRAYS)
    assert (moved / "precious.part").exists()
    assert ArrayCache(IDENTITY).load(SHAPES) is not None


def test_own_links_on_the_way_are_followed(root, monkeypatch):
    (root.parent / "disk").mkdir(mode=0o700)
    (root.parent / "home").symlink_to("disk")
    monkeypatch.setenv(CACHE_VARIABLE, str(root.parent / "home" / "x" / "cache"))
    ArrayCache(IDENTITY).store(ARRAYS)
    assert ArrayCache(IDENTITY).load(SHAPES) is not None
    assert (root.parent / "disk" / "x" / "cache" / IDENTITY).is_dir()


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_the_command_says_once_that_nothing_is_kept(root, tmp_path, form):
    snapshot = app_heap().write(tmp_path / "app.heapgraph")
    usual = invoke("dominators", snapshot, *form)
    assert "kept" not in usual.stderr
    shutil.rmtree(root)
    linked_root(root)
    refused = invoke("dominators", snapshot, *form)
    assert refused.code == 0
    assert refused.stdout == usual.stdout
    assert refused.stderr.count("nothing is kept between runs") == 1
    assert str(root) in refused.stderr


def edited_copy(path: Path, target: Path) -> None:
    """A file with the same checksums of 32 bits, as an edited one can be made to have."""
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(target, "w") as new:
        for info in old.infolist():
            new.writestr(info.filename, old.read(info))


@pytest.mark.parametrize("how", ["same id", "same bytes elsewhere", "edited in place"])
def test_what_is_kept_of_one_file_is_not_said_of_another(root, tmp_path, how):
    first = app_heap().write(tmp_path / "first.heapgraph", snapshot_id=IDENTITY)
    genuine = HeapGraph.open(first)
    poisoned = {"idom": np.zeros(genuine.object_count, np.uint32)}
    genuine._cache.store({**poisoned, "retained": np.ones(genuine.object_count, np.uint64)})
    assert HeapGraph.open(first).dominators.idom.tolist() == poisoned["idom"].tolist()
    other = tmp_path / "other.heapgraph"
    if how == "same id":
        app_heap().write(other, snapshot_id=IDENTITY)
    elif how == "same bytes elsewhere":
        edited_copy(first, other)
    else:
        about = first.stat()
        other = first
        first.write_bytes(first.read_bytes())
        os.utime(first, ns=(about.st_atime_ns, about.st_mtime_ns))
    graph = HeapGraph.open(other)
    assert graph.dominators.idom.tolist() != poisoned["idom"].tolist()
    assert "00c0ffee" not in " ".join(path.name for path in root.iterdir())
