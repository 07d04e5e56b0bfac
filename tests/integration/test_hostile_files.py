"""What a container puts in the places where files of the target are looked for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from heapgraph.capture.live.target import inspect_target
from heapgraph.capture.process.target_files import open_inside
from helpers.namespaces import needs_namespaces, python_in_namespace, run_inside
from helpers.running_target import start_target

pytestmark = [needs_namespaces(), pytest.mark.timeout(60)]

SECRET = "a-secret-of-the-host"
OWN_ETC = "mount -t tmpfs none /etc"
HOST_NAMES = {
    # Inside, the folder of the secret is covered: only who resolves the link outside finds it.
    "a link out of its root": (
        OWN_ETC,
        "ln -s {secret} /etc/hostname",
        "mount -t tmpfs none {folder}",
    ),
    "a link with dots": (OWN_ETC, "ln -s ../../../..{secret} /etc/hostname"),
    "a magic link": (OWN_ETC, "ln -s /proc/self/root{secret} /etc/hostname"),
    "a named pipe": (OWN_ETC, "mkfifo /etc/hostname"),
    "zeros without end": (OWN_ETC, "touch /etc/hostname", "mount --bind /dev/zero /etc/hostname"),
    "a folder": (OWN_ETC, "mkdir /etc/hostname"),
    "a file without end": (OWN_ETC, "truncate -s 1T /etc/hostname"),
    "no name": (OWN_ETC, "printf 'root:x:0:0\\nmail:x:8:8\\n' > /etc/hostname"),
    "terminal commands": (OWN_ETC, "printf '\\033]0;owned\\007host' > /etc/hostname"),
}


@pytest.mark.parametrize("commands", HOST_NAMES.values(), ids=HOST_NAMES)
def test_host_name_of_a_container_is_a_name_or_nothing(commands, tmp_path: Path) -> None:
    folder = tmp_path / "host"
    folder.mkdir()
    secret = folder / "secret"
    secret.write_text(SECRET)
    steps = [step.format(secret=secret, folder=folder) for step in commands]
    before = peak_bytes()
    with start_target("idle.py", python=python_in_namespace(tmp_path, *steps)) as target:
        assert inspect_target(target.pid).hostname == ""
    assert peak_bytes() - before < 64 << 20


def test_host_name_of_a_container_is_its_own(tmp_path: Path) -> None:
    steps = (OWN_ETC, "echo web-7.example > /etc/hostname", "hostname web-7.example")
    with start_target("idle.py", python=python_in_namespace(tmp_path, *steps)) as target:
        assert inspect_target(target.pid).hostname == "web-7.example"


@pytest.mark.parametrize("cover", ["a named pipe", "zeros without end", "another file"])
def test_what_is_mounted_over_the_program_is_not_read(cover: str, tmp_path: Path) -> None:
    pipe, other = tmp_path / "pipe", tmp_path / "other"
    os.mkfifo(pipe)
    other.write_text("no program")
    source = {"a named pipe": pipe, "zeros without end": "/dev/zero"}.get(cover, other)
    with start_target("idle.py", python=python_in_namespace(tmp_path, "true")) as target:
        before = inspect_target(target.pid)
        program = next(m.path for m in before.maps if m.start <= before.runtime_address < m.end)
        run_inside(target.pid, "mount", "--bind", source, program)
        assert inspect_target(target.pid).runtime_address == before.runtime_address
        # Who may not open what is mapped goes by the path, and is told that there is no file.
        if cover != "another file":
            with pytest.raises(FileNotFoundError):
                open_inside(target.pid, program)


def peak_bytes() -> int:
    """The most memory that this process has had in use."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) << 10
