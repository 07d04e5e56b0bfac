"""Every front end says the same of a table that grows, one that was loaded, and a full cache."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest

from heapgraph.graph.heap_graph import HeapGraph
from heapgraph.tui import places
from heapgraph.tui.state import Session
from helpers.browser import cells_of, page_of, quiet
from helpers.cli import Outcome, invoke
from helpers.running_target import start_target

if TYPE_CHECKING:
    from pathlib import Path

VERDICTS = {
    "__main__.SEEN": "growing",
    "__main__.RECENT": "turning over",
    "__main__.LOADED": "loaded once",
}


class Taken:
    """A snapshot of the program, and what `dump` said of it."""

    def __init__(self, file: Path, said: Outcome) -> None:
        """Open it for the browser."""
        self.file = file
        self.said = said
        self.session = Session(str(file), HeapGraph.open(file))
        self.session.prepare(quiet)

    def ask(self, command: str, *arguments: object) -> Outcome:
        """A command about it that works."""
        outcome = invoke(command, self.file, *arguments)
        assert outcome.code == 0, outcome.stderr
        return outcome

    def id_of(self, expression: str) -> int:
        """The object."""
        number: int = self.ask("show", expression, "--json").document["object"]["id"]
        return number


@pytest.fixture(scope="module")
def taken(tmp_path_factory) -> Taken:
    file = tmp_path_factory.mktemp("growth") / "tables.heapgraph"
    with start_target("three_kinds_of_tables.py") as target:
        said = invoke("dump", target.pid, "-o", file)
    assert said.code == 0, said.stderr
    return Taken(file, said)


def words_by_name(text: str, column: str = "growth") -> dict[str, str]:
    """Of a printed table what stands in a column, by the last one."""
    lines = text.splitlines()
    (at,) = [n for n, line in enumerate(lines) if f" {column} " in line and "share" in line]
    begin = lines[at].index(column)
    below = itertools.takewhile(bool, lines[at + 1 :])
    rows = {line.split()[-1]: line[begin : begin + 12].strip() for line in below}
    return {name: rows.get(name, "") for name in VERDICTS}


def test_dump_names_it_of_the_biggest_holders(taken):
    assert words_by_name(taken.said.stdout) == VERDICTS


def test_dump_calls_what_grows_a_leak(tmp_path):
    with start_target("growing.py") as target:
        for _ in range(5):
            target.send("more")
            target.read_line()
        said = invoke("dump", target.pid, "-o", tmp_path / "growing.heapgraph")
    assert said.code == 0, said.stderr
    (line,) = [line for line in said.stdout.splitlines() if "suspect  " in line]
    assert line.startswith("leak suspect  __main__.STORE.sessions: ")
    assert line.endswith(", growing")


CACHE = """
import functools, sys
@functools.lru_cache(maxsize={maximum})
def load(number):
    return [b"%06d" % number * 400, str(number)]
for number in range({calls}):
    load(number)
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize(
    ("maximum", "calls", "said", "is_unbounded"),
    [
        (3000, 9000, ("not growing", "it is full: 3,000 of at most 3,000"), False),
        (9000, 3000, ("suspect", ", growth unknown"), False),
        (None, 3000, ("suspect", ", growth unknown"), True),
    ],
)
def test_a_cache_is_no_leak_by_its_size_alone(tmp_path, maximum, calls, said, is_unbounded):
    """Given a cache with a maximum, full or not, then neither dump nor suspects call it a leak, nor
    unbounded; one without is said to be that."""
    program, file = tmp_path / "cache.py", tmp_path / "cache.heapgraph"
    program.write_text(CACHE.format(maximum=maximum, calls=calls))
    with start_target(program) as target:
        dumped = invoke("dump", target.pid, "-o", file)
    assert dumped.code == 0, dumped.stderr
    assert "leak suspect" not in dumped.stdout
    name, end = said
    (line,) = [line for line in dumped.stdout.splitlines() if " __main__.load: " in line]
    assert line.startswith(f"{name}  ")
    assert line.endswith(end)
    shown = invoke("suspects", file)
    assert "leak suspects" not in shown.stdout + shown.stderr
    assert ("unbounded function cache" in shown.stdout) == is_unbounded


