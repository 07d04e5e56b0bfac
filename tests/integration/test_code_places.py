"""Where code comes from, and whose it is: told by whole paths, of live programs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from heapgraph.analysis.suspects import find_suspects
from heapgraph.capture.dump import dump
from heapgraph.capture.dump_core import dump_core
from heapgraph.graph.heap_graph import HeapGraph
from heapgraph.model import CodeOrigin
from heapgraph.snapshot import open_snapshot
from heapgraph.source_files import CUT, MAX_CHARACTERS
from helpers.core_files import stopped, write_core
from helpers.interpreters import each_interpreter
from helpers.running_target import start_target

if TYPE_CHECKING:
    from pathlib import Path

    from helpers.interpreters import Interpreter

LONG = 126
"""Characters of a folder's path: more than a preview has, as deployments have them."""

STOCK = """
CACHE = {}

def fill():
    for number in range(20_000):
        CACHE[number] = {"number": number, "price": number * 1.5}
"""
LEAKING = """
import sys
sys.path.insert(0, sys.argv[1])
import stock
stock.fill()
stock.TABLE = bytes(60_000_000)
sys.stdout.write("ready\\n")
sys.stdout.flush()
sys.stdin.readline()
"""


def folder_of(base: Path, length: int) -> Path:
    """A new folder whose path has so many characters."""
    missing = length - len(f"{base}/")
    assert 0 < missing < 256, f"{base} is too long, or too short"
    folder = base / ("d" * missing)
    folder.mkdir()
    return folder


def sentences(snapshot: Path, file: Path) -> list[str]:
    """Expressions and reasons of all suspects, without the folder and the share of the heap."""
    suspects = find_suspects(HeapGraph.open(snapshot)).suspects
    texts = [f"{suspect.expression}: {suspect.reason}" for suspect in suspects]
    return [re.sub(r"[\d.]+ ?%", "?", text.replace(str(file), file.name)) for text in texts]


@pytest.fixture(scope="module")
def leaking(tmp_path_factory) -> dict[str, list[str]]:
    """What is said of the same program under a short and a long path, plain and redacted."""
    said = {}
    base = tmp_path_factory.mktemp("leaking")
    (base / "program.py").write_text(LEAKING)
    for name, length in (("short", len(str(base)) + 2), ("long", LONG)):
        folder = folder_of(base, length)
        (folder / "stock.py").write_text(STOCK)
        with start_target(base / "program.py", folder) as target:
            for redact in (False, True):
                snapshot = base / f"{name}-{redact}.heapgraph"
                dump(target.pid, snapshot, redact=redact)
                said[f"{name}{' redacted' * redact}"] = sentences(snapshot, folder / "stock.py")
    return said


def test_a_long_path_changes_no_suspect(leaking):
    """Given 20,000 dicts in a global of a module, and a table that is ten times as large.

    Then both are named wherever its file lies: what is a smaller share must be the application's.
    """
    (said,) = [text for text in leaking["short"] if text.startswith("stock.CACHE: ")]
    assert "stock.CACHE (dict) keeps " in said
    assert "the module stock (application code, stock.py)" in said
    assert "Code that uses `CACHE`: fill() at stock.py:4." in said
    assert leaking["long"] == leaking["short"]


def test_redaction_changes_no_suspect(leaking):
    """Given no path at all, then everything else is still said."""
    assert leaking["short redacted"] == leaking["short"]
    assert leaking["long redacted"] == leaking["short"]


APPLICATION, SITE_PACKAGES, STANDARD_LIBRARY, UNKNOWN = (
    CodeOrigin.APPLICATION,
    CodeOrigin.SITE_PACKAGES,
    CodeOrigin.STANDARD_LIBRARY,
    CodeOrigin.UNKNOWN,
)
ORIGINS = {
    "__main__": APPLICATION,
    "stock": APPLICATION,
    "shelf": SITE_PACKAGES,
    "shelf._native": SITE_PACKAGES,
    "json": STANDARD_LIBRARY,
    "json._made_up": STANDARD_LIBRARY,
    "sys": STANDARD_LIBRARY,
    "builtins": STANDARD_LIBRARY,
    "_thread": STANDARD_LIBRARY,
    "made_up": UNKNOWN,
    "nothing": UNKNOWN,
    "numbered": UNKNOWN,
    "endless": UNKNOWN,
    "steering": APPLICATION,
    "wide": APPLICATION,
    "derived": APPLICATION,
    "lazy": APPLICATION,
    "table": APPLICATION,
}


