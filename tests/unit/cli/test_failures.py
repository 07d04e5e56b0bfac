"""Bad input and bad luck: exit codes, three short parts, never a traceback."""

from __future__ import annotations

import subprocess
import sys

import click
import pytest

from heapgraph.cli import main as cli_main
from helpers.app_heap import app_heap
from helpers.cli import invoke, run_process


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
        (["dump", "--core", "{file}", "--verify-with-traverse"], 2, "--verify-with-traverse"),
        (["dump", "--core", "{folder}/core"], 3, "{folder}/core"),
        (["dump", "--core", "{folder}"], 3, "{folder}"),
        (["dump", "--core", "{file}"], 3, "{file} is not a core file"),
        (["summary", "{folder}/missing.heapgraph"], 4, "missing.heapgraph"),
        (["summary", "{folder}"], 4, "{folder}"),
        (["svg", "{file}", "app", "-o", "{folder}/none/x.svg"], 1, "none/x.svg"),
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
    data[len(data) // 2] ^= 0xFF
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
