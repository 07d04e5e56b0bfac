"""Whatever a target, a file or a folder is called, what commands write steers no terminal."""

from __future__ import annotations

import ast
import json
import os
import unicodedata
from pathlib import Path

import pytest

import heapgraph
from heapgraph.cli.main import COMMANDS
from heapgraph.watch.model import WorkerName
from heapgraph.watch.rules.replay import line_of
from helpers.cli import invoke, run_process
from helpers.hostile_heaps import HOSTILE_TEXTS, write_hostile_snapshot
from helpers.watched import census, sample

CLI = Path(heapgraph.__file__).parent / "cli"
WRITER = "output.py"
WRITING_NAMES = {"echo", "secho", "echo_via_pager", "prompt", "confirm", "write", "writelines"}
WRITING_MODULES = {"rich.console", "rich.prompt", "logging", "warnings"}

UNSAFE = {"Cc", "Cf", "Cs", "Cn", "Zl", "Zp"}
EVIL_NAME = "e\x1b]0;OWNED\x07vil\u202e\x9b1m\u2028\udcff.heapgraph"


def writes_in(source: str) -> list[str]:
    """What in a module writes to a stream, or fetches something that does."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            function = node.func
            name = getattr(function, "attr", getattr(function, "id", ""))
            is_print = isinstance(function, ast.Name) and name == "print"
            if is_print or (isinstance(function, ast.Attribute) and name in WRITING_NAMES):
                found.append(f"{node.lineno}: {name}()")
        elif isinstance(node, ast.ImportFrom) and node.module in WRITING_MODULES:
            found.append(f"{node.lineno}: from {node.module}")
        elif isinstance(node, ast.Import):
            found += [f"{node.lineno}: {a.name}" for a in node.names if a.name in WRITING_MODULES]
    return found


@pytest.mark.parametrize("module", sorted(path.name for path in CLI.glob("*.py")))
def test_only_one_module_writes(module):
    found = writes_in((CLI / module).read_text(encoding="utf-8"))
    assert bool(found) == (module == WRITER), found


@pytest.mark.parametrize(
    "line",
    [
        "print('x')",
        "click.echo('x')",
        "click.secho('x')",
        "sys.stderr.write('x')",
        "from rich.console import Console",
        "import logging",
    ],
)
def test_the_check_would_see_a_write(line):
    assert writes_in(f"def f():\n    {line}\n")


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory):
    """A snapshot in which all names are hostile, under such a name; beside it, settings of the
    daemon and a recording with such names."""
    file = write_hostile_snapshot(tmp_path_factory.mktemp("evil\u202efolder") / EVIL_NAME)
    Path(f"{file}.toml").write_text(
        '[watch]\nwarm_up = "0s"\ntargets = [{ name = "web", pid = 3 }]\n'
        '[[rule]]\nname = "r"\nholder = "*"\nbytes_above = 1\n'
    )
    lines = [line_of(census(5, {f"app.{text}": 5})) for text in HOSTILE_TEXTS]
    lines.append(line_of(sample(6, WorkerName(HOSTILE_TEXTS[0], 0), rss_bytes=5)))
    Path(f"{file}.jsonl").write_text("".join(lines))
    return file


def assert_safe(text: str) -> None:
    foreign = {
        f"U+{ord(character):04X}"
        for character in set(text) - {"\n"}
        if unicodedata.category(character) in UNSAFE
    }
    assert not foreign


QUERIES = {
    "dump": [["--core", "{file}"], ["--core", "{file}.missing\x1b[2J"]],
    "path": [["{file}", "app.EVIL"], ["{file}", "type:app.*"], ["{file}", "no\x1b[2Jthing"]],
    "show": [["{file}", "app.EVIL"], ["{file}", "no\x9b2Jthing\u202e"]],
    "diff": [["{file}", "{file}"], ["{file}", "{file}.missing\x1b[2J"]],
    "sql": [
        ["{file}", "select preview, name from objects join types on true"],
        ["{file}", 'select 1 as "a\x1b]0;OWNED\x07\u202e\u2028[red]"'],
        ["{file}", "select max(preview)::integer from objects where preview like '%OWNED%'"],
        ["{file}", 'select * from "no\x1b[2J\u2028table"'],
    ],
    "svg": [
        ["{file}", "no\x1b[2Jthing", "-o", "{file}.svg"],
        ["{file}", "app.EVIL", "-o", "{file}\n.svg"],
    ],
    "tui": [["{file}"]],
    "audit": [["verify", "{file}"], ["verify", "{file}\x1b[2J"]],
    "token": [["new", "--scope", "status", "--name", "\x1b[2J"]],
    "waste": [["{file}", "--min-size", "0"], ["{file}", "--detector", "no\x1b[2J"]],
    "dominators": [["{file}"], ["{file}", "--of", "app.EVIL"], ["{file}", "--of", "\x1b[2J"]],
    "rules": [
        ["check", "{file}"],
        ["check", "{file}.missing\x1b[2J"],
        ["test", "{file}.toml", "--replay", "{file}"],
        ["test", "{file}.toml", "--replay", "{file}.jsonl"],
        ["no\x1b[2Jthing"],
    ],
}
LINES = [
    (name, *words)
    for name in COMMANDS
    for words in QUERIES.get(name, [["{file}"], ["{file}\x1b[2J"]])
]


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize("line", LINES, ids=lambda line: ascii(" ".join(line))[:60])
def test_no_command_passes_on_what_would_steer_a_terminal(snapshot, line, form):
    words = [word.format(file=snapshot) for word in line]
    outcome = invoke(
        *words, *(["--json"] if form == "json" and line[0] not in ("svg", "tui") else [])
    )
    assert outcome.stdout or outcome.stderr
    assert_safe(outcome.stdout)
    assert_safe(outcome.stderr)
    assert "a defect" not in outcome.stderr


def test_json_says_the_same_to_a_program(snapshot):
    code = f"""
