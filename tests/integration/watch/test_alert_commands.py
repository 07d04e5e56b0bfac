"""Programs that are run for an alert: as whom, with what, for how long."""

from __future__ import annotations

import json
import os
import pwd
import sys
import time

import pytest

from heapgraph.watch.actions.command import MAX_OUTPUT, run_command
from heapgraph.watch.settings.model import ActionSpec

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root runs programs as others")
OWN = pwd.getpwuid(os.geteuid()).pw_name


def command(*argv: str, user: str = OWN, timeout_s: float = 20.0) -> ActionSpec:
    return ActionSpec("tell", "command", argv=argv, user=user, timeout_s=timeout_s)


def python(code: str, **changes):
    return command(sys.executable, "-I", "-c", code, **changes)


REPORT = """
import json, os, sys
print(json.dumps({
    "body": sys.stdin.read(), "environment": dict(os.environ), "folder": os.getcwd(),
    "uids": os.getresuid(), "gids": os.getresgid(), "groups": os.getgroups(),
    "session": os.getsid(0) == os.getpid(), "files": sorted(os.listdir("/proc/self/fd")),
    "umask": os.umask(0),
}))
"""


def test_what_a_program_gets(monkeypatch):
    monkeypatch.setenv("HEAPGRAPH_SECRET", "planted")
    with open("/dev/null") as held:  # noqa: PTH123 - a descriptor that may not be passed on
        os.set_inheritable(held.fileno(), True)
        run = run_command(python(REPORT), b'{"a": 1}')
    assert (run.succeeded, run.detail) == (True, "ended with 0")
    report = json.loads(run.output)
    assert report["body"] == '{"a": 1}'
    assert set(report["environment"]) - {"LC_CTYPE"} == {"PATH", "HOME", "USER", "LOGNAME", "LANG"}
    assert report["folder"] == "/"
    assert report["session"]
    assert report["umask"] == 0o077
    assert report["files"] == ["0", "1", "2", "3"]  # the last is that of the listing


@needs_root
def test_a_program_runs_as_another_user_with_no_way_back():
    entry = pwd.getpwnam("nobody")
    run = run_command(
        command(
            "/bin/sh",
            "-c",
            "id -u; id -ru; id -g; id -G; cat /proc/self/status | grep ^Uid",
            user="nobody",
        ),
        b"{}",
    )
    assert run.succeeded, run
    shown = run.output.replace("\\n", " ").replace("\\t", " ").split()
    assert shown[:4] == [str(entry.pw_uid), str(entry.pw_uid), str(entry.pw_gid), str(entry.pw_gid)]
    assert shown[-4:] == [str(entry.pw_uid)] * 4  # real, effective, saved, file system
    assert "0" not in shown[:-5]


@needs_root
def test_root_says_as_whom():
    run = run_command(command("/bin/true", user=""), b"{}")
    assert not run.succeeded
    assert "has no user" in run.detail


def test_nobody_knows_that_user():
    run = run_command(command("/bin/true", user="no-such-user"), b"{}")
    assert not run.succeeded
    assert "no-such-user is known" in run.detail


def test_there_is_no_shell():
    run = run_command(command("/bin/echo", "$HOME; `id` > file *"), b"{}")
    assert run.output == "$HOME; `id` > file *"


@pytest.mark.parametrize("argv", [("/no/such/program",), ("/etc/passwd",), ("a\0b",)])
def test_what_cannot_be_started_says_so(argv):
    run = run_command(command(*argv), b"{}")
    assert not run.succeeded
    assert run.detail.startswith("not started: ")


def test_a_program_that_hangs_is_killed_with_its_children(tmp_path):
    code = f"""
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = os.fork()
if child:
    open({str(tmp_path / "child")!r}, "w").write(str(child))
signal.pause()
"""
    begun = time.monotonic()
    run = run_command(python(code, timeout_s=1.0), b"{}")
    assert (run.succeeded, run.detail) == (False, "killed after 1 s")
    assert time.monotonic() - begun < 10
    child = int((tmp_path / "child").read_text())
    deadline = time.monotonic() + 60
    while _is_running(child):
        assert time.monotonic() < deadline
        os.sched_yield()


def _is_running(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as stream:  # noqa: PTH123 - a line of it
            return stream.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_child_that_holds_the_output_open_is_not_waited_for():
    code = "import os, signal; os.fork() or signal.pause(); print('done')"
    begun = time.monotonic()
    run = run_command(python(code, timeout_s=15.0), b"{}")
    assert run.succeeded
    assert run.output == "done"
    assert time.monotonic() - begun < 10


def test_endless_output_is_cut():
    run = run_command(
        python("import sys; [sys.stdout.write('x' * 65536) for _ in range(200)]"), b""
    )
    assert run.succeeded
    assert len(run.output) == MAX_OUTPUT


def test_output_is_printable():
    run = run_command(python(r"print('\x1b[31mred')"), b"{}")
    assert run.output == r"\x1b[31mred"


def test_how_a_program_failed():
    assert run_command(python("raise SystemExit(3)"), b"{}").detail == "ended with 3"
    run = run_command(python("import os; os.kill(os.getpid(), 11)"), b"{}")
    assert run.detail == "ended by signal 11"
    # A large alert does not hang on a program that does not read it.
    assert run_command(command("/bin/true"), b"x" * 400_000).succeeded


def test_a_program_is_ended_when_the_daemon_is():
    """Given a program that runs on, the descriptor that says stop ends it at once."""
    stop = os.eventfd(1, os.EFD_CLOEXEC)
    began = time.monotonic()
    try:
        run = run_command(python("import signal; signal.pause()", timeout_s=60.0), b"{}", stop)
    finally:
        os.close(stop)
    assert not run.succeeded
    assert run.detail == "ended with the daemon"
    assert time.monotonic() - began < 20
