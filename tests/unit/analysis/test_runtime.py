"""What `runtime` says of the interpreter, and of the packages that it has loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from heapgraph.analysis.registry import run
from helpers.app_heap import graph_of, module, set_global
from helpers.heaps import HeapBuilder
from helpers.manifests import good_manifest

if TYPE_CHECKING:
    from heapgraph.analysis.runtime import RuntimeFacts


def facts_of(heap: HeapBuilder, **interpreter: Any) -> RuntimeFacts:
    said = good_manifest()["interpreter"] | interpreter
    return run("runtime", graph_of(heap, interpreter=said))


def with_package(heap: HeapBuilder) -> HeapBuilder:
    installed = "/venv/lib/python3.12/site-packages/shop"
    module(heap, "shop", f"{installed}/__init__.py")
    module(heap, "shop.cart", f"{installed}/cart.py")
    module(heap, "app", "/srv/app.py")
    set_global(heap, "shop", "__version__", heap.string("4.2"))
    return heap


def test_plain_interpreter_has_nothing_to_remark() -> None:
    facts = facts_of(with_package(HeapBuilder()))
    assert (facts.collector, facts.thresholds, facts.frozen) == (True, (700, 10, 10), 0)
    assert (facts.tracemalloc, facts.tracemalloc_memory) == (False, 0)
    assert facts.flags == {}
    assert facts.remarks == ()


def test_loaded_packages_are_counted_with_their_version() -> None:
    facts = facts_of(with_package(HeapBuilder()))
    assert [(row.name, row.version, row.modules) for row in facts.distributions] == [
        ("shop", "4.2", 2)
    ]


@pytest.mark.parametrize(
    ("said", "remark"),
    [
        ({"gc_enabled": False}, "gc.disable"),
        ({"gc_thresholds": [0, 10, 10]}, "threshold is 0"),
        ({"tracemalloc": True, "tracemalloc_bytes": 3 * 2**20}, "at least 3.00 MiB"),
        ({"tracemalloc": True, "tracemalloc_bytes": None}, "memory of its own"),
        ({"flags": {"dev_mode": 1}}, "development mode"),
    ],
)
def test_what_costs_memory_is_remarked(said: dict[str, Any], remark: str) -> None:
    (found,) = facts_of(HeapBuilder(), **said).remarks
    assert remark in found
