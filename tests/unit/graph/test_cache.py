"""Derived arrays survive a run, and no state of the cache folder changes a result."""

import fcntl
import os
import subprocess
import sys
import time

import numpy as np
import pytest

from heapgraph.graph.cache import CACHE_VARIABLE, ArrayCache, cache_folder
from heapgraph.native import graph_kernels
from helpers.graphs import GraphBuilder

SNAPSHOT_ID = "00c0ffee00c0ffee"
NPY_HEADER = 128
SHAPES = {"idom": (np.uint32, 3), "retained": (np.uint64, 3)}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache" / SNAPSHOT_ID


def heap() -> GraphBuilder:
    builder = GraphBuilder(manifest={"snapshot_id": SNAPSHOT_ID})
    a, b, c = (builder.object(size=10 * (i + 1)) for i in range(3))
    builder.refer(a, b)
    builder.refer(b, c)
    builder.root(a)
    return builder


def use_everything(graph):
    _ = graph.dominators, graph.root_paths, graph.reverse
    return graph.dominators.retained_sizes.tolist(), graph.root_paths.path_to(2)


def test_results_are_read_back_without_the_kernels(monkeypatch):
    computed = use_everything(heap().build(use_cache=True))
    for kernel in ("dominator_tree", "breadth_first", "reverse_references"):
        monkeypatch.delattr(graph_kernels, kernel)
    again = heap().build(use_cache=True)
    assert use_everything(again) == computed
    assert isinstance(again.dominators.idom, np.memmap)
    assert again.reverse.sources_of(2).tolist() == [1]


def test_only_the_owner_can_read_the_cache(folder):
    use_everything(heap().build(use_cache=True))
    assert folder.stat().st_mode & 0o077 == 0
    assert all(path.stat().st_mode & 0o077 == 0 for path in folder.iterdir())
    assert not list(folder.glob("*.part"))


@pytest.mark.parametrize("keep", [0, 1, 9, 40, 100, 130, -1])
def test_a_file_cut_short_is_computed_again(folder, keep):
    computed = use_everything(heap().build(use_cache=True))
    for path in folder.iterdir():
        path.write_bytes(path.read_bytes()[:keep])
    assert use_everything(heap().build(use_cache=True)) == computed


def test_a_damaged_byte_is_noticed_wherever_it_is(folder):
    computed = use_everything(heap().build(use_cache=True))
    whole = {path: path.read_bytes() for path in folder.iterdir()}
    longest = max(map(len, whole.values()))
    for position in (*range(0, NPY_HEADER, 9), *range(NPY_HEADER, longest, 3)):
        for path, content in whole.items():
            damaged = bytearray(content)
            damaged[position % len(content)] ^= 0x11
            path.write_bytes(damaged)
        assert use_everything(heap().build(use_cache=True)) == computed


def test_a_body_of_zeros_as_a_power_failure_leaves_it_is_noticed(folder):
    computed = use_everything(heap().build(use_cache=True))
    for path in folder.iterdir():
        content = path.read_bytes()
        path.write_bytes(content[:NPY_HEADER] + bytes(len(content) - NPY_HEADER))
    assert use_everything(heap().build(use_cache=True)) == computed


def test_files_are_ordinary_npy_files(folder):
    graph = heap().build(use_cache=True)
    use_everything(graph)
    (path,) = folder.glob("idom.*.npy")
    assert np.load(path, mmap_mode="r").tolist() == graph.dominators.idom.tolist()


def test_arrays_of_another_length_or_type_are_not_used():
    cache = ArrayCache(SNAPSHOT_ID)
    good = {"idom": np.zeros(3, np.uint32), "retained": np.zeros(3, np.uint64)}
    cache.store(good)
    assert cache.load(SHAPES) is not None
    for bad in (np.zeros(4, np.uint32), np.zeros(2, np.uint32), np.zeros(3, np.int32)):
        cache.store({"idom": bad})
        assert cache.load(SHAPES) is None


