"""What a fresh process loads: nothing heavy before there is something to do."""

from __future__ import annotations

import pytest

from helpers.app_heap import app_heap
from helpers.cli import run_process

HEAVY = ("numpy", "pyarrow", "networkx", "textual", "rich", "graphviz", "elftools", "asyncio")

REPORT = """
import sys
{statement}
heavy = {heavy!r}
print(",".join(name for name in heavy if name in sys.modules), file=sys.stderr)
"""

HELP = """
from heapgraph.cli.main import main
try:
    main([{arguments}])
except SystemExit:
    pass
"""


def loaded_by(statement: str) -> str:
    completed = run_process(code=REPORT.format(statement=statement, heavy=HEAVY))
    assert completed.returncode == 0, completed.stderr
    return completed.stderr.splitlines()[-1]


@pytest.mark.parametrize("arguments", ["'--help'", "'--version'", "'dump', '--help'"])
def test_help_loads_nothing_heavy(arguments):
    assert loaded_by(HELP.format(arguments=arguments)) == ""


def test_importing_heapgraph_loads_nothing_heavy():
    assert loaded_by("import heapgraph") == ""


@pytest.mark.parametrize("room", ["actions.outbox", "metrics.prometheus", "daemon.service"])
def test_the_daemon_loads_no_arrays(room):
    """It stays small: what needs numpy runs in programs of its own."""
    loaded = loaded_by(f"import heapgraph.watch.{room}").split(",")
    assert {"numpy", "pyarrow"}.isdisjoint(loaded)


def test_the_registry_knows_its_analyses_without_loading_them():
    statement = "from heapgraph.analysis.registry import REGISTRY; assert 'paths' in list(REGISTRY)"
    assert loaded_by(statement) == ""


def test_the_report_would_see_what_is_loaded():
    assert loaded_by("import numpy, rich") == "numpy,rich"


COMMAND = """
import sys
from heapgraph.cli.main import main
try:
    main({words!r})
except SystemExit as done:
    assert not done.code, done.code
print(*{{"pandas", "pyarrow.compute"}} & sys.modules.keys(), "loaded", file=sys.stderr)
"""


@pytest.mark.parametrize(
    "command", ["summary", "histogram", "dominators", "suspects", "threads", "verify"]
)
def test_common_commands_load_no_pandas_and_no_functions_of_arrow(command, tmp_path):
    """pyarrow imports them for some conversions; pandas costs more than most commands."""
    pytest.importorskip("pandas", exc_type=ModuleNotFoundError)
    file = app_heap().write(tmp_path / "app.heapgraph")
    completed = run_process(code=COMMAND.format(words=[command, str(file)]))
    assert completed.returncode == 0, completed.stderr
    assert completed.stderr.splitlines()[-1] == "loaded"
