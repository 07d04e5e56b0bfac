"""Whose code is it: the application's, an installed package's, or the standard library's."""

from __future__ import annotations

import re
from enum import Enum
from typing import TYPE_CHECKING

import numpy as np

from heapgraph.analysis.execution.code_places import CodePlace, place_of_code
from heapgraph.analysis.expressions.attributes import namespace_entries
from heapgraph.analysis.expressions.literals import text_of
from heapgraph.analysis.expressions.openings import root_names
from heapgraph.analysis.expressions.segments import namespace_of
from heapgraph.model import RootKind

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from heapgraph.graph.heap_graph import HeapGraph
    from heapgraph.graph.paths import RootPath

_PACKAGE_FOLDERS = ("/site-packages/", "/dist-packages/")
_STANDARD_FOLDER = re.compile(r"/lib(64)?/python\d+(\.\d+t?|\.zip)/|/[Pp]ython-?3\.\d+[^/]*/Lib/")
"""Installed by a distribution or by `make install`, in a zip file, or a source tree."""

_MOST_PATHS = 12
"""Short paths among which one of the application is looked for."""

_MOST_PLACES = 3
"""Places in the code that are named; more would hide the sentence they stand in."""


class Origin(Enum):
    """Who wrote a module."""

    APPLICATION = "application code"
    PACKAGE = "an installed package"
    STANDARD_LIBRARY = "the standard library"


def origin_of_file(path: str) -> Origin:
    """Tell from the path of a source file whose code it is."""
    if any(folder in path for folder in _PACKAGE_FOLDERS):
        return Origin.PACKAGE
    if path.startswith("<frozen ") or _STANDARD_FOLDER.search(path):
        return Origin.STANDARD_LIBRARY
    return Origin.APPLICATION


def origin_of_module(graph: HeapGraph, module_id: int, name: str) -> Origin:
    """Whose module it is, by its `__file__`; one without a file is built in.

    Args:
        graph: the snapshot.
        module_id: the module, or the dict that stands for it.
        name: its name in sys.modules; `__main__` is the application's wherever it lies.
    """
    if name.partition(" ")[0] in ("__main__", "__mp_main__"):
        return Origin.APPLICATION
    path = module_file(graph, module_id)
    return Origin.STANDARD_LIBRARY if path is None else origin_of_file(path)


def origin_of_type(graph: HeapGraph, type_name: str) -> Origin:
    """Whose class it is, by the module that its qualified name begins with.

    A name without a module is a built-in's; one whose module is gone counts as the application's.
    """
    modules = root_names(graph).modules
    module_name = type_name.rpartition(".")[0]
    if not module_name:
        return Origin.STANDARD_LIBRARY
    while module_name:
        if module_name in modules:
            return origin_of_module(graph, modules[module_name][0], module_name)
        module_name = module_name.rpartition(".")[0]
    return Origin.APPLICATION


def module_file(graph: HeapGraph, module_id: int) -> str | None:
    """The `__file__` of a module, or None."""
    namespace = namespace_of(graph, module_id)
    entries = namespace_entries(graph, module_id if namespace is None else namespace)
    return next((text_of(graph, target) for name, target in entries if name == "__file__"), None)


def is_application_root(graph: HeapGraph, root_row: int) -> bool:
    """Whether a root is the application's, or nobody knows whose: what C code holds."""
    kind = graph.roots.row(root_row).kind
    return kind is RootKind.C_HELD or _is_named_application_root(graph, root_row)


def _is_named_application_root(graph: HeapGraph, root_row: int) -> bool:
    """Whether a root is one of the application's modules, or a variable of its functions."""
    root = graph.roots.row(root_row)
    if root.kind is RootKind.MODULE:
        return origin_of_module(graph, root.target, root.name) is Origin.APPLICATION
    if root.kind is RootKind.FRAME and root.frame < len(graph.frames):
        return origin_of_file(graph.frames[root.frame].file) is Origin.APPLICATION
    return False


def application_path(graph: HeapGraph, object_id: int) -> RootPath | None:
    """A path to an object from a root of the application, for one that a library explains.

    Args:
        graph: the snapshot.
        object_id: the object.

    Returns:
        The first of a few short paths; None when none of them begins in the application, or only
        goes on through another module, which the application merely imported.

    Cost: the references by referent, once per snapshot; then bounded.
    """
    modules = {target for targets in root_names(graph).modules.values() for target in targets}
    modules |= {space for one in modules if (space := namespace_of(graph, one)) is not None}
    for path in graph.all_paths(object_id, _MOST_PATHS):
        is_module = graph.roots.row(path.root).kind is RootKind.MODULE
        inside = path.steps[2 if is_module else 0 :]
        is_through = not modules.isdisjoint(step.object_id for step in inside)
        if not is_through and _is_named_application_root(graph, path.root):
            return path
    return None


def places_that_name(graph: HeapGraph, name_id: int) -> list[CodePlace]:
    """Functions of the application whose code names an attribute or a global.

    Args:
        graph: the snapshot.
        name_id: the str object of the name; names in code are interned, so that the key of a
            namespace and the name in the code are one object.

    Returns:
        At most three, by file and line; module code is left out when any function is there.

    Cost: the references of code objects and of their name tuples, in one vectorised pass.
    """
    codes = graph.objects_of_type("code")
    code_edges, owners = _edges_of_all(graph, codes)
    is_tuple = graph.type_ids[graph.targets[code_edges]] == _type_row(graph, "tuple")
    tuples, owners = graph.targets[code_edges][is_tuple], owners[is_tuple]
    item_edges, rows = _edges_of_all(graph, tuples)
    hits = np.unique(owners[rows[graph.targets[item_edges] == name_id]])
    places = [place_of_code(graph, code) for code in codes[hits].tolist()]
    own = [p for p in places if p.file and origin_of_file(p.file) is Origin.APPLICATION]
    functions = [place for place in own if not place.function.startswith("<module")]
    return sorted(functions or own, key=lambda place: (place.file, place.line))[:_MOST_PLACES]


def _type_row(graph: HeapGraph, name: str) -> int:
    return graph.type_names.index(name) if name in graph.type_names else len(graph.type_names)


def _edges_of_all(
    graph: HeapGraph, object_ids: NDArray[np.uint32]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """All references of many objects, and for each the position of its source in the list."""
    begins = graph.offsets[object_ids].astype(np.int64)
    degrees = graph.offsets[object_ids.astype(np.int64) + 1].astype(np.int64) - begins
    rows = np.repeat(np.arange(len(object_ids)), degrees)
    within = np.arange(len(rows)) - (np.cumsum(degrees) - degrees)[rows]
    return within + begins[rows], rows
