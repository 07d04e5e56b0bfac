"""A refusal is explained from what the kernel says of both processes."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import pytest

from heapgraph.capture.process import permissions
from heapgraph.errors import (
    NotAPythonProcess,
    TargetAlreadyTraced,
    TargetNotFound,
    TargetPermissionDenied,
)

if TYPE_CHECKING:
    from pathlib import Path

NO_SUCH_PID = 2**30  # above the kernel's highest pid_max
TARGET, OWNER = 4711, "1000"
RUNNING = {
    "Name": "app",
    "Tgid": str(TARGET),
    "State": "S (sleeping)",
    "TracerPid": "0",
    "VmSize": "100 kB",
    "Uid": f"{OWNER} {OWNER} {OWNER} {OWNER}",
}
PTRACE_ALONE = "0000000000080000"
ALL_CAPABILITIES, NONE = "000001ffffffffff", "0000000000000000"


def explain(
    monkeypatch: pytest.MonkeyPatch,
    *,
    user: int = int(OWNER),
    scope: int = 0,
    capabilities: str = NONE,
    number: int = errno.EPERM,
    **status: str,
) -> Exception:
    target = {**RUNNING, **status}
    monkeypatch.setattr(
        permissions,
        "read_status",
        lambda pid: {"CapEff": capabilities} if pid == os.getpid() else target,
    )
    monkeypatch.setattr(permissions, "_yama_scope", lambda: scope)
    monkeypatch.setattr(os, "geteuid", lambda: user)
    return permissions.explain_refusal(TARGET, number)


@pytest.mark.parametrize(
    ("situation", "cause", "hint"),
    [
        ({"user": 1001}, "belongs to user 1000", "sudo heapgraph dump 4711"),
        ({"scope": 1}, "ptrace_scope = 1", "sudo"),
        ({"scope": 2}, "only root", "sudo"),
        ({"scope": 3, "capabilities": ALL_CAPABILITIES}, "next boot", "core file"),
        ({"user": 0}, "CAP_SYS_PTRACE", "--cap-add=SYS_PTRACE"),
        ({"user": 0, "capabilities": ALL_CAPABILITIES}, "security module", "dmesg"),
        ({"user": 0, "capabilities": PTRACE_ALONE}, "CAP_DAC_READ_SEARCH", "DAC_READ_SEARCH"),
        ({"capabilities": PTRACE_ALONE}, "security module", "dmesg"),
        ({}, "not dumpable", "sudo"),
    ],
)
def test_each_cause_has_its_own_advice(
    monkeypatch: pytest.MonkeyPatch, situation: dict[str, object], cause: str, hint: str
) -> None:
    error = explain(monkeypatch, **situation)  # type: ignore[arg-type]
    assert isinstance(error, TargetPermissionDenied)
    assert "4711 (app)" in error.what
    assert cause in error.cause
    assert hint in error.hint


def test_what_changed_since_the_first_look_is_the_better_explanation(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    traced = explain(monkeypatch, TracerPid="99999999")
    assert isinstance(traced, TargetAlreadyTraced)
    assert "99999999 (ended meanwhile)" in traced.what
    assert isinstance(explain(monkeypatch, State="Z (zombie)", PPid="1"), TargetNotFound)
    assert isinstance(explain(monkeypatch, number=errno.ESRCH), TargetNotFound)


def test_a_kernel_thread_is_no_python_process(monkeypatch: pytest.MonkeyPatch) -> None:
    status = {name: value for name, value in RUNNING.items() if name != "VmSize"}
    monkeypatch.setattr(permissions, "read_status", lambda _: status)
    with pytest.raises(NotAPythonProcess, match="no memory of its own"):
        permissions.check_target(TARGET)


@pytest.mark.parametrize(
    ("options", "hides"),
    [
        ("rw,nosuid", False),
        ("rw,hidepid=0", False),
        ("rw,hidepid=2", True),
        ("rw,hidepid=invisible", True),
        ("rw,hidepid=1,gid=5", True),
    ],
)
def test_a_process_that_cannot_be_seen_may_be_hidden(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, options: str, *, hides: bool
) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(f"proc /proc proc {options} 0 0\ntmpfs /tmp tmpfs rw,hidepid=2 0 0\n")
    monkeypatch.setattr(permissions, "_MOUNTS", mounts)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises((TargetNotFound, TargetPermissionDenied)) as caught:
        permissions.read_status(NO_SUCH_PID)
    assert isinstance(caught.value, TargetPermissionDenied) == hides
    assert ("hidepid" in caught.value.cause) == hides
