"""Whose code is it: the application's, an installed package's, or the standard library's.

The snapshot says so, see `heapgraph/source_files.py`. What nobody could tell counts like the
application's wherever suspects are weighed: so none is lost.
"""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

import numpy as np

from heapgraph.analysis.expressions import expression, path_references, write_path
from heapgraph.analysis.expressions.literals import text_of
from heapgraph.analysis.expressions.openings import root_names
from heapgraph.analysis.expressions.segments import is_namespace, namespace_of
from heapgraph.analysis.leaks.defining_module import defining_route
from heapgraph.graph.csr import rows_of_many
from heapgraph.model import CodeOrigin, EdgeKind, RootKind

if TYPE_CHECKING:
    from collections.abc import Collection

    from heapgraph.analysis.leaks.candidates import Candidate
    from heapgraph.graph.code_places import CodePlace
    from heapgraph.graph.heap_graph import HeapGraph
    from heapgraph.graph.paths import RootPath

_MAX_PATHS = 12
"""Short paths among which one of the application is looked for."""

_CYTHON_FILES = (".pyx", ".pxd", ".pxi", ".c", ".cpp")
ORIGIN_WORDS = {
    CodeOrigin.APPLICATION: "application code",
    CodeOrigin.SITE_PACKAGES: "an installed package",
    CodeOrigin.STANDARD_LIBRARY: "the standard library",
    CodeOrigin.UNKNOWN: "of unknown origin",
}

OWN_OR_UNKNOWN = frozenset({CodeOrigin.APPLICATION, CodeOrigin.UNKNOWN})
"""Whose code may be what leaks."""

_OWN = frozenset({CodeOrigin.APPLICATION})


def origin_of_type(graph: HeapGraph, type_name: str) -> CodeOrigin:
    """Whose class it is, by the module that its qualified name begins with.

    A name without a module is a built-in's; of one whose module is gone nothing is known.
    """
    modules = graph.modules.by_name
    module_name = type_name.rpartition(".")[0]
    if not module_name:
        return CodeOrigin.STANDARD_LIBRARY
    while module_name:
        if module_name in modules:
            return modules[module_name].origin
        module_name = module_name.rpartition(".")[0]
    return CodeOrigin.UNKNOWN


def is_application_root(graph: HeapGraph, root_row: int) -> bool:
    """Whether a root is the application's, or nobody knows whose: what C code holds."""
    kind = graph.roots.row(root_row).kind
    return kind is RootKind.C_HELD or is_root_of(graph, root_row, OWN_OR_UNKNOWN)


def is_root_of(graph: HeapGraph, root_row: int, origins: Collection[CodeOrigin]) -> bool:
    """Whether a root is a module of such an origin, or a variable of its functions."""
    root = graph.roots.row(root_row)
    if root.kind is RootKind.MODULE:
        return graph.modules.origin(root.name) in origins
    if root.kind is RootKind.FRAME and root.frame < len(graph.frames):
        return graph.frames[root.frame].origin in origins
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
    for path in graph.all_paths(object_id, _MAX_PATHS):
        is_module = graph.roots.row(path.root).kind is RootKind.MODULE
        inside = path.steps[2 if is_module else 0 :]
        is_through = not modules.isdisjoint(step.object_id for step in inside)
        if not is_through and is_root_of(graph, path.root, _OWN):
            return path
    return None


def own_expression(graph: HeapGraph, object_id: int) -> str:
    """How the application reaches an object, where a library that holds it, too, explains it.

    Cost: as of `application_path` for what a library explains.
    """
    path = graph.root_paths.path_to(object_id)
    if path is None or graph.roots.row(path.root).kind is not RootKind.MODULE:
        return expression(graph, object_id)
    if is_root_of(graph, path.root, OWN_OR_UNKNOWN):
        return write_path(graph, path)
    own = application_path(graph, object_id)
    if own is not None:
        return write_path(graph, own)
    route = defining_route(graph, object_id)
    return write_path(graph, path) if route is None else route.text


def places_that_name(graph: HeapGraph, name_id: int) -> list[CodePlace]:
    """Functions, not of a library, whose code names an attribute or a global.

    Args:
        graph: the snapshot.
        name_id: the str object of the name; names in code are interned, so that the key of a
            namespace and the name in the code are one object.

    Returns:
        Functions, by file and line. Module code is not among them, nor what Cython made of a
        package: their names are of no file that is here.

    Cost: the references of code objects and of their name tuples, in one vectorised pass.
    """
    codes = graph.objects_of_type("code")
    owners, code_edges = rows_of_many(graph.offsets, codes)
    is_tuple = graph.type_ids[graph.targets[code_edges]] == _type_row(graph, "tuple")
    tuples, owners = graph.targets[code_edges][is_tuple], owners[is_tuple]
    rows, item_edges = rows_of_many(graph.offsets, tuples)
    hits = np.unique(owners[rows[graph.targets[item_edges] == name_id]])
    places = [graph.codes.place(code) for code in codes[hits].tolist()]
    own = [place for place in places if place.origin in OWN_OR_UNKNOWN]
    functions = [
        place
        for place in own
        if not place.function.startswith("<module") and not place.file.endswith(_CYTHON_FILES)
    ]
    return sorted(functions, key=_order)


def _order(place: CodePlace) -> tuple[str, int, str]:
    """By what a redacted snapshot has, too: so it names the same places."""
    return posixpath.basename(place.file), place.line, place.function


def _type_row(graph: HeapGraph, name: str) -> int:
    return graph.type_names.index(name) if name in graph.type_names else len(graph.type_names)


def code_that_uses(
    graph: HeapGraph, candidate: Candidate, holder: int | None
) -> tuple[str, tuple[str, ...]]:
    """The application's functions that use a holder by name.

    Args:
        graph: the snapshot.
        candidate: what was found.
        holder: the named holder; None for a group without one.

    Returns:
        The name, and the functions: "handle() at app.py:17". Both empty where none is known.
    """
    path = graph.root_paths.path_to(candidate.point if holder is None else holder)
    if path is None or (name_id := _last_name(graph, path)) is None:
        return "", ()
    name = text_of(graph, name_id)
    places = [] if name is None else places_that_name(graph, name_id)
    # One text may stand for many functions: code that is loaded again has the same place.
    return name or "", tuple(dict.fromkeys(place.short_text for place in places))


def _last_name(graph: HeapGraph, path: RootPath) -> int | None:
    """The str object of the last attribute or global on a path; None behind a local variable.

    Only the function itself knows its variable, and that function is told already.
    """
    found = None
    in_namespace = path.steps[0].object_id in root_names(graph).namespaces
    for reference in path_references(graph, path):
        is_entry = in_namespace and reference.kind is EdgeKind.VALUE
        if is_entry or reference.kind is EdgeKind.ATTRIBUTE:
            found = reference.label
        elif reference.kind is EdgeKind.LOCAL:
            found = None
        in_namespace = is_namespace(reference)
    return found