@pytest.fixture(scope="module", params=each_interpreter())
def odd(request, tmp_path_factory) -> tuple[Path, Path]:
    """The folder of the module `shelf`, and a folder with `live`, `redacted` and `core` dumps."""
    interpreter: Interpreter = request.param
    base = tmp_path_factory.mktemp("odd")
    installed = folder_of(base, LONG) / "lib" / "python3.13" / "site-packages"
    (installed / "shelf").mkdir(parents=True)
    (installed / "shelf" / "__init__.py").write_text("def put():\n    pass\n")
    (base / "stock.py").write_text(STOCK)
    with start_target(
        "modules_of_all_kinds.py", installed, base, python=interpreter.path
    ) as target:
        dump(target.pid, base / "live.heapgraph")
        dump(target.pid, base / "redacted.heapgraph", redact=True)
    return installed, base


def graph_of(path: Path) -> HeapGraph:
    return HeapGraph.open(path)


@pytest.mark.parametrize("name", ["live", "redacted"])
def test_whose_a_module_is(odd, name):
    """Given modules with and without files, then what cannot be told is not the library's."""
    modules = graph_of(odd[1] / f"{name}.heapgraph").modules
    assert {name: modules.origin(name) for name in ORIGINS} == ORIGINS
    assert {name for name, row in modules.by_name.items() if row.distribution == "shelf"} == {
        "shelf",
        "shelf._native",
    }
    assert modules.by_name["stock"].distribution == ""


def test_the_file_of_a_module_is_whole_and_harmless(odd):
    """Given files that are no text, or endless, or steer a terminal, then each is as documented."""
    installed, base = odd
    files = {row.name: row.file for row in graph_of(base / "live.heapgraph").modules.rows}
    assert files["shelf"] == str(installed / "shelf" / "__init__.py")
    assert files["stock"] == str(base / "stock.py")
    assert [files[name] for name in ("made_up", "nothing", "numbered")] == ["", "", ""]
    assert files["endless"] == ("/srv/" + "x" * MAX_CHARACTERS)[:MAX_CHARACTERS] + CUT
    assert files["steering"] == "/srv/\x1b[2J\u202e\\ud800.py"
    assert files["wide"] == "/srv/\N{SNOWMAN}\N{PILE OF POO}.py"
    assert files["derived"] == "/srv/derived.py"
    assert files["lazy"] == "/srv/lazy.py"
    assert files["table"] == "/srv/table.py"


def test_every_code_object_has_its_place(odd):
    """Given all code of a program, then function, file, first line and origin are columns."""
    installed, base = odd
    graph = graph_of(base / "live.heapgraph")
    assert graph.codes.objects.tolist() == graph.objects_of_type("code").tolist()
    places = [graph.codes.place(code) for code in graph.codes.objects.tolist()]
    (put,) = [place for place in places if place.function == "put" and "shelf" in place.file]
    assert (put.file, put.line) == (str(installed / "shelf" / "__init__.py"), 1)
    assert put.origin is SITE_PACKAGES
    (fill,) = [place for place in places if place.file == str(base / "stock.py")]
    assert (fill.function, fill.line, fill.origin) == ("fill", 4, APPLICATION)
    (far,) = [place for place in places if place.function == "far"]
    assert far.origin is UNKNOWN
    assert far.file == ("/srv/" + "y" * MAX_CHARACTERS)[:MAX_CHARACTERS] + CUT
    (odd_code,) = [place for place in places if place.function == "\N{GREEK SMALL LETTER LAMDA}"]
    assert odd_code.file == "/srv/\\ud800\x07.py"
    assert sum(place.origin is STANDARD_LIBRARY for place in places) > len(places) / 2


def test_a_redacted_snapshot_has_no_folder(odd):
    """Given the redacted snapshot of it, then no text in it has the folder of the modules."""
    _, base = odd
    with open_snapshot(base / "redacted.heapgraph") as snapshot:
        texts = [str(snapshot.table(name).to_pydict()) for name in ("codes", "modules", "frames")]
        texts += filter(None, snapshot.strings("objects", "preview").to_pylist())
    assert not [text for text in texts if str(base) in text or "/srv/" in text]
    files = {row.name: row.file for row in graph_of(base / "redacted.heapgraph").modules.rows}
    assert (files["shelf"], files["stock"]) == ("shelf/__init__.py", "stock.py")


def test_a_core_file_has_the_same_tables(tmp_path):
    """Given a core file of a process that was dumped as well, then both tell the same places."""
    with start_target("idle.py") as target, stopped(target.pid):
        dump(target.pid, tmp_path / "live.heapgraph")
        core = write_core(target.pid, tmp_path / "core")
    dump_core(core, tmp_path / "core.heapgraph")
    with (
        open_snapshot(tmp_path / "live.heapgraph") as live,
        open_snapshot(tmp_path / "core.heapgraph") as dead,
    ):
        for name in ("codes", "modules"):
            assert live.row_count(name) > 10
            assert dead.table(name).equals(live.table(name))
