"""With the rights that `deploy/` gives it, and no others, the daemon can do what it is for."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from helpers.as_root import needs_root
from helpers.deployed import MANIFESTS, daemon_of, pod_of

if TYPE_CHECKING:
    from collections.abc import Iterator

NOBODY = 65534
DAEMONSET = next(path for path in MANIFESTS if path.stem == "daemonset")
SIDECAR = next(path for path in MANIFESTS if path.stem == "sidecar")
SYSTEM_PYTHON = Path("/usr/bin/python3")
PROGRAM = "import sys; print('ready', flush=True); sys.stdin.read()"
IS_PRIVATE = """
import sys
from pathlib import Path
from heapgraph.watch.store.private_folder import open_private_folder
print(open_private_folder(Path(sys.argv[1])))
"""

needs_setpriv = pytest.mark.skipif(
    not shutil.which("setpriv") or not SYSTEM_PYTHON.exists(),
    reason="setpriv of util-linux or /usr/bin/python3 is missing",
)


@contextmanager
def process_of_nobody() -> Iterator[int]:
    """A Python of a user that is not ours."""
    with subprocess.Popen(
        [SYSTEM_PYTHON, "-c", PROGRAM],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        user=NOBODY,
        group=NOBODY,
        extra_groups=[],
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            yield process.pid
        finally:
            process.kill()


def with_rights(rights: list[str], *arguments: object) -> subprocess.CompletedProcess[str]:
    """heapgraph as root with these capabilities alone, and no way to more."""
    bounding = ",".join(("-all", *(f"+{name.lower()}" for name in rights)))
    command = ["setpriv", "--bounding-set", bounding, "--inh-caps", "-all", "--no-new-privs"]
    command += [sys.executable, "-P", "-m", "heapgraph", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@needs_root
@needs_setpriv
def test_the_rights_of_the_daemonset_are_enough_and_each_is_needed(tmp_path: Path):
    """Given a process of another user, both rights are enough, and either is needed."""
    rights = daemon_of(DAEMONSET)["securityContext"]["capabilities"]["add"]
    with process_of_nobody() as pid:
        done = with_rights(rights, "dump", pid, "-o", tmp_path / "a.heapgraph", "--json")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["objects"] > 1000
        looked = with_rights(rights, "watch", pid, "--once", "--json")
        (worker,) = json.loads(looked.stdout)["workers"]
        assert {"rss_bytes", "fds", "gc_enabled"} <= worker["values"].keys()
        for missing in rights:
            less = [name for name in rights if name != missing]
            refused = with_rights(less, "dump", pid, "-o", tmp_path / "b.heapgraph")
            assert refused.returncode == 3
            assert f"CAP_{missing}" in refused.stderr
            assert f"--cap-add={missing}" in refused.stderr


@needs_root
@needs_setpriv
def test_the_first_container_of_the_sidecar_makes_its_store_one():
    """Given an emptyDir as kubelet makes it, the daemon's user owns it afterwards."""
    pod = pod_of(SIDECAR)
    user = pod["securityContext"]["runAsUser"]
    (first,) = pod["initContainers"]
    command = first["command"]
    place = first["volumeMounts"][0]["mountPath"]
    folder = Path(tempfile.mkdtemp(prefix="heapgraph-empty-dir-"))
    try:
        folder.chmod(0o755)
        volume = folder / "volume"
        volume.mkdir()
        volume.chmod(0o777)
        assert "belongs to user 0" in opened_as(user, volume).stderr
        added = first["securityContext"]["capabilities"]["add"]
        rights = ",".join(f"+{name.lower()}" for name in added)
        words = [str(volume) if word == place else word for word in command]
        subprocess.run(["setpriv", "--bounding-set", f"-all,{rights}", *words], check=True)
        done = opened_as(user, volume)
        assert done.stdout.strip() == str(volume), done.stderr
    finally:
        shutil.rmtree(folder)


def opened_as(user: int, folder: Path) -> subprocess.CompletedProcess[str]:
    """The store's own check of a folder, by another user."""
    script = f"import os; os.setgid({user}); os.setuid({user})\n{IS_PRIVATE}"
    preload = "from heapgraph.watch.store import private_folder\n"  # its files may be ours alone
    command = [sys.executable, "-P", "-c", preload + script, str(folder)]
    return subprocess.run(command, capture_output=True, text=True, check=False)
