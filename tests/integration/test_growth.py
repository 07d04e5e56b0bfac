"""What one snapshot tells of the past of a live program's tables, and the order of its objects."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from heapgraph.analysis.ages.growth import growth_of
from heapgraph.analysis.expressions import resolve
from heapgraph.graph.ages import PART_BITS, object_ages
from helpers.interpreters import each_interpreter
from helpers.live_graphs import dump_graph
from helpers.running_target import start_target
from helpers.turns import by_turns

if TYPE_CHECKING:
    from pathlib import Path

    from helpers.interpreters import Interpreter

VERDICTS = {"SEEN": "growing", "RECENT": "turning over", "LOADED": "loaded once"}


@pytest.mark.parametrize("interpreter", each_interpreter())
def test_each_table_has_its_own_verdict(interpreter: Interpreter, tmp_path: Path) -> None:
    with start_target("three_kinds_of_tables.py", python=interpreter.path) as target:
        graph = dump_graph(target, tmp_path / "tables.heapgraph")
    found = {name: growth_of(graph, resolve(graph, f"__main__.{name}")) for name in VERDICTS}
    assert {name: growth.trend for name, growth in found.items()} == VERDICTS, found


@pytest.mark.parametrize(
    ("before", "interpreter"), by_turns(["nothing", "collect", "freeze"], share=2)
)
def test_objects_are_as_old_as_their_place_in_the_order(
    before: str, interpreter: Interpreter, tmp_path: Path
) -> None:
    with start_target("three_kinds_of_tables.py", before, python=interpreter.path) as target:
        graph = dump_graph(target, tmp_path / "order.heapgraph")
    begin, end = graph.offsets[resolve(graph, "__main__.MADE")].item(), None
    end = graph.offsets[resolve(graph, "__main__.MADE") + 1].item()
    targets = graph.targets[begin:end]
    made = targets[graph.type_ids[targets] == graph.type_names.index("list")]
    assert len(made) == 3000
    ages = object_ages(graph)[made]
    assert (ages >= 0).all()
    assert (np.diff(ages) <= 0).all()
    fine = graph.fine_ages[made].astype(int)
    assert (np.diff(fine) <= 0).all()
    assert len(np.unique(fine)) > 5 * len(np.unique(fine >> PART_BITS))
    loaded = resolve(graph, "__main__.LOADED")
    assert ages.min() >= object_ages(graph)[loaded] >= 0


def test_a_container_of_what_nobody_tracks_is_unknown(tmp_path: Path) -> None:
    with start_target("three_kinds_of_tables.py") as target:
        graph = dump_graph(target, tmp_path / "numbers.heapgraph")
    assert growth_of(graph, resolve(graph, "__main__.MADE[0]")).trend == "unknown"