import os, sys
sys.stdout.reconfigure(encoding="utf-8")
from heapgraph.cli.main import main
main(["summary", os.fsdecode({os.fsencode(snapshot)!r}), "--json"])
"""
    written = run_process(code=code).stdout
    assert json.loads(written)["target"]["command_line"] == list(HOSTILE_TEXTS)
    assert_safe(written)
    assert r"\u009b31m" in written
    assert r"\u202e" in written
    assert HOSTILE_TEXTS[7] in written


def test_the_verdict_is_safe_too(snapshot, monkeypatch):
    """It names types, and is a sentence rather than a cell."""
    from heapgraph.analysis import memory  # noqa: PLC0415

    original = memory.report_memory

    def worded(*args, **kwargs):
        from dataclasses import replace  # noqa: PLC0415

        return replace(original(*args, **kwargs), verdict="x\x1b[2J", reason="y\u202e\ud800")

    monkeypatch.setattr(memory, "report_memory", worded)
    outcome = invoke("memory", snapshot)
    assert_safe(outcome.stdout)
    assert r"verdict: x\x1b[2J. y\u202e\ud800" in outcome.stdout


def test_a_traceback_that_was_asked_for_is_safe_too():
    code = """
import os
os.environ["HEAPGRAPH_DEBUG"] = "1"
from heapgraph.cli.main import main
main(["summary", "missing\\x1b[2J\\u202e"])
"""
    completed = run_process(code=code)
    assert completed.returncode == 1
    assert "Traceback" in completed.stderr
    assert_safe(completed.stderr)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_no_encoding_of_the_stream_is_a_failure(snapshot, encoding):
    code = f"""
import os, subprocess, sys
os.environ["PYTHONIOENCODING"] = {encoding!r}
words = [sys.executable, "-m", "heapgraph", "show", {os.fsencode(snapshot)!r}, "app.EVIL"]
sys.exit(subprocess.run(words).returncode)
"""
    completed = run_process(code=code)
    assert completed.returncode == 0, completed.stderr
    assert_safe(completed.stdout)