def test_another_kernel_version_is_not_used(monkeypatch):
    cache = ArrayCache(SNAPSHOT_ID)
    cache.store({"idom": np.zeros(3, np.uint32), "retained": np.zeros(3, np.uint64)})
    monkeypatch.setattr("heapgraph.graph.cache.kernel_version", lambda: 999_999)
    assert cache.load(SHAPES) is None


def test_a_folder_that_cannot_be_written_is_no_failure(folder):
    folder.parent.write_text("a file where the folder should be")
    assert use_everything(heap().build(use_cache=True)) == use_everything(heap().build())


@pytest.mark.parametrize("snapshot_id", ["", "../../etc", "a/b", "G0000000", "0" * 65])
def test_an_id_that_is_no_plain_hex_becomes_no_path(snapshot_id):
    ArrayCache(snapshot_id).store({"idom": np.zeros(3, np.uint32)})
    assert not cache_folder().exists()


def test_without_the_variable_the_users_cache_folder_is_used(monkeypatch):
    monkeypatch.delenv(CACHE_VARIABLE)
    assert cache_folder().name == "heapgraph"


def test_a_home_folder_that_does_not_exist_is_not_made(tmp_path, monkeypatch):
    home = tmp_path / "home"
    monkeypatch.delenv(CACHE_VARIABLE)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(home))
    computed = use_everything(heap().build(use_cache=True))
    assert not home.exists()
    home.mkdir()
    assert use_everything(heap().build(use_cache=True)) == computed
    assert (home / ".cache" / "heapgraph" / SNAPSHOT_ID).is_dir()


def test_what_ended_writers_left_is_removed_and_what_others_write_is_not(folder):
    other = folder.parent / ("ab" * 8)
    foreign = folder.parent / "elsewhere"
    for place in (folder, other, foreign):
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        place.mkdir(mode=0o700)
        (place / "idom.v1.npyleft.part").write_bytes(b"x")
    written = other / "idom.v1.npyrunning.part"
    with written.open("wb") as writer:
        fcntl.flock(writer, fcntl.LOCK_EX)
        use_everything(heap().build(use_cache=True))
        assert written.exists()
    assert not (folder / "idom.v1.npyleft.part").exists()
    assert not (other / "idom.v1.npyleft.part").exists()
    assert (foreign / "idom.v1.npyleft.part").exists()


def left_part(root, identity="ab" * 8):
    """A file that an ended writer left in the folder of another snapshot."""
    path = root / identity / "idom.v1.npyleft.part"
    for folder in (root, path.parent):
        folder.mkdir(mode=0o700, exist_ok=True)
    path.write_bytes(b"x")
    return path


def store_in_process():
    """Store an array from a process of its own."""
    code = (
        "import numpy as np\nfrom heapgraph.graph.cache import ArrayCache\n"
        f"ArrayCache({SNAPSHOT_ID!r}).store({{'idom': np.zeros(3, np.uint32)}})"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_whole_cache_is_looked_through_once_a_day(folder):
    root = folder.parent
    mark = root / ".tidied"
    store_in_process()
    first = left_part(root)
    store_in_process()
    assert first.exists()
    for age in (2 * 24 * 60 * 60, -60 * 60):  # days ago, and by a clock that was put back since
        part = left_part(root)
        os.utime(mark, (time.time() - age,) * 2)
        store_in_process()
        assert not part.exists()
        assert abs(mark.stat().st_mtime - time.time()) < 60


def test_the_folder_that_is_written_to_is_tidied_every_time(folder):
    cache = ArrayCache(SNAPSHOT_ID)
    for _ in range(2):
        part = left_part(folder.parent, SNAPSHOT_ID)
        other = left_part(folder.parent)
        cache.store({"idom": np.zeros(3, np.uint32)})
        assert not part.exists()
    assert other.exists()  # one process looks through the others once
