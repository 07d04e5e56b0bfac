"""Bad input and bad luck: exit codes, three short parts, never a traceback."""

from __future__ import annotations

import subprocess
import sys

import click
import pytest

from heapgraph.capture.captured import memory_shortage_named
from heapgraph.cli import main as cli_main
from heapgraph.cli.failure import explain_defect
from heapgraph.errors import CaptureInterrupted
from helpers.app_heap import app_heap
from helpers.cli import invoke, run_process

FULLWIDTH = "\uff11\uff12"
"""Digits to Python, but to nobody who types a number."""


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory):
    return app_heap().write(tmp_path_factory.mktemp("cli") / "app.heapgraph")


@pytest.mark.parametrize(
    ("arguments", "code", "what"),
    [
        (["frobnicate"], 2, "frobnicate"),
        (["histogram"], 2, "FILE"),
        (["histogram", "{file}", "--limit", "0"], 2, "0"),
        (["histogram", "{file}", "--limit", "many"], 2, "many"),
        (["dominators", "{file}", "--of", "@999999"], 2, "@999999"),
        (["show", "{file}", "app.nothing"], 2, "app.nothing"),
        (["path", "{file}", "@1", "--exclude", "gravity"], 2, "gravity"),
        (["dump", "not-a-pid"], 2, "not-a-pid"),
        (["dump", "999999999"], 3, "999999999"),
        (["dump"], 2, "nothing to dump"),
        (["dump", "1", "--core", "{file}"], 2, "PID 1 and --core"),
        (["dump", "1", "--executable", "/bin/python"], 2, "--executable /bin/python"),
        (["dump", "--executable", "/bin/python"], 2, "nothing to dump"),
        (["dump", "--core", "{file}", "--method", "pause"], 2, "--method"),
        (["dump", "--core", "{file}", "--max-pause", "5"], 2, "--max-pause"),
        (["dump", "1", "--no-run"], 2, "--no-run has no meaning for process 1"),
        (["dump", "--core", "{folder}/core"], 3, "{folder}/core"),
        (["dump", "--core", "{folder}"], 3, "{folder}"),
        (["dump", "--core", "{file}"], 3, "{file} is not a core file"),
        (["summary", "{folder}/missing.heapgraph"], 4, "missing.heapgraph"),
        (["summary", "{folder}"], 4, "{folder}"),
        (["svg", "{file}", "app", "-o", "{folder}/none/x.svg"], 1, "none/x.svg"),
        (["dump", "999999999", "--max-pause", "nan"], 2, "'nan' is no number of milliseconds"),
        (["top", "999999999", "--interval", "nan"], 2, "'nan' is no number of seconds"),
        (["dump", "999999999", "--max-pause", "inf"], 2, "'inf' is no number of milliseconds"),
        (["dump", "999999999", "--max-pause", "-1"], 2, "-1.0 is not in the range"),
        (["dump", "999999999", "--max-pause", FULLWIDTH], 2, f"'{FULLWIDTH}' is not a valid"),
        (["dump", FULLWIDTH], 2, f"'{FULLWIDTH}' is not a valid integer"),
        (["show", "{file}", f"@{FULLWIDTH}"], 2, f"cannot read '@{FULLWIDTH}'"),
        (["show", "{file}", "@" + "9" * 10_000], 2, "no object @9999"),
        (["show", "{file}", "0x1" + "0" * 16], 2, "of more than 64 bits"),
        (["show", "{file}", "0x" + "f" * 10_000], 2, "of more than 64 bits"),
        (["path", "{file}", "@1", "--all", "1" + "0" * 30], 2, "is not a valid integer"),
        (["path", "{file}", "@1", "--all", "1" + "0" * 18], 2, "is not in the range"),
        (["histogram", "{file}", "--limit", FULLWIDTH], 2, f"'{FULLWIDTH}' is not a valid"),
        (["histogram", "{file}", "--limit", "1_0"], 2, "'1_0' is not a valid integer"),
        (["sql", "{file}", "select 1", "--limit", "9" * 5000], 2, "...' is not a valid integer"),
        (["waste", "{file}", "--min-size", "1" + "0" * 19], 2, "is not in the range"),
    ],
)
def test_a_failure_has_its_code_and_three_parts(snapshot, arguments, code, what):
    places = {"file": snapshot, "folder": snapshot.parent}
    outcome = invoke(*(argument.format(**places) for argument in arguments))
    assert outcome.code == code
    assert what.format(**places) in outcome.error[0]
    assert len(outcome.error) == 3
    assert outcome.stdout == ""
    assert "Traceback" not in outcome.stderr