def test_dominators_and_holders_have_a_column_and_the_evidence(taken):
    printed = taken.ask("dominators").stdout
    assert words_by_name(printed) == VERDICTS
    rows = taken.ask("dominators", "--json").document["objects"]
    growth = {row["expression"]: row["growth"] for row in rows}
    assert {name: growth[name]["class"] for name in VERDICTS} == VERDICTS
    assert all(growth[name]["evidence"] in printed for name in VERDICTS)
    assert growth["__main__"] is None  # a module is no container


def test_show_says_it_of_the_object_and_of_what_holds_it(taken):
    for name, verdict in VERDICTS.items():
        (line,) = [line for line in taken.ask("show", name).stdout.splitlines() if "growth" in line]
        assert line.split(None, 1)[1].startswith(f"{verdict}: ")
    above = taken.ask("show", "__main__.SEEN[3]", "--json").document["dominators"]
    assert above[0]["growth"]["class"] == "growing"


def test_a_path_says_it_where_it_is_known_and_is_silent_elsewhere(taken):
    printed = taken.ask("path", "__main__.SEEN[3].value").stdout
    assert [line.split()[-2:] for line in printed.splitlines() if "growing" in line] == [
        ["growing", "SEEN"]
    ]
    steps = taken.ask("path", "__main__.LOADED[3]", "--json").document["paths"][0]["steps"]
    assert [step.get("growth", {}).get("class") for step in steps] == [
        *(None, None, "loaded once", None)
    ]
    assert "growth" not in taken.ask("path", "__main__.Row").stdout
    merged = taken.ask("path", "type:__main__.Row").stdout
    assert {line.split()[-1]: verdict for line in merged.splitlines() for verdict in
            VERDICTS.values() if f" {verdict} " in line} == VERDICTS  # fmt: skip


def test_the_browser_says_it_in_lists_and_in_the_details(taken):
    session = taken.session
    overview = page_of(session, places.Overview())
    assert words_of(overview, 1) == VERDICTS
    tree = page_of(session, places.DominatorsOf())
    tree.left[0].cursor = next(
        number for number, cells in enumerate(cells_of(tree)) if cells[-3] == "▸ __main__"
    )
    tree.commands["expand"].run(None, quiet)
    tree.later.work(quiet)()  # what unfolded is judged as well
    assert words_of(tree, 0, "__main__") == VERDICTS
    for name, verdict in VERDICTS.items():
        facts = dict(page_of(session, places.Inspect(taken.id_of(name))).facts)
        assert facts["growth"].startswith(f"{verdict}: ")
    path = page_of(session, places.PathTo(taken.id_of("__main__.RECENT[8999]")))
    assert [cells[2] for cells in cells_of(path)] == ["", "turning over", ""]
    merged = page_of(session, places.MergedPathsTo("type:__main__.Row"))
    assert {cells[4]: cells[3] for cells in cells_of(merged)} == VERDICTS


def words_of(page, number, before=""):
    """The cells under the heading `growth` by those under `name`."""
    titles = [column.title for column in page.tables[number].columns]
    growth, name = titles.index("growth"), titles.index("name")
    found = {before + row[name].strip(" ▸▾"): row[growth] for row in cells_of(page, number)}
    return {key: found.get(key, "") for key in VERDICTS}


def test_sql_counts_the_members_by_their_age(taken):
    def tenths(name: str) -> dict[int, int]:
        query = (
            "select tenth, members from members_by_age "
            f"where container = {taken.id_of(name)} order by tenth"
        )
        return dict(taken.ask("sql", query, "--json").document["rows"])

    grown, loaded, recent = (tenths(f"__main__.{name}") for name in ("SEEN", "LOADED", "RECENT"))
    assert sum(grown.values()) == 3000
    assert sum(loaded.values()) == 2000
    assert sum(recent.values()) == 1500
    assert 0 in grown
    assert min(loaded) > max(recent)  # loaded before anything that is still in the cache
    assert len(grown) > len(loaded)
