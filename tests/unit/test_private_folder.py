"""A folder is closed for others where it is heapgraph's, and left as it is where it is not."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import pytest

from heapgraph.private_folder import FolderRefused, open_private

if TYPE_CHECKING:
    from pathlib import Path


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_folder_that_others_use_is_left_as_it_is(tmp_path: Path):
    """Given a path that was meant otherwise (/, /etc, a home), its mode is not changed."""
    folder = tmp_path / "etc"
    folder.mkdir(mode=0o755)
    (folder / "passwd").write_text("x")
    with pytest.raises(FolderRefused, match="open to others, and so is what it has in it"):
        open_private(folder, create=True)
    assert mode_of(folder) == 0o755
    folder.chmod(0o700)
    os.close(open_private(folder, create=True))


@pytest.mark.parametrize("there", [[], ["lost+found"]])
def test_a_folder_that_has_nothing_for_others_is_closed(tmp_path: Path, there: list[str]):
    """Given a folder that was made for heapgraph, or a new file system, it becomes 0700."""
    folder = tmp_path / "store"
    folder.mkdir(mode=0o755)
    for name in there:
        (folder / name).mkdir(mode=0o700)
    os.close(open_private(folder, create=True))
    assert mode_of(folder) == 0o700
