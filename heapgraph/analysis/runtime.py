"""How the interpreter was set up: collector, tracemalloc, flags, and what it has loaded."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from heapgraph.analysis.expressions.attributes import module_entries
from heapgraph.analysis.expressions.literals import text_of
from heapgraph.analysis.results import TableResult
from heapgraph.units import Bytes, Count, format_size

if TYPE_CHECKING:
    from heapgraph.analysis.registry import Progress
    from heapgraph.graph.heap_graph import HeapGraph

_VERSION = "__version__"


@dataclass(frozen=True)
class DistributionRow:
    """An installed package of which modules are loaded.

    Attributes:
        name: as its folder is called.
        version: what it says of itself (`__version__`); "" where it says nothing, as in a redacted
            snapshot.
        modules: how many of it are loaded.
    """

    name: str
    version: str
    modules: Count


@dataclass(frozen=True)
class RuntimeFacts(TableResult):
    """How an interpreter manages its memory; of several, the main one.

    Attributes:
        python: its version.
        collector: automatic collection of cycles is on.
        thresholds, counts: of the generations, the youngest first; a collection is due when the
            first count is above its threshold.
        frozen: objects that gc.freeze has put out of the collector's sight.
        interpreters: how many there are, and `collectors_off` of them collect nothing.
        tracemalloc: it traces; None where this version does not tell.
        tracemalloc_frames: how many it keeps of each allocation.
        tracemalloc_memory: its own memory at least; None where this version does not tell.
        flags: those of sys.flags that are not 0.
        remarks: what of this costs or leaks memory, a sentence each.
        distributions: installed packages that are loaded, by name.
    """

    rows_field: ClassVar[str] = "distributions"
    printed_columns: ClassVar[tuple[str, ...]] = (
        *("python", "collector", "thresholds", "counts", "frozen", "interpreters"),
        *("collectors_off", "tracemalloc", "tracemalloc_frames", "tracemalloc_memory", "flags"),
        "remarks",
    )

    python: str
    collector: bool
    thresholds: tuple[int, ...]
    counts: tuple[int, ...]
    frozen: Count
    interpreters: Count
    collectors_off: Count
    tracemalloc: bool | None
    tracemalloc_frames: Count
    tracemalloc_memory: Bytes | None
    flags: dict[str, int]
    remarks: tuple[str, ...]
    distributions: tuple[DistributionRow, ...]


def runtime_facts(graph: HeapGraph, *, progress: Progress | None = None) -> RuntimeFacts:
    """Tell how the target's interpreter was set up.

    Args:
        graph: the snapshot.
        progress: called for the packages.

    Cost: the namespaces of the packages that are loaded.
    """
    if progress:
        progress("packages", 0, 0)
    said: dict[str, Any] = graph.manifest["interpreter"]
    return RuntimeFacts(
        graph.manifest["target"]["python_version"],
        said["gc_enabled"],
        tuple(said["gc_thresholds"]),
        tuple(said["gc_counts"]),
        said["gc_frozen"],
        said["interpreters"],
        said["gc_disabled_in"],
        said["tracemalloc"],
        said["tracemalloc_frames"],
        said["tracemalloc_bytes"],
        {name: value for name, value in said["flags"].items() if value},
        tuple(_remarks(said)),
        tuple(_distributions(graph)),
    )


def _remarks(said: dict[str, Any]) -> list[str]:
    remarks = []
    if not said["gc_enabled"]:
        remarks.append("the collector is off (gc.disable): objects in cycles are never freed")
    elif said["gc_thresholds"][:1] == [0]:
        remarks.append("the first threshold is 0, which switches the collector off")
    if said["tracemalloc"]:
        size = said["tracemalloc_bytes"]
        cost = "memory of its own" if size is None else f"at least {format_size(size)}"
        remarks.append(f"tracemalloc is on, which takes {cost} and slows each allocation")
    if said["flags"].get("dev_mode"):
        remarks.append("development mode is on (-X dev): the debug allocators enlarge every block")
    return remarks


def _distributions(graph: HeapGraph) -> list[DistributionRow]:
    loaded = [module for module in graph.modules.rows if module.distribution]
    counts = Counter(module.distribution for module in loaded)
    by_name = graph.modules.by_name
    return [
        DistributionRow(name, _version(graph, by_name[name].object) if name in by_name else "", n)
        for name, n in sorted(counts.items())
    ]


def _version(graph: HeapGraph, module: int) -> str:
    entries = module_entries(graph, module)
    return (text_of(graph, entries[_VERSION]) or "") if _VERSION in entries else ""
