"""Files inside a root that somebody hostile has furnished: read, or refused, never waited for."""

from __future__ import annotations

import errno
import os
import socket
from pathlib import Path

import pytest

from heapgraph.capture.process import target_files
from heapgraph.capture.process.target_files import look_beneath, open_regular, walk_beneath

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root makes device nodes")
LOOKS = pytest.mark.parametrize("look", [look_beneath, walk_beneath])


@pytest.fixture
def root(tmp_path: Path):
    """A folder with a file in it, beside a secret; its descriptor and its path."""
    (tmp_path / "secret").write_text("a secret")
    folder = tmp_path / "root"
    (folder / "etc").mkdir(parents=True)
    (folder / "etc" / "name").write_text("fine")
    descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    yield descriptor, folder
    os.close(descriptor)


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def content(root: int, path: str, look=look_beneath) -> bytes:
    with open_regular(look(root, path)) as stream:
        return stream.read()


@LOOKS
@pytest.mark.parametrize("path", ["/etc/name", "etc/name", "//etc/./name"])
def test_file_is_read_at_its_place_inside(root, look, path):
    assert content(root[0], path, look) == b"fine"


@LOOKS
@pytest.mark.parametrize(
    "make",
    [
        lambda place: place.symlink_to(place.parent.parent.parent / "secret"),
        lambda place: place.symlink_to("../../secret"),
        lambda place: place.symlink_to("/proc/self/environ"),
        lambda place: place.symlink_to("name"),
        os.mkfifo,
        os.mkdir,
        Path.touch,
        lambda place: socket.socket(socket.AF_UNIX).bind(str(place)),
        pytest.param(
            lambda place: os.mknod(place, 0o600 | 0o020000, os.makedev(1, 5)), marks=needs_root
        ),
    ],
    ids=["link out", "dots", "magic", "link", "pipe", "folder", "empty", "socket", "zeros"],
)
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_anything_else_is_as_if_it_were_not_there(root, look, make):
    descriptor, folder = root
    make(folder / "etc" / "other")
    before = open_descriptors()
    with pytest.raises(FileNotFoundError):
        content(descriptor, "/etc/other", look)
    assert open_descriptors() == before


@LOOKS
@pytest.mark.parametrize(
    "path", ["/../secret", "/etc/../../secret", "/gate/secret", "/none/none", "a" * 5000]
)
def test_nothing_outside_is_reached(root, look, path):
    descriptor, folder = root
    (folder / "gate").symlink_to("..")
    with pytest.raises(FileNotFoundError):
        content(descriptor, path, look_beneath if look is look_beneath else stepwise)


def stepwise(root: int, path: str) -> int:
    """`walk_beneath` with the errors of `look_beneath`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(target_files, "_openat2", no_such_call)
        return look_beneath(root, path)


def no_such_call(root: int, path: str) -> int:
    del root, path
    raise OSError(errno.ENOSYS, "no openat2 here")


def test_without_the_call_the_path_is_walked(root):
    assert content(root[0], "/etc/name", stepwise) == b"fine"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_what_may_not_be_read_is_said(root):
    descriptor, folder = root
    (folder / "etc" / "name").chmod(0)
    with pytest.raises(PermissionError):
        content(descriptor, "/etc/name")