def test_a_damaged_snapshot_is_one_clear_error(snapshot, tmp_path):
    damaged = tmp_path / "damaged.heapgraph"
    data = bytearray(snapshot.read_bytes())
    data[data.index(b"PAR1") + 8] ^= 0xFF  # in a table: the zip has bytes to spare
    damaged.write_bytes(data)
    outcome = invoke("verify", damaged)
    assert outcome.code == 4
    assert len(outcome.error) == 3


@click.command()
def defective():
    raise ZeroDivisionError("by zero")


@click.command()
def interrupted():
    raise KeyboardInterrupt


@click.command()
def exhausted():
    raise MemoryError


@pytest.mark.parametrize(
    ("command", "code", "what"),
    [
        (defective, 1, "ZeroDivisionError: by zero"),
        (interrupted, 130, "interrupted"),
        (exhausted, 1, "not enough memory for this analysis"),
    ],
)
def test_what_nobody_foresaw_is_explained_too(monkeypatch, command, code, what):
    monkeypatch.setattr(cli_main.program, "get_command", lambda _context, _name: command)
    outcome = invoke("anything")
    assert outcome.code == code
    assert outcome.error[0] == what


def test_the_traceback_is_there_when_asked_for(monkeypatch):
    monkeypatch.setattr(cli_main.program, "get_command", lambda _context, _name: defective)
    monkeypatch.setenv("HEAPGRAPH_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        invoke("anything")


def test_without_a_command_the_help_is_shown():
    outcome = invoke()
    assert outcome.code == 2
    assert "dominators" in outcome.stderr


def test_exit_codes_reach_the_shell(snapshot):
    assert run_process("--version").returncode == 0
    assert run_process("dump", "999999999").returncode == 3
    missing = run_process("summary", snapshot.parent / "missing")
    assert missing.returncode == 4
    assert missing.stderr.startswith("error: ")


def in_shell(redirection, *arguments):
    """Run the program as a shell does that closes or redirects its streams."""
    command = f'exec "$@" {redirection}'
    return subprocess.run(
        ["sh", "-c", command, "sh", sys.executable, "-m", "heapgraph", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_closed_standard_output_is_said_before_anything_is_done(snapshot):
    done = in_shell(">&-", "summary", snapshot)
    assert done.returncode == 2
    assert [line[:6] for line in done.stderr.splitlines()] == ["error:", "cause:", "next: "]
    assert "standard output is closed" in done.stderr


def test_without_standard_error_the_exit_code_still_tells(snapshot):
    assert in_shell("2>&-", "summary", snapshot).returncode == 0
    missing = in_shell("2>&- <&-", "summary", snapshot.parent / "missing")
    assert (missing.returncode, missing.stdout) == (4, "")


def test_a_full_disk_under_the_output_is_explained(snapshot):
    done = in_shell(">/dev/full", "histogram", snapshot)
    assert done.returncode == 1
    assert [line[:6] for line in done.stderr.splitlines()] == ["error:", "cause:", "next: "]
    assert "the output cannot be written: No space left on device" in done.stderr


@pytest.mark.parametrize("place", ["/proc/none", "/dev/null"])
def test_a_cache_that_cannot_be_written_is_done_without(snapshot, monkeypatch, place):
    as_ever = invoke("dominators", snapshot)
    monkeypatch.setenv("HEAPGRAPH_CACHE", place)
    assert invoke("dominators", snapshot) == as_ever
    assert as_ever.code == 0


def test_a_reader_that_stops_early_is_no_error(snapshot):
    """As in `heapgraph histogram FILE | head -0`."""
    with subprocess.Popen(
        [sys.executable, "-m", "heapgraph", "histogram", snapshot, "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(timeout=60) == 0


def test_a_limit_on_threads_is_not_called_memory():
    """Given a thread that cannot be started, then it is the limits that are named."""
    with pytest.raises(CaptureInterrupted) as failure, memory_shortage_named():
        raise RuntimeError("can't start new thread")
    assert failure.value.what == "no thread can be started to take the snapshot"
    assert "pids.max" in failure.value.cause
    with pytest.raises(RuntimeError, match="another"), memory_shortage_named():
        raise RuntimeError("another")


def test_a_limit_on_memory_is_no_defect():
    """Given a library that does not fit below ulimit -v, then that limit is the cause."""
    code = (
        "import resource; resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30));"
        "from heapgraph.cli.failure import explain_defect;"
        "print(*explain_defect(ImportError('x.so: failed to map segment')), sep='\\n')"
    )
    said = run_process(code=code).stdout
    assert "probably the limit on its memory (ulimit -v, ulimit -d): 1.00 GiB" in said
    assert "ulimit -v unlimited" in said
    assert "a defect" in explain_defect(ImportError("x"))[1]
